"""A command's settings, collected from files, flags and programs, and turned into typed values.

A setting is a value under a dotted name such as ``patches.size``; later settings replace earlier ones. jsonargparse
knows the types and the arguments of classes, which ``schema`` tells it.
"""

import logging
import re
from argparse import ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from jsonargparse import get_loader

from objdisc.config.components import NONE, Component, component_names, resolve_class_path
from objdisc.config.schema import class_of, make_parser
from objdisc.errors import UsageError

log = logging.getLogger("objdisc")


def setting_fields(options: Any, prefix: str = "") -> dict[str, Field[Any]]:
    """Map the name of every setting to its field."""
    found: dict[str, Field[Any]] = {}
    for item in fields(options):
        if _is_section(item):
            found |= setting_fields(item.type, prefix if "flat" in item.metadata else f"{prefix}{item.name}.")
        elif "passed_on" not in item.metadata:
            found[prefix + item.name] = item
    return found


def _default(item: Field[Any]) -> Component:
    """Return the component that a field has by default; one without a class for ``auto``."""
    return item.default if isinstance(item.default, Component) else Component("")


def _is_section(item: Field[Any]) -> bool:
    return is_dataclass(item.type) and "base" not in item.metadata


def current_name(owner: type[Any], name: str, place: str = "", prefix: str = "", *, quiet: bool = False) -> str:
    """Translate a setting's former name, as its owner's ``renamed`` maps it, and log one line about it.

    Args:
        owner: The options, or a component's class for one of its arguments.
        name: The setting.
        place: Where it stands, for the notice.
        prefix: What the owner's settings begin with, such as ``method.``.
        quiet: Give no notice.
    """
    for old, new in getattr(owner, "renamed", {}).items():
        if f"{name}.".startswith(f"{old}."):
            if not quiet:
                flags = (f"--{prefix}{each}".replace("_", "-") for each in (old, new))
                log.warning("%s%s is now called %s", place, *flags)
            return f"{new}{name.removeprefix(old)}"
    return name


def _read_text(value: Any) -> Any:
    """Parse a text as jsonargparse does, which looks for settings in every text."""
    try:
        return get_loader("yaml")(value) if isinstance(value, str) else value
    except (yaml.YAMLError, ValueError, RecursionError):
        return value


def _class_paths(value: Any) -> Iterator[str]:
    """Find every class_path in a value and in the texts within it, at any depth, or a text that hides one."""
    inner = _read_text(value)
    if isinstance(inner, Mapping):
        yield from (str(each) for key, each in inner.items() if "class_path" in str(key).split("."))
        inner = list(inner.values())
    if isinstance(inner, list):
        for each in inner:
            yield from _class_paths(each)
    elif isinstance(inner, str) and "class_path" in inner:
        yield inner


