"""The entries of a model's ``score``: names, or dicts with options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmosr.utils import InputError

from .map_smoothing import MAP_OPTIONS, MapSmoothing

ScoreConfig = str | Mapping | Sequence[str | Mapping]


@dataclass(frozen=True)
class ScoreEntry:
    """One score that a model computes.

    Args:
        name: Of its values, its statistics, and in ``--scores``.
        kind: Name of the formula, which several entries may share.
        options: Options of the formula.
        map_options: Those of :class:`~mmosr.scores.map_smoothing.MapSmoothing` that are set.
    """

    name: str
    kind: str | None
    options: Mapping[str, Any]
    map_options: Mapping[str, Any]

    @classmethod
    def of(cls, config: str | Mapping) -> ScoreEntry:
        """The entry of a name, or of ``dict(type=KIND, name=NAME, **options)``."""
        options = {"type": config} if isinstance(config, str) else dict(config)
        kind = options.pop("type", None)
        name = options.pop("name", kind)
        map_options = {key: options.pop(key) for key in MAP_OPTIONS if key in options}
        return cls(name, kind, options, map_options)

    def map_smoothing(self, defaults: Mapping[str, bool]) -> MapSmoothing:
        """What to do to its finished map; ``defaults`` are those of the formula.

        Raises:
            InputError: An option is neither true nor false.
        """
        try:
            return MapSmoothing(**{**defaults, **self.map_options})
        except ValueError as error:
            raise InputError(f"score '{self.name}': {error}") from error

    def refuse_options(self) -> None:
        """Refuse options of the formula, for a method's own score, which has none.

        Raises:
            InputError: Names them and the available options.
        """
        if self.options:
            raise InputError(
                f"score '{self.name}' is the method's own and has no option "
                f"{', '.join(self.options)}: choose from name, {', '.join(MAP_OPTIONS)}"
            )


def entry_configs(score: ScoreConfig) -> list[str | Mapping]:
    """The configs of the entries; a single one needs no list."""
    return [score] if isinstance(score, (str, Mapping)) else list(score)
