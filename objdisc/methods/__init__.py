"""Methods, one a module: each is one class that implements ``base.Method``.

``objdisc.methods.SCAN`` is the class that a module of this package defines; there is no list to keep.
"""

import importlib
import pkgutil
from typing import Any


def __getattr__(name: str) -> Any:
    for module in _modules():
        found = importlib.import_module(f"{__name__}.{module}")
        if getattr(vars(found).get(name), "__module__", None) == found.__name__:
            return vars(found)[name]
    raise AttributeError(f"module {__name__!r} has no method {name!r}; there are {', '.join(__dir__())}")


def __dir__() -> list[str]:
    """List the classes of all methods."""
    from objdisc.config.components import component_names, resolve_class_path
    from objdisc.methods.base import Method

    paths = (resolve_class_path(module, Method, __name__) for module in component_names(Method, __name__))
    return [path.rpartition(".")[2] for path in paths]


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
