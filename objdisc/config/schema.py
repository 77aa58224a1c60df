"""What jsonargparse is told about a command: its flags, their types and their help."""

from argparse import SUPPRESS
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

import docstring_parser
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from objdisc.config.components import NONE, Component, component_names


def class_of(path: str, item: Field[Any]) -> type[Any] | None:
    """Find the class of a component by its import path; None for ``auto`` and ``none``, which have no class."""
    return None if path in {"", NONE} else Component(path).find(item.metadata["base"])


def make_parser(options: type[Any], prog: str, classes: Mapping[str, str]) -> ArgumentParser:
    """Make jsonargparse's parser for a command.

    Args:
        options: Dataclass of the command.
        prog: The command as the user typed it.
        classes: Import path of the class of each component; an empty text or ``none`` for those without a class.
    """
    described = docstring_parser.parse(options.__doc__ or "")
    texts = {entry.arg_name: entry.description for entry in described.params}
    words = {item.name: item for item in fields(options) if "positional" in item.metadata}
    spelt = {name: item.metadata["several"] or name.upper() for name, item in words.items()}
    usage = [spelt[name] if item.default is MISSING else f"[{spelt[name]}]" for name, item in words.items()]
    parser = ArgumentParser(
        prog=prog,
        description=described.description,
        usage=" ".join([prog, *usage, "[--flag VALUE ...]"]),
        exit_on_error=False,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", default=SUPPRESS, help="YAML settings; flags win over it.")
    parser.add_argument(
        "--print-config", action="store_true", default=SUPPRESS, help="Print all settings as YAML, and leave."
    )
    special = {item.name: item for item in fields(options) if {"base", "flat", "passed_on"} & {*item.metadata}}
    parser.add_class_arguments(options, skip=set(special), as_positional=True)
    for name, item in special.items():
        if "flat" in item.metadata:
            parser.add_class_arguments(item.type)
        elif "base" in item.metadata:
            names = [*component_names(item.metadata["base"], item.metadata["package"])]
            names += [NONE] if item.metadata["implied"] else []
            text = f"{texts[name]} One of {', '.join(names)}, or a class by import path."
            found = class_of(classes[name], item)
            if found and (summary := docstring_parser.parse(found.__doc__ or "").short_description):
                text += f" {Component(classes[name]).name}: {' '.join(summary.split())}"
            group = parser.add_argument_group(f"--{name} NAME", text)
            if found:
                group.add_class_arguments(found, name, as_group=False, skip=item.metadata["given"])
    return parser


class _HelpFormatter(DefaultHelpFormatter):
    """Shows flags with dashes, as they are typed, and words in capitals."""

    def _format_action_invocation(self, action: Any) -> str:
        flags, space, rest = super()._format_action_invocation(action).partition(" ")
        return (flags.replace("_", "-") if flags.startswith("-") else flags.upper()) + space + rest
