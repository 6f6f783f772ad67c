"""Look-ups in a config: its parts, and what their ``type`` means."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mmengine.registry import HOOKS, Registry


def dicts(node: Any) -> Iterator[dict]:
    """All dicts inside a nested config, outer ones first."""
    return (found for _, found in named_dicts(node, ""))


def named_dicts(node: Any, name: str) -> Iterator[tuple[str, dict]]:
    """The same with their dotted names; the node itself is called ``name``."""
    items = enumerate(node) if isinstance(node, (list, tuple)) else ()
    if isinstance(node, dict):
        yield name, node
        items = list(node.items())
    for key, child in items:
        yield from named_dicts(child, f"{name}.{key}")


def without(node: Any, keys: Collection[str]) -> Any:
    """A nested config as plain dicts, lists and tuples, without some keys at any depth."""
    if isinstance(node, Mapping):
        return {key: without(value, keys) for key, value in node.items() if key not in keys}
    if isinstance(node, (list, tuple)):
        return type(node)(without(value, keys) for value in node)
    return node


def registered_class(registry: Registry, kind: str | type | None, scope: str | None) -> type | None:
    """Look up a ``type`` like the runner.

    Args:
        registry: One of mmengine's root registries.
        kind: A name, with or without a scope, or the class.
        scope: ``default_scope`` of the config; None: the current one.

    Returns:
        The class; None if the name does not exist.
    """
    if isinstance(kind, str):
        with registry.switch_scope_and_registry(scope) as scoped:
            kind = scoped.get(kind)
    return kind if isinstance(kind, type) else None


def bare_name(kind: str | type | None) -> str:
    """Name of a ``type`` without its scope; empty if there is none."""
    return kind.rpartition(".")[2] if isinstance(kind, str) else getattr(kind, "__name__", "")


def find_hook(cfg: Mapping[str, Any], kind: type) -> str | None:
    """Where a config has a hook of a class, such as ``custom_hooks.1``; None if it has none."""
    for key in ("custom_hooks", "default_hooks"):
        for name, hook in named_dicts(cfg.get(key), key):
            found = registered_class(HOOKS, hook.get("type"), cfg.get("default_scope"))
            if found is not None and issubclass(found, kind):
                return name
    return None
