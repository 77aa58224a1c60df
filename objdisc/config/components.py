"""What the options of a command are made of: plain fields, positionals, nested options, and classes by name.

There is no registry: ``--objectness windows`` is the one concrete class that ``objdisc/objectness/windows.py`` defines.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from objdisc.errors import UsageError

Base = TypeVar("Base")


NONE = "none"
"""What a user gives to leave a component out."""


@dataclass(frozen=True)
class Component:
    """A class and the arguments it will be built with, as a config file names them.

    Attributes:
        class_path: Import path of the class.
        init_args: Arguments of its constructor.
    """

    class_path: str
    init_args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_none(self) -> bool:
        """Whether it says that there is no such object at all."""
        return self.class_path == NONE

    @property
    def name(self) -> str:
        """The short name: that of the module that defines the class."""
        return self.class_path.split(".")[-2]

    def build(self, base: type[Base], **given: object) -> Base:
        """Make the object.

        Args:
            base: What the class must derive from.
            given: Arguments from the program, not from a config file, such as the encoder of a method; those that the
                constructor does not take are left out.

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
        try:
            found = pkgutil.resolve_name(self.class_path)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(f"{self.class_path}: no such class ({error}); check class_path in the config.") from error
        if not (inspect.isclass(found) and issubclass(found, base)):
            raise UsageError(f"{self.class_path}: not a {base.__name__}; check class_path in the config.")
        return found


def component_names(base: type, package: str) -> dict[str, str]:
    """Map the short names of a package's components, which are its modules, to import paths.

    Raises:
        UsageError: A module defines several concrete classes of the base, so that its name is ambiguous.
    """
    found: dict[str, str] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        classes = [
            name
            for name, value in vars(importlib.import_module(module.name)).items()
            if inspect.isclass(value) and issubclass(value, base) and not inspect.isabstract(value)
            if value.__module__ == module.name
        ]
        if len(classes) > 1:
            raise UsageError(f"{module.name} defines {' and '.join(classes)}; give each {base.__name__} a module.")
        found |= {module.name.rpartition(".")[2]: f"{module.name}.{name}" for name in classes}
    return found


def resolve_class_path(name: str, base: type, package: str, *, allow_import: bool = False) -> str:
    """Turn a short name into the import path of the one concrete class that its module defines.

    Importing a module runs it, and configs are shared: so by default only the package's own classes are allowed.

    Args:
        name: A module of the package, or an import path, which is returned as it is.
        base: What the class must derive from.
        package: Where modules are looked up.
        allow_import: Whether the path may lie outside of the package.

    Raises:
        UsageError: The package has no such module, or the path lies outside of it and that is not allowed.
    """
    known = component_names(base, package)
    if "." not in name:
        if path := known.get(name.replace("-", "_")):
            return path
        spelt = {**{path.rpartition(".")[2].lower(): short for short, path in known.items()}, **{x: x for x in known}}
        close = get_close_matches(name.replace("-", "_").lower(), spelt, n=1)
        hint = f"did you mean {spelt[close[0]]}? There" if close else "there"
        raise UsageError(
            f"no {base.__name__} is called {name!r}; {hint} are {', '.join(known)}, or give an import path."
        )
    if name not in known.values() and not allow_import:
        raise UsageError(
            f"{name}: no {base.__name__} of objdisc; its module would be run. If you trust where it comes from, "
            "add --allow-import."
        )
    return name


def positional(default: Any = MISSING, *, several: str = "") -> Any:
    """Declare a positional field; without a default it is required.

    Args:
        default: Its value if nothing is given.
        several: How the usage line spells a field that takes one or more, as a tuple.
    """
    return field(default=default, metadata={"positional": True, "several": several})


def passed_on(options: type) -> Any:
    """Declare a field that keeps the flags of another command, each as ``--flag=value``, in their order.

    Args:
        options: Options of that command, which say which of its flags take no value.
    """
    return field(default=(), metadata={"passed_on": options})


def flag_only() -> Any:
    """Declare a switch that only the command line can set: it is neither read from config files nor written to them."""
    return field(default=False, metadata={"flag_only": True})


def flat(options: type) -> Any:
    """Declare a nested dataclass whose fields are flags and keys without a prefix."""
    return field(default_factory=options, metadata={"flat": True})


def component(
    base: type,
    package: str,
    default: Component | None = None,
    given: Sequence[str] = (),
    implied: Component | None = None,
) -> Any:
    """Declare a field that names a class.

    Args:
        base: What the class must derive from.
        package: Where a short name is looked up: ``NAME`` is the one class that module ``package.NAME`` defines.
        default: Taken when nothing is named; None is spelled ``auto``.
        given: Constructor arguments that the program gives, not the user.
        implied: The class whose arguments are meant if some are given but no class is named; the component may then
            also be ``none``.
    """
    about = {"base": base, "package": package, "given": set(given), "implied": implied}
    return field(default=default, metadata=about)
