"""Classes (mixins) in front of any dataset class of another package."""

from __future__ import annotations

import difflib
from functools import cache

from mmengine.registry import Registry

from mmosr.registry import DATASETS
from mmosr.utils import InputError


class InFront:
    """Goes in front of a dataset class of another package: ``class X(Front, Host)``."""

    _prefix: str  # prefix of the names of the created classes
    _base: type  # base class of the hosts
    _hosts: Registry  # of the package of the hosts
    _kind: str  # that package and the purpose of the hosts, for messages

    def error(self, text: str) -> InputError:
        """The exception to raise; its message starts with the name of the class."""
        return InputError(f"{type(self).__name__}: {text}")


@cache
def class_in_front(front: type[InFront], host: type) -> type:
    """The class ``front`` in front of ``host``; every call returns the same class.

    Its objects can be pickled, also for spawned workers. To define such a class in code, derive
    from both instead: a ``host`` that already does is returned as it is.

    Args:
        front: What is put in front.
        host: A dataset class.
    """
    if issubclass(host, front):
        return host
    body = dict(__module__=front.__module__, __doc__=host.__doc__, __reduce__=_reduce)
    body.update(host=host, _made_from=(front, host))
    return type(host)(f"{front._prefix}{host.__name__}", (front, host), body)


def find_class(front: type[InFront], host: str | type, owner: str) -> type:
    """The class ``front`` in front of the dataset class that a config names.

    Args:
        front: What is put in front.
        host: Name in the registry of the hosts or in mmosr's, or the class.
        owner: Name of the caller, for messages.

    Raises:
        InputError: The dataset does not exist, or is of another kind.
    """
    cls = _find(front, host, owner) if isinstance(host, str) else host
    if not (isinstance(cls, type) and issubclass(cls, front._base)):
        name = getattr(cls, "__name__", repr(cls))
        raise InputError(
            f"{owner}: host {name} is not an {front._kind} (not a subclass of "
            f"{front._base.__name__}): classes cannot be held out of it"
        )
    return class_in_front(front, cls)


def _find(front: type[InFront], name: str, owner: str) -> type:
    cls = front._hosts.get(name) or DATASETS.get(name)
    if cls is not None:
        return cls
    modules = {**front._hosts.module_dict, **DATASETS.module_dict}
    names = [n for n, c in modules.items() if isinstance(c, type) and issubclass(c, front._base)]
    close = ", ".join(difflib.get_close_matches(name, names, n=3))
    hint = (
        f"did you mean {close}?"
        if close
        else f"host takes a class name of {front._kind.split()[0]}"
    )
    raise InputError(f"{owner}: there is no dataset '{name}'; {hint}")


def _reduce(self) -> tuple:
    return _empty, self._made_from, self.__dict__


def _empty(front: type[InFront], host: type) -> object:
    """An object without attributes, from which unpickling starts."""
    cls = class_in_front(front, host)
    return cls.__new__(cls)
