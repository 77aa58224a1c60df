"""From a command line and YAML files to typed options; the only place that imports jsonargparse.

A command's options are a frozen dataclass: its fields are the flags (``--batch-size``) and the YAML keys
(``batch_size``), its docstring is the help. Four kinds of fields are marked: ``positional``, ``flat`` (a nested
dataclass whose fields are flags of their own), ``component`` (a class chosen by name, with its constructor's
arguments) and ``passed_on`` (flags of another command, kept as they are).
"""

import inspect
import json
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from jsonargparse import ArgumentParser

from objdisc.config.components import Component, component_names, resolve_class_path
from objdisc.config.flags import (
    check_flags,
    check_values,
    divide_flags,
    option_fields,
    spell_flag,
    split_flags,
)
from objdisc.config.help import HelpFormatter, attribute_texts, one_line
from objdisc.errors import UsageError

Options = TypeVar("Options")


def parse(options: type[Options], argv: Sequence[str], prog: str) -> Options:
    """Read a command line.

    Later settings win: the defaults, then each ``--config`` in order, then the flags. ``--resume RUN`` without
    ``--config`` starts from the configuration of that run.

    Args:
        options: Dataclass of the command.
        argv: What stands after the command's name.
        prog: The command as the user typed it, for messages.

    Raises:
        UsageError: An unknown key or flag, a value of a wrong type, an unreadable config file.
        SystemExit: After ``--help`` and ``--print_config``.
    """
    parser = _build_parser(options, prog)
    pairs, passed = divide_flags(options, split_flags(options, argv))
    allow_import = ("--allow_import", "true") in pairs
    check_flags(options, pairs, allow_import=allow_import)
    files = [Path(value) for flag, value in pairs if flag == "--config" and value]
    resumed = next((value for flag, value in pairs if flag == "--resume" and value), None)
    if resumed and not files:
        files = [Path(resumed) / "config.yaml"]
        if not files[0].is_file():
            raise UsageError(f"--resume {resumed}: no run there, it has no config.yaml; give the folder of a run.")
    given = [value for flag, value in pairs if not flag and value]
    read = [_read_config(options, file, parser, allow_import) for file in files]
    _drop_replaced(options, parser, read, pairs, allow_import)
    configs: list[str] = []
    for file, values in zip(files, read, strict=True):
        configs.append(f"--config={json.dumps(values)}")
        _run(parser, [*configs, *given], options, f"{file}: ")
    words = [spell_flag(options, flag, value, allow_import) for flag, value in pairs if flag and flag != "--config"]
    # several positionals must stand together
    namespace = _run(parser, [*configs, *given, *filter(None, words)], options)
    return _from_mapping(options, namespace | passed)


def load(options: type[Options], path: Path, *, allow_import: bool = False) -> Options:
    """Read a configuration file alone, such as ``runs/<name>/config.yaml``.

    Args:
        options: Dataclass of the command.
        path: The file.
        allow_import: Whether it may name classes outside of the package, whose modules are then run.

    Raises:
        UsageError: It is missing, no YAML, or does not fit the options.
    """
    allowed = ["--allow-import"] if allow_import else []
    return parse(options, ["--config", str(path), *allowed], prog="objdisc")


def override(options: Options, changes: Mapping[str, Any], where: str) -> Options:
    """Change some settings, checked as those of a file are.

    Args:
        options: What holds where nothing is changed.
        changes: Keys and values as in YAML; a mapping within changes the keys that it has, but a method or a source of
            regions that is named anew comes with the arguments that are named with it.
        where: What the changes are called, for messages.

    Raises:
        UsageError: An unknown key, or a value of a wrong type.
    """
    parser = _build_parser(type(options), prog="objdisc discover")
    # a class that is named anew would keep those arguments of the default one that it has too
    parser.set_defaults({item.name: None for item in option_fields(type(options)) if "base" in item.metadata})
    merged = _merged(yaml.safe_load(dump(options)), changes)
    for item in option_fields(type(options)):
        value = merged.get(item.name)
        if "base" in item.metadata and isinstance(value, Mapping):
            # jsonargparse fills in all arguments of a class that settings within others name by its import path
            arguments = {k: v for k, v in (value.get("init_args") or {}).items() if k not in item.metadata["given"]}
            merged[item.name] = {**value, "init_args": arguments}
    allow_import = bool(getattr(options, "allow_import", False))
    values = _prepared(type(options), merged, where, parser, allow_import)
    allowed = {item.name: getattr(options, item.name) for item in option_fields(type(options)) if _is_flag_only(item)}
    read = _run(parser, [f"--config={json.dumps(values)}"], type(options), f"{where}: ")
    return _from_mapping(type(options), read | allowed)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, change in changes.items():
        within = isinstance(change, Mapping) and isinstance(merged.get(key), Mapping) and "class_path" not in change
        merged[key] = _merged(merged[key], change) if within else change
    return merged


def dump(options: Any) -> str:
    """Write options as YAML that ``--config`` takes; everything is spelled out, defaults too."""
    values: dict[str, Any] = {}
    for item in fields(options):
        if _is_flag_only(item):
            continue
        value = getattr(options, item.name)
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        values.update(plain if "flat" in item.metadata else {item.name: plain})
    return yaml.safe_dump(json.loads(json.dumps(values, default=str)), sort_keys=False, allow_unicode=True)


def _run(parser: ArgumentParser, tokens: Sequence[str], options: type, where: str = "") -> dict[str, Any]:
    try:
        return dict(parser.parse_args(list(tokens)).as_dict())
    except ArgumentError as error:
        raise UsageError(f"{where}{one_line(str(error), options)} See {parser.prog} --help.") from error


