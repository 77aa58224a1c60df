"""A command line as flags with values: dashes and switches, short names and comma lists, flags of another command."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from objdisc.config.components import check_class_paths, inner_value, resolve_class_path
from objdisc.errors import UsageError


def option_fields(options: type) -> tuple[Field[Any], ...]:
    """List a command's options."""
    return fields(options)


def leaf_types(options: type) -> dict[str, Any]:
    """Map every plain flag of a command to its type; nested ones as ``patches.size``."""
    found: dict[str, Any] = {}
    for item in option_fields(options):
        annotation = get_type_hints(options)[item.name]
        if {"base", "passed_on"} & set(item.metadata):
            continue
        if is_dataclass(annotation) and isinstance(annotation, type):
            prefix = "" if "flat" in item.metadata else f"{item.name}."
            found |= {prefix + name: leaf for name, leaf in leaf_types(annotation).items()}
        else:
            found[item.name] = annotation
    return found


def split_flags(options: type, argv: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Split a command line into flags with their values; a positional has the flag ``""``.

    Dashes become underscores, and a bare switch gets its value: ``--baseline`` true, ``--no-baseline`` false.
    """
    known = [options, *(item.metadata["passed_on"] for item in option_fields(options) if "passed_on" in item.metadata)]
    switches = {f"--{name}" for each in known for name, leaf in leaf_types(each).items() if leaf is bool}
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        flag = name.replace("-", "_").replace("__", "--", 1)
        if not word.startswith("--"):
            yield ("", word) if not word.startswith("-") else (word, None)
        elif flag.replace("--no_", "--") in switches and not equals and flag not in switches:
            yield flag.replace("--no_", "--"), "false"
        elif equals:
            yield flag, value
        elif flag in switches:
            yield flag, words.pop(0) if words and words[0].lower() in {"true", "false"} else "true"
        elif words and not words[0].startswith("--"):
            yield flag, words.pop(0)
        else:
            yield flag, None


def divide_flags(
    options: type, pairs: Iterator[tuple[str, str | None]]
) -> tuple[list[tuple[str, str | None]], dict[str, tuple[str, ...]]]:
    """Take out the flags that are not the command's own, under the name of the field that keeps them."""
    kept = next((item.name for item in option_fields(options) if "passed_on" in item.metadata), None)
    if kept is None:
        return list(pairs), {}
    components = {item.name for item in option_fields(options) if "base" in item.metadata}
    own = {f"--{name}" for name in [*leaf_types(options), *components, "config", "help", "print_config"]}
    ours: list[tuple[str, str | None]] = []
    passed: list[str] = []
    for flag, value in pairs:
        if flag.startswith("--") and flag not in own:
            passed.append(flag if value is None else f"{flag}={value}")
        else:
            ours.append((flag, value))
    return ours, {kept: tuple(passed)}


def check_values(options: type, values: Mapping[Any, Any], where: str, *, allow_import: bool) -> None:
    """Refuse settings of a file that no file may have, before jsonargparse, which imports what is called a class.

    Args:
        options: Dataclass of the command.
        values: Keys and values as they stand in the file.
        where: The file, for messages.
        allow_import: Whether classes outside of the package may be named.

    Raises:
        UsageError: A path is empty, a switch can be given on the command line alone, another config is named, or a
            class outside of the package.
    """
    types = leaf_types(options)
    for item in option_fields(options):
        if item.name in values and "flag_only" in item.metadata:
            raise UsageError(f"{where}: {item.name} is a flag, not a setting; give it on the command line.")
    if "config" in values and "config" not in types:
        raise UsageError(f"{where}: config: a config names no other; give each with --config.")
    for name, value in values.items():
        if value == "" and _is_path(types.get(str(name))):
            raise UsageError(f"{where}: {name} is empty; give a path, or leave it out.")
    if not allow_import:
        check_class_paths(options, values, where)
        _check_nested(options, _expanded(values), where)


def _expanded(values: Any) -> Any:
    """Write keys with dots as mappings within mappings, as jsonargparse understands them."""
    if not isinstance(values, Mapping):
        return values
    found: dict[str, Any] = {}
    for key, value in values.items():
        name, _, rest = str(key).partition(".")
        inner = _expanded({rest: value} if rest else value)
        before = found.get(name)
        found[name] = {**before, **inner} if isinstance(before, Mapping) and isinstance(inner, Mapping) else inner
    return found


def _check_nested(options: type, values: Mapping[Any, Any], where: str) -> None:
    """Refuse a name where settings within settings are expected: jsonargparse takes it for that of a class."""
    for item in option_fields(options):
        annotation = get_type_hints(options)[item.name]
        if "base" in item.metadata or not (is_dataclass(annotation) and isinstance(annotation, type)):
            continue
        inner = values if "flat" in item.metadata else values.get(item.name, {})
        if not isinstance(inner, Mapping):
            raise UsageError(f"{where}: {item.name} is {inner!r}; expected settings such as '{item.name}: {{...}}'.")
        _check_nested(annotation, inner, where)


def check_flags(options: type, pairs: Sequence[tuple[str, str | None]], *, allow_import: bool) -> None:
    """Do for flags what ``check_values`` does for the settings of a file.

    Raises:
        UsageError: A path is empty, or a class outside of the package is named.
    """
    types = leaf_types(options)
    components = {item.name for item in option_fields(options) if "base" in item.metadata}  # resolved by themselves
    for flag, value in pairs:
        name = flag.removeprefix("--")
        if value == "" and (not flag or _is_path(types.get(name)) or name == "config"):
            raise UsageError(f"{flag.replace('_', '-') or 'PATH'}: the path is empty; give one, or leave it out.")
        if flag and value and not allow_import and name not in components:
            values = {name: inner_value(value)}
            check_class_paths(options, values, flag)
            _check_nested(options, _expanded(values), flag)


def _is_path(annotation: Any) -> bool:
    return annotation is Path or Path in getattr(annotation, "__args__", ())


def spell_flag(options: type, flag: str, value: str | None, allow_import: bool = False) -> str:
    """Write one flag as jsonargparse reads it: short names resolved, comma lists in brackets; "" for ``auto``."""
    if not flag or value is None:
        return value or flag
    components = {f"--{item.name}": item for item in option_fields(options) if "base" in item.metadata}
    item = components.get(flag.removesuffix(".help"))
    if item is not None:
        if value == "auto" and item.default is None:
            return ""
        value = resolve_class_path(value, item.metadata["base"], item.metadata["package"], allow_import=allow_import)
    elif _is_list(leaf_types(options).get(flag[2:])) and not value.startswith("["):
        value = f"[{value}]"
    return f"{flag}={value}"


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) in {tuple, list} for part in (annotation, *getattr(annotation, "__args__", ())))