class Settings:
    """The settings of a command's options; later ones replace earlier ones.

    Args:
        options: Dataclass of the command.
        prog: The command as the user typed it, for messages.
        allow_import: Whether classes from outside the package may be named.
        quiet: Whether former names are accepted without a notice.
    """

    def __init__(self, options: type[Any], prog: str, *, allow_import: bool, quiet: bool = False) -> None:
        self.options, self.prog, self.allow_import, self.quiet = options, prog, allow_import, quiet
        self.fields = setting_fields(options)
        self.components = {name: item for name, item in self.fields.items() if "base" in item.metadata}
        self.classes: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.passed_on: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, str] = {}
        for name, item in self.components.items():
            default = _default(item)
            self.classes[name] = default.class_path
            self.values |= {f"{name}.{key}": value for key, value in default.init_args.items()}

    def help_if_asked(self, flags: Mapping[str, str]) -> None:
        """Print the help for ``--help`` or ``--COMPONENT.help NAME``, and exit."""
        named = {name: flags[f"{name}.help"] for name in self.components if f"{name}.help" in flags}
        if named or {"help", "h"} & set(flags):
            self.put({name: flags[name] for name in self.components if name in flags} | named)
            make_parser(self.options, self.prog, self.classes).print_help()
            raise SystemExit(0)

    def put_flags(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Add the flags and words of a command line; flags of another command are kept for it."""
        words = [word for name, word in pairs if not name]
        own: dict[str, Any] = {name: value for name, value in pairs if name not in {"", "config", "print_config"}}
        for item in fields(self.options):
            if "passed_on" in item.metadata:
                others = own.keys() - self.fields
                self.passed_on = {item.name: tuple(f"--{name}={value}" for name, value in pairs if name in others)}
                own = {name: value for name, value in own.items() if name not in others}
            elif "positional" in item.metadata and words:
                own[item.name] = words if item.metadata["several"] else words[0]
                words = [] if item.metadata["several"] else words[1:]
        if words:
            raise UsageError(f"{words[0]!r} is one word too many. See {self.prog} --help.")
        self.put(own)

    def put(self, values: Mapping[str, Any], where: str = "") -> None:
        """Add settings; ``where`` names the file that they stand in, and is empty for flags."""
        place = f"{where}: " if where else ""
        allowed = [name for name, item in self.fields.items() if "flag_only" in item.metadata and name in values]
        if where and allowed:
            raise UsageError(f"{place}{allowed[0]} is a flag, not a setting; give it on the command line.")
        try:
            self._put_all(values, place)
        except UsageError as error:
            raise UsageError(f"{place}{error}") from error

    def _put_all(self, values: Mapping[str, Any], place: str, prefix: str = "") -> None:
        """Add settings; classes come before their arguments."""
        for key in sorted(values, key=lambda key: key not in {*self.components, "class_path"}):
            self._put(current_name(self.options, f"{prefix}{key}", place, quiet=self.quiet), values[key], place)

    def _put(self, name: str, value: Any, place: str) -> None:
        name = name.replace(".init_args.", ".")
        head, _, argument = name.partition(".")
        component, inner = self.components.get(head), _read_text(value)
        implied = component.metadata["implied"] if component else None
        if implied and argument not in {"", "class_path", "init_args"} and self.classes[head] in {"", NONE}:
            self.classes[head] = implied.class_path
        if component and self.classes[head] and argument not in {"", "init_args", "class_path"}:
            found = Component(self.classes[head]).find(component.metadata["base"])
            name = f"{head}.{current_name(found, argument, place, f'{head}.', quiet=self.quiet)}"
        self.places[name] = place
        names = (*self.fields, *getattr(self.options, "renamed", {}))
        is_section = any(each.startswith(f"{name}.") for each in names)
        if is_section or (component and argument in {"", "init_args"} and isinstance(inner, Mapping)):
            if not isinstance(inner, Mapping):
                raise UsageError(f"{name} is {value!r}; expected settings such as '{name}: {{...}}'.")
            self._put_all(inner, place, f"{name}.")
        elif component and argument in {"", "class_path"}:
            self._name_class(component, value)
        elif component and not self.classes[head]:
            raise UsageError(f"{name}: name the class too, such as --{head} NAME.")
        elif component or name in self.fields:
            self.values[name] = self._checked(name, value)
        else:
            raise UsageError(self._unknown(name))

    def _name_class(self, item: Field[Any], value: Any) -> None:
        """Set the class of a component; a change of class drops the arguments of the former class."""
        if value is None or (value == "auto" and item.default is None):
            path = _default(item).class_path
        elif value == NONE and item.metadata["implied"]:
            path = NONE
        elif isinstance(value, str):
            base, package = item.metadata["base"], item.metadata["package"]
            path = resolve_class_path(value, base, package, allow_import=self.allow_import)
        else:
            raise UsageError(f"{item.name} is {value!r}; expected a name, or class_path and init_args.")
        if path != self.classes[item.name]:
            self.classes[item.name] = path
            self.values = {key: each for key, each in self.values.items() if not key.startswith(f"{item.name}.")}

    def _checked(self, name: str, value: Any) -> Any:
        """Refuse values that jsonargparse would wrongly accept, and put brackets around a list written with commas."""
        annotation = self.fields[name].type if name in self.fields else None
        kinds = (annotation, *get_args(annotation))
        if Path in kinds and value in ("", [""]):
            raise UsageError(f"{name}: the path is empty; give one, or leave it out.")
        if not self.allow_import and (foreign := self._foreign_classes({name: value})):
            raise UsageError(
                f"{name}: {foreign[0]!r} is not a class of objdisc; its module would be run. If you trust where it "
                "comes from, add --allow-import."
            )
        is_list = any(get_origin(kind) in {tuple, list} for kind in kinds)
        return f"[{value}]" if is_list and isinstance(value, str) and not value.startswith("[") else value

    def _foreign_classes(self, value: Any) -> list[str]:
        """List the class paths within a value that are from outside the package; jsonargparse would import them."""
        foreign = list(_class_paths(value))
        for item in self.components.values() if foreign else ():
            own = component_names(item.metadata["base"], item.metadata["package"])
            foreign = [path for path in foreign if path not in {*own, *own.values()}]
        return foreign

    def _put_preferred(self) -> None:
        """Give settings that nobody has set the values that a component's class asks for in ``preferences``."""
        for name, item in self.components.items():
            # what is implied works beside the command's own class, with settings of its own
            found = None if item.metadata["implied"] else class_of(self.classes[name], item)
            asked = getattr(found, "preferences", None)
            wanted = asked(self.values) if asked else {}
            mine = {*self.fields, *(key for key in wanted if key.partition(".")[0] in self.components)}
            wanted = {key: value for key, value in wanted.items() if key in mine - self.places.keys()}
            if wanted and not self.quiet:
                said = ", ".join(f"{key} {value}" for key, value in wanted.items() if not isinstance(value, Mapping))
                log.info("defaults of %s: %s", self.classes[name].rpartition(".")[2], said)
            self._put_all(wanted, "")

    def typed(self) -> Any:
        """Make the options, with values of the fields' types."""
        self._put_preferred()
        try:
            read = make_parser(self.options, self.prog, self.classes).parse_object(deepcopy(self.values)).as_dict()
        except ArgumentError as error:
            raise UsageError(self._one_line(str(error))) from error
        return self._built(self.options, read | self.passed_on)

    def _built(self, section: Any, values: Mapping[str, Any]) -> Any:
        given = {item.name: values[item.name] for item in fields(section) if item.name in values}
        for item in fields(section):
            if "base" in item.metadata:
                path = self.classes[item.name]
                given[item.name] = Component(path, values.get(item.name, {})) if path else None
            elif _is_section(item):
                given[item.name] = self._built(item.type, values if "flat" in item.metadata else values[item.name])
        return section(**given)

    def _one_line(self, message: str) -> str:
        """Say in one line what jsonargparse says in many, and name the help that tells more."""
        name = ".".join(re.findall(r'Parser key "([^"]+)"', message))
        if unknown := re.search(r"Option '([^']+)' is not accepted", message):
            name = unknown[1]
            said = self._unknown(name)
        elif kinds := re.findall(r"Expected an? (.*?)(?:\. Got value: .*)?$", message, re.MULTILINE):
            kind = " or ".join(kind for kind in kinds if "NoneType" not in kind)
            kind = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", kind)
            kind = re.sub(r"typing\.Literal\[(.*?)\]", lambda one: f"{'one of ' * (',' in one[1])}{one[1]}", kind)
            value = re.search(r"(?:Got|Given) value: (.*)", message)
            said = f"{name}: expected {kind}, got {value[1] if value else None!r}."
        else:
            said = f"{' '.join(message.split())}."
        place = self.places.get(name, self.places.get(name.rpartition(".")[0], ""))
        return f"{place}{said} See {self.prog} {self._help_flag(name)}."

    def _unknown(self, name: str) -> str:
        section, _, last = name.rpartition(".")
        if chosen := self.classes.get(section):
            item = self.components[section]
            taken = set(signature(Component(chosen).find(item.metadata["base"])).parameters) - item.metadata["given"]
            close = [f"{section}.{each}" for each in get_close_matches(last, sorted(taken), n=1)]
        else:
            close = get_close_matches(name, self.fields, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        return f"unknown setting {last!r}{f' of {section}' if section else ''}{hint}"

    def _help_flag(self, name: str) -> str:
        """Return the flag that prints the help on a setting."""
        head = name.partition(".")[0]
        if not (path := self.classes.get(head)):
            return "--help"
        item = self.components[head]
        known = component_names(item.metadata["base"], item.metadata["package"])
        return f"--{head}.help {next((short for short, known_path in known.items() if known_path == path), path)}"