def _build_parser(options: type, prog: str) -> ArgumentParser:
    types = get_type_hints(options)
    marked = {
        item.name: item
        for item in option_fields(options)
        if (item.metadata and not _is_flag_only(item)) or is_dataclass(types[item.name])
    }
    positionals = [item for item in marked.values() if "positional" in item.metadata]
    names = [_in_usage(item) for item in positionals]
    parser = ArgumentParser(
        prog=prog,
        description=inspect.cleandoc(options.__doc__ or "").partition("\n\nAttributes:")[0],
        usage=" ".join([prog, *names, "[--flag VALUE ...]"]),
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=HelpFormatter,
    )
    texts = attribute_texts(options)
    for item in positionals:
        arity: dict[str, Any] = {} if item.default is MISSING else {"nargs": "?", "default": item.default}
        arity |= {"nargs": "+"} if item.metadata["several"] else {}
        parser.add_argument(item.name, type=str, metavar=item.name.upper(), help=texts[item.name], **arity)
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML settings; flags win over it.")
    parser.add_class_arguments(options, skip=set(marked))
    for item in marked.values():
        if "base" in item.metadata:
            _add_component(parser, item, texts[item.name])
        elif not {"positional", "passed_on"} & set(item.metadata):
            parser.add_class_arguments(types[item.name], None if "flat" in item.metadata else item.name)
    return parser


def _in_usage(item: Field[Any]) -> str:
    name: str = item.metadata["several"] or item.name.upper()
    return name if item.default is MISSING else f"[{name}]"


def _add_component(parser: ArgumentParser, item: Field[Any], text: str) -> None:
    names = ", ".join(component_names(item.metadata["base"], item.metadata["package"]))
    parser.add_subclass_arguments(
        item.metadata["base"],
        item.name,
        skip=item.metadata["given"],
        metavar="NAME",
        help=f"{text} One of {names}, or a class by import path; its arguments: --{item.name}.ARGUMENT VALUE.",
    )
    if isinstance(item.default, Component):
        parser.set_defaults({item.name: asdict(item.default)})


def _drop_replaced(
    options: type,
    parser: ArgumentParser,
    configs: Sequence[dict[str, Any]],
    pairs: Sequence[tuple[str, str | None]],
    allow_import: bool,
) -> None:
    """Forget components that a later setting replaces by another class, with their arguments.

    jsonargparse would hand those arguments on that the new class has too, defaults of the old class among them.
    """
    for item in option_fields(options):
        if "base" not in item.metadata:
            continue
        named = [values[item.name]["class_path"] for values in configs if item.name in values]
        named += [
            resolve_class_path(value, item.metadata["base"], item.metadata["package"], allow_import=allow_import)
            for flag, value in pairs
            if flag == f"--{item.name}" and value and value != "auto"
        ]
        if not named:
            continue
        if isinstance(item.default, Component) and item.default.class_path != named[-1]:
            parser.set_defaults({item.name: None})
        for values in configs:
            if item.name in values and values[item.name]["class_path"] != named[-1]:
                del values[item.name]


def _read_config(options: type, path: Path, parser: ArgumentParser, allow_import: bool) -> dict[str, Any]:
    """Read a YAML file as jsonargparse takes it."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UsageError(f"{path}: the config cannot be read ({error.strerror}); check --config.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}: holds a {type(values).__name__}, expected keys and values such as 'epochs: 10'.")
    return _prepared(options, values, str(path), parser, allow_import)


def _prepared(
    options: type, values: dict[str, Any], where: str, parser: ArgumentParser, allow_import: bool
) -> dict[str, Any]:
    """Spell out names; positionals become the parser's defaults, since jsonargparse would ignore them."""
    check_values(options, values, where, allow_import=allow_import)
    for item in option_fields(options):
        value = values.get(item.name)
        if "positional" in item.metadata and item.name in values:
            parser.set_defaults({item.name: values.pop(item.name)})
        elif "base" in item.metadata and item.name in values:
            values[item.name] = _resolved(value, item, where, allow_import)
            if values[item.name] is None:
                del values[item.name]
    return values


def _is_flag_only(item: Field[Any]) -> bool:
    return "flag_only" in item.metadata


def _resolved(value: Any, item: Field[Any], where: str, allow_import: bool) -> dict[str, Any] | None:
    """Turn ``instances`` or ``{class_path: instances, init_args: ...}`` into an import path and arguments."""
    spec = {"class_path": value} if isinstance(value, str) else value
    if value is None or (value == "auto" and item.default is None):
        return None
    if not isinstance(spec, Mapping) or not isinstance(spec.get("class_path"), str):
        raise UsageError(f"{where}: {item.name} is {value!r}; expected a name, or class_path and init_args.")
    metadata = item.metadata
    try:
        class_path = resolve_class_path(
            spec["class_path"], metadata["base"], metadata["package"], allow_import=allow_import
        )
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return {**spec, "class_path": class_path}


def _from_mapping(options: type[Options], values: Mapping[str, Any]) -> Options:
    built: dict[str, Any] = {}
    types = get_type_hints(options)
    for item in option_fields(options):
        annotation = types[item.name]
        value = values.get(item.name)
        if "base" in item.metadata:
            built[item.name] = Component(value["class_path"], value.get("init_args") or {}) if value else None
        elif is_dataclass(annotation) and isinstance(annotation, type):
            built[item.name] = _from_mapping(annotation, values if "flat" in item.metadata else value or {})
        elif "positional" in item.metadata:
            if isinstance(value, list | tuple):
                built[item.name] = tuple(map(Path, value))
            else:
                built[item.name] = None if value is None else Path(value)
        else:
            built[item.name] = value
    return options(**built)
