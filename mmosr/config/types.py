"""What a ``type`` in a config means."""

from __future__ import annotations

from mmengine.registry import Registry


def registered_class(registry: Registry, kind: str | type | None, scope: str | None) -> type | None:
    """Look up a ``type`` as the runner will.

    Args:
        registry: Of mmengine's root.
        kind: A name, with or without a scope, or the class.
        scope: ``default_scope`` of the config; None: the present one.

    Returns:
        The class, None where there is none of the name.
    """
    if isinstance(kind, str):
        with registry.switch_scope_and_registry(scope) as scoped:
            kind = scoped.get(kind)
    return kind if isinstance(kind, type) else None


def bare_name(kind: str | type | None) -> str:
    """Name of a ``type`` without its scope, empty where there is none."""
    return kind.rpartition(".")[2] if isinstance(kind, str) else getattr(kind, "__name__", "")
