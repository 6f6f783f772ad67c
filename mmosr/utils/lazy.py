"""Package names whose modules are imported when a name is first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def attach(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package, to be assigned in this order.

    Args:
        package: Its ``__name__``.
        names: What each of its modules provides: ``{"curves": ["auroc", "bounds"]}``.
    """
    modules = {name: module for module, given in names.items() for name in given}

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)  # the next use does not call this
        return value

    return get, lambda: sorted(modules), sorted(modules)
