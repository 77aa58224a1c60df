"""What a user reads of options: their help, and one line where a setting is wrong."""

import inspect
import re
from difflib import get_close_matches
from typing import Any

from jsonargparse import DefaultHelpFormatter

from objdisc.config.flags import leaf_types, option_fields


class HelpFormatter(DefaultHelpFormatter):
    """Shows flags with dashes, as they are typed, and components without their import paths."""

    def _expand_help(self, action: Any) -> str:
        return re.sub(r" \(type: [^()]*, known subclasses: [^()]*\)", "", super()._expand_help(action))

    def _format_action_invocation(self, action: Any) -> str:
        flags, space, rest = super()._format_action_invocation(action).partition(" ")
        return (flags.replace("_", "-") if flags.startswith("--") else flags) + space + rest


def attribute_texts(options: type) -> dict[str, str]:
    """Read what the class docstring says of each attribute (Google style, indented by four and eight spaces)."""
    section = inspect.cleandoc(options.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def one_line(message: str, options: type) -> str:
    """Say in one line what jsonargparse says in many."""
    keys = re.findall(r'Parser key "([^"]+)"', message)
    key = ".".join(keys[-1:])
    unknown = re.search(r"Option '([^']+)' is not accepted|does not accept option '([^']+)'", message)
    if unknown or message.startswith("unrecognized arguments"):
        name = next(filter(None, unknown.groups())) if unknown else message.partition(": ")[2].lstrip("-")
        name = name.partition("=")[0]
        known = [*leaf_types(options), *(item.name for item in option_fields(options))]
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close and close[0] != name else "."
        return f"unknown setting {name!r}{f' of {key}' if key else ''}{hint}"
    wrong = re.search(r"Expected an? (.*?)\. Got value: (.*)", message)
    if wrong:
        kind = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", wrong[1])
        return f"{key}: expected {kind}, got {wrong[2]!r}."
    return " ".join(message.split()) + "."
