"""Classes that stand in front of any dataset class of another package."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache

from mmengine.registry import Registry

from mmosr.utils import InputError


class InFront:
    """What stands in front of a dataset class; its messages begin with the name of the class."""

    def error(self, text: str) -> InputError:
        """The exception to raise."""
        return InputError(f"{type(self).__name__}: {text}")


@cache
def class_in_front(front: type, host: type, prefix: str) -> type:
    """The class ``front`` in front of ``host``, the same one at every call.

    Its objects can be pickled, also for workers that are spawned. To write such a class down,
    derive from both instead: a ``host`` that does so already is given back.

    Args:
        front: What is put in front.
        host: A dataset class.
        prefix: Name of the new class: the prefix and the host's name.
    """
    if issubclass(host, front):
        return host
    body = dict(__module__=front.__module__, __doc__=host.__doc__, __reduce__=_reduce)
    body.update(host=host, _made_from=(front, host, prefix))
    return type(host)(f"{prefix}{host.__name__}", (front, host), body)


def find_host(
    host: str | type, base: type, registries: Sequence[Registry], owner: str, kind: str
) -> type:
    """The dataset class that a config means.

    Args:
        host: Name in one of the registries, or the class.
        base: What it has to derive from.
        registries: Where names are looked up, first hit first.
        owner: Who asks, for messages.
        kind: Package of the hosts and what they are for, e.g. ``mmseg dataset for semantic
            segmentation``, for messages.

    Raises:
        InputError: No such dataset, or one of another kind.
    """
    cls = _find(host, base, registries, owner, kind) if isinstance(host, str) else host
    if not (isinstance(cls, type) and issubclass(cls, base)):
        name = getattr(cls, "__name__", repr(cls))
        raise InputError(
            f"{owner}: host {name} is not an {kind} (not a subclass of {base.__name__}): classes "
            "cannot be held out of it"
        )
    return cls


def _find(name: str, base: type, registries: Sequence[Registry], owner: str, kind: str) -> type:
    for registry in registries:
        cls = registry.get(name)
        if cls is not None:
            return cls
    modules = {k: c for registry in registries for k, c in registry.module_dict.items()}
    names = [n for n, c in modules.items() if isinstance(c, type) and issubclass(c, base)]
    close = difflib.get_close_matches(name, names, n=3)
    package = kind.split()[0]
    raise InputError(
        f"{owner}: there is no dataset '{name}'; "
        + (
            f"did you mean {', '.join(close)}?"
            if close
            else f"host takes a class name of {package}"
        )
    )


def _reduce(self) -> tuple:
    return _empty, self._made_from, self.__dict__


def _empty(front: type, host: type, prefix: str) -> object:
    """An object without attributes: where unpickling begins."""
    cls = class_in_front(front, host, prefix)
    return cls.__new__(cls)
