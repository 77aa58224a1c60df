"""What the options of a command are made of: plain fields, positionals, nested options, and classes by name.

There is no registry: ``--objectness windows`` is the one concrete class that ``objdisc/objectness/windows.py`` defines.
"""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from typing import Any, TypeVar

import yaml

from objdisc.errors import UsageError

Base = TypeVar("Base")

_CLASS_PATH = "class_path"


@dataclass(frozen=True)
class Component:
    """A class and the arguments it will be built with, as a config file names them.

    Attributes:
        class_path: Import path of the class.
        init_args: Arguments of its constructor.
    """

    class_path: str
    init_args: Mapping[str, Any] = field(default_factory=dict)

    def build(self, base: type[Base], **given: object) -> Base:
        """Make the object.

        Args:
            base: What the class must derive from.
            given: Arguments that no config file holds, such as the encoder of a method; those that the constructor
                does not take are left out.

        Raises:
            UsageError: No such class, or one of another kind.
        """
        found = self.find(base)
        taken = inspect.signature(found).parameters
        return found(**self.init_args, **{name: value for name, value in given.items() if name in taken})

    def find(self, base: type[Base]) -> type[Base]:
        """Import the class.

        Raises:
            UsageError: No such class, or one of another kind.
        """
        module, _, name = self.class_path.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(f"{self.class_path}: no such class ({error}); check class_path in the config.") from error
        if not (inspect.isclass(found) and issubclass(found, base)):
            raise UsageError(f"{self.class_path}: not a {base.__name__}; check class_path in the config.")
        return found


def component_names(base: type, package: str) -> list[str]:
    """List the short names of a package's components: modules with exactly one concrete class of the kind."""
    names = (module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
    return sorted(name for name in names if len(_concrete_classes(f"{package}.{name}", base)) == 1)


def resolve_class_path(name: str, base: type, package: str, *, allow_import: bool = False) -> str:
    """Turn a short name into the import path of the one concrete class that its module defines.

    To import a module is to run it, so that a path is held to the package's own classes first: configs are passed on.

    Args:
        name: A module of the package, or an import path, which is returned as it is.
        base: What the class must derive from.
        package: Where modules are looked up.
        allow_import: Whether the path may lie outside of the package.

    Raises:
        UsageError: The package has no such module, or the path lies outside of it and that is not allowed.
    """
    names = component_names(base, package)
    if "." in name:
        own = {path for each in names for path in _own_paths(f"{package}.{each}", base)}
        if name not in own and not allow_import:
            raise UsageError(
                f"{name}: no {base.__name__} of objdisc; its module would be run. If you trust where it comes from, "
                "add --allow-import."
            )
        return name
    module = name.replace("-", "_")
    if module not in names:
        raise UsageError(
            f"no {base.__name__} is called {name!r}; there are {', '.join(names)}, or give an import path."
        )
    return f"{package}.{module}.{_concrete_classes(f'{package}.{module}', base)[0]}"


def _own_paths(module: str, base: type) -> list[str]:
    return [f"{module}.{name}" for name in _concrete_classes(module, base)]


def check_class_paths(options: type, values: object, where: str) -> None:
    """Hold every ``class_path`` in settings, however deep, to the classes of the package; nothing else is imported.

    jsonargparse imports whatever a mapping calls its ``class_path``, where no class is expected too.

    Args:
        options: The command's options, whose components say which classes there are.
        values: Settings as they were read.
        where: What they are called, for messages.

    Raises:
        UsageError: A path is none of the package's own.
    """
    if isinstance(values, Mapping):
        for key, value in values.items():
            if str(key).rpartition(".")[2] == _CLASS_PATH:
                _check_class_path(options, value, where)
            check_class_paths(options, value, where)
    elif isinstance(values, str):
        if not isinstance(inner := inner_value(values), str):
            check_class_paths(options, inner, where)
        elif _CLASS_PATH in values:
            raise UsageError(f"{where}: a text with {_CLASS_PATH} in it that cannot be read; leave it out.")
    elif isinstance(values, Sequence):
        for value in values:
            check_class_paths(options, value, where)


def inner_value(text: str) -> Any:
    """Read what a text holds as YAML or JSON, its scalars as they stand; the text itself where it is neither.

    jsonargparse reads texts so wherever anything may stand. Scalars are left alone, because one that YAML cannot make a
    value of, such as a date that is none, must not hide what stands beside it.
    """
    for read in (json.loads, partial(yaml.load, Loader=yaml.BaseLoader)):
        try:
            value = read(text)
        except (yaml.YAMLError, ValueError):
            continue
        if isinstance(value, Mapping | list):
            return value
    return text


def _check_class_path(options: type, name: object, where: str) -> None:
    components = [item.metadata for item in fields(options) if "base" in item.metadata]
    for metadata in components:
        try:
            resolve_class_path(str(name), metadata["base"], metadata["package"])
        except UsageError:
            continue
        return
    raise UsageError(
        f"{where}: class_path {name!r} is no class of objdisc; its module would be run. If you trust where it comes "
        "from, add --allow-import."
    )


def _concrete_classes(module: str, base: type) -> list[str]:
    return [
        name
        for name, value in vars(importlib.import_module(module)).items()
        if inspect.isclass(value) and issubclass(value, base) and not inspect.isabstract(value)
        if value.__module__ == module
    ]


def positional(default: Any = MISSING, *, several: str = "") -> Any:
    """Declare a field that is given without a flag; without a default it must be given.

    Args:
        default: What it is where nothing is given.
        several: How the usage line spells a field that takes one or more, as a tuple.
    """
    return field(default=default, metadata={"positional": True, "several": several})


def passed_on(options: type) -> Any:
    """Declare a field that keeps the flags that are another command's, each as ``--flag=value``, in their order.

    Args:
        options: Options of that command, which tell its switches from flags with a value.
    """
    return field(default=(), metadata={"passed_on": options})


def flag_only() -> Any:
    """Declare a switch that only the command line can set: no config file is believed or written to hold it."""
    return field(default=False, metadata={"flag_only": True})


def flat(options: type) -> Any:
    """Declare a nested dataclass whose fields are flags and keys without a prefix."""
    return field(default_factory=options, metadata={"flat": True})


def component(base: type, package: str, default: Component | None = None, given: Sequence[str] = ()) -> Any:
    """Declare a field that names a class.

    Args:
        base: What the class must derive from.
        package: Where a short name is looked up: ``NAME`` is the one class that module ``package.NAME`` defines.
        default: Taken when nothing is named; None is spelled ``auto``.
        given: Constructor's arguments that the program gives, not the user.
    """
    return field(default=default, metadata={"base": base, "package": package, "given": set(given)})
