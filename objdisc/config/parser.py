"""From a command line and YAML files to the options of a command.

A command's options are a frozen dataclass: its fields are the flags (``--batch-size``) and the YAML keys
(``batch_size``), its docstring is the help. ``components`` has what makes a field special. A class attribute
``renamed`` may map former names of settings, such as ``patches.side``, to current ones; that of a component's class
maps former names of its arguments, and its ``preferred`` gives defaults for other settings.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from objdisc.config.settings import Settings, current_name, setting_fields
from objdisc.errors import UsageError

Options = TypeVar("Options")


def parse(options: type[Options], argv: Sequence[str], prog: str, *, quiet: bool = False) -> Options:
    """Read a command line.

    Later settings win: the defaults, then each ``--config`` in order, then the flags. ``--resume RUN`` without
    ``--config`` starts from the configuration of that run.

    Args:
        options: Dataclass of the command.
        argv: The words after the command's name.
        prog: The command as the user typed it, for messages.
        quiet: Whether former names in files, and a method's own defaults, are taken without a notice.

    Raises:
        UsageError: An unknown key or flag, a value of a wrong type, an unreadable config file.
        SystemExit: After ``--help`` and ``--print-config``.
    """
    pairs = list(_split(options, argv))
    flags: dict[str, Any] = dict(pairs)
    settings = Settings(options, prog, allow_import=flags.get("allow_import") == "true", quiet=quiet)
    settings.help_if_asked(flags)
    files = [Path(file) for name, file in pairs if name == "config"]
    if flags.get("config") == "":
        raise UsageError("--config: the path is empty; give one, or leave it out.")
    if not files and "resume" in flags and "resume" in settings.fields:
        files = [Path(flags["resume"], "config.yaml")]
        if not files[0].is_file():
            raise UsageError(f"--resume {flags['resume']}: no run there, it has no config.yaml; give a run's folder.")
    for file in files:
        settings.put(_read_yaml(file), str(file))
    settings.put_flags(pairs)
    read: Options = settings.typed()
    if "print_config" in flags:
        print(dump(read), end="")
        raise SystemExit(0)
    return read


def load(options: type[Options], path: Path, *, allow_import: bool = False, quiet: bool = False) -> Options:
    """Read a configuration file alone, such as ``runs/<name>/config.yaml``.

    Args:
        options: Dataclass of the command.
        path: The file.
        allow_import: Whether it may name classes from outside the package, whose modules are then run.
        quiet: Whether former names are accepted without a notice, for instance because the file was read before.

    Raises:
        UsageError: It is missing, is not YAML, or does not fit the options.
    """
    argv = ["--config", str(path)] + ["--allow-import"] * allow_import
    return parse(options, argv, prog="objdisc", quiet=quiet)


def compose(
    options: type[Options], config: Path | None, values: Mapping[str, Any], *, allow_import: bool = False
) -> Options:
    """Make options from a program's values, which override those of a file.

    Args:
        options: Dataclass of the command.
        config: The file; None for none.
        values: Keys and values as in YAML.
        allow_import: Whether classes from outside the package may be named, whose modules are then run.

    Raises:
        UsageError: An unknown key, a value of a wrong type, or the file cannot be read.
    """
    settings = Settings(options, "objdisc discover", allow_import=allow_import)
    if config is not None:
        settings.put(_read_yaml(config), str(config))
    settings.put(values)
    made: Options = settings.typed()
    return made


def override(options: Options, changes: Mapping[str, Any], where: str) -> Options:
    """Change some settings, with the checks that a file's settings go through.

    Args:
        options: The options before the changes.
        changes: Keys and values as in YAML; a nested mapping changes only the keys that it has, but a newly named
            method or source of regions takes only the arguments that are given with it.
        where: Where the changes come from, for messages.

    Raises:
        UsageError: An unknown key, or a value of a wrong type.
    """
    settings = Settings(type(options), "objdisc discover", allow_import=getattr(options, "allow_import", False))
    settings.put(yaml.safe_load(dump(options)), where)
    for name, item in settings.components.items():
        named = changes.get(name)
        if isinstance(named, str) or (isinstance(named, Mapping) and "class_path" in named):
            settings.classes[name] = ""
        if isinstance(named, Mapping) and named.get("init_args"):
            # jsonargparse fills in all arguments of a class that settings within others name by its import path
            own = {key: value for key, value in named["init_args"].items() if key not in item.metadata["given"]}
            changes = {**changes, name: {**named, "init_args": own}}
    settings.put(changes, where)
    for name, item in settings.fields.items():
        if "flag_only" in item.metadata:
            settings.values[name] = getattr(options, name)
    changed: Options = settings.typed()
    return changed


def dump(options: Any) -> str:
    """Write options as YAML that ``--config`` takes, with all defaults spelled out."""
    values: dict[str, Any] = {}
    for item in fields(options):
        value = getattr(options, item.name)
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        if "flag_only" not in item.metadata:
            values.update(plain if "flat" in item.metadata else {item.name: plain})
    return yaml.safe_dump(json.loads(json.dumps(values, default=str)), sort_keys=False, allow_unicode=True)


def _split(options: type, argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Split a command line into flags with their values; a word that belongs to no flag has the name ``""``.

    Dashes become underscores, and a bare switch gets its value: ``--baseline`` true, ``--no-baseline`` false.
    """
    known = [options, *(item.metadata["passed_on"] for item in fields(options) if "passed_on" in item.metadata)]
    switches = {name for each in known for name, item in setting_fields(each).items() if item.type is bool}
    switches |= {"help", "h", "print_config"}
    words = deque(argv)
    while words:
        word = words.popleft()
        if not word.startswith("-"):
            yield "", word
            continue
        flag, equals, value = word.partition("=")
        name = flag.lstrip("-").replace("-", "_")
        for each in known:
            name = current_name(each, name)
        if equals:
            yield name, value
        elif name in switches:
            yield name, words.popleft() if words and words[0].lower() in {"true", "false"} else "true"
        elif name.removeprefix("no_") in switches:
            yield name.removeprefix("no_"), "false"
        elif words and not words[0].startswith("--"):
            yield name, words.popleft()
        else:
            raise UsageError(f"{flag}: expected one argument.")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UsageError(f"{path}: the config cannot be read ({error.strerror}); check --config.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}: holds a {type(values).__name__}, expected keys and values such as 'epochs: 10'.")
    return values
