"""A command line as flags with values: dashes and switches, short names and comma lists, flags of another command."""

from collections.abc import Iterator, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any, get_origin, get_type_hints

from objdisc.options import resolve_class_path


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


def spell_flag(options: type, flag: str, value: str | None) -> str:
    """Write one flag as jsonargparse reads it: short names resolved, comma lists in brackets; "" for ``auto``."""
    if not flag or value is None:
        return value or flag
    components = {f"--{item.name}": item for item in option_fields(options) if "base" in item.metadata}
    item = components.get(flag.removesuffix(".help"))
    if item is not None:
        if value == "auto" and item.default is None:
            return ""
        value = resolve_class_path(value, item.metadata["base"], item.metadata["package"])
    elif _is_list(leaf_types(options).get(flag[2:])) and not value.startswith("["):
        value = f"[{value}]"
    return f"{flag}={value}"


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) in {tuple, list} for part in (annotation, *getattr(annotation, "__args__", ())))
