"""The results of a run of a protocol, and what a report shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from mmosr.runs.record import versions

from .protocols import ImageProtocol

ACCURACY, OPENNESS = "accuracy/", "openness"
# Shown next to a protocol's own figures if there is one.
TOP5 = f"{ACCURACY}top5"
TOP5_RULE = "known test images whose class is among the five of the largest class scores"
OPENNESS_RULE = "1 - sqrt(2 N_train / (N_test + N_target)), by numbers of classes"
SPREAD = "standard deviation over the trials: numpy.std, divisor N"


@dataclass
class ProtocolRun:
    """What :func:`~mmosr.benchmark.images.run.run_protocol` returns.

    Args:
        protocol: The protocol.
        results: By method and trial, the content of ``result.json``. A trial is named by its
            number, or like ``'0 seed 1'`` if seeds were given.
        failures: By method and trial, one line.
        written: Files of the report.
    """

    protocol: ImageProtocol
    results: dict[str, dict[int | str, dict]] = field(default_factory=dict)
    failures: dict[str, dict[int | str, str]] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)

    def content(self) -> dict:
        """Everything that a report shows: the content of ``protocol.json``."""
        protocol = self.protocol
        methods = {
            name: _method(self.results.get(name, {}), self.failures.get(name, {}))
            for name in dict.fromkeys([*self.results, *self.failures])
        }
        rules = dict(protocol.rules)
        if any(TOP5 in part["figures"] for part in methods.values()):
            rules[TOP5] = TOP5_RULE
        if any(x is not None for part in methods.values() for x in part[OPENNESS].values()):
            rules[OPENNESS] = OPENNESS_RULE
        named = ("version", "title", "source", "known", "unknown")
        return {
            "protocol": protocol.identifier,
            **{name: getattr(protocol, name) for name in named},
            "figures": list(protocol.figures),
            "rules": rules,
            "deviation": SPREAD,
            "versions": versions("mmpretrain"),
            "methods": methods,
            "published": [asdict(row) for row in protocol.published],
        }


def _method(results: Mapping[int | str, Mapping], failures: Mapping[int | str, str]) -> dict:
    def of_trials(key: str) -> dict:
        return {str(trial): result.get(key) for trial, result in results.items()}

    first = next(iter(results.values()), {})
    return {
        "config": first.get("config"),
        "config_sha256": of_trials("config_sha256"),
        "checkpoint_sha256": of_trials("checkpoint_sha256"),
        "class_split": first.get("class_split"),
        "trained": {trial: source for trial, source in of_trials("trained").items() if source},
        OPENNESS: of_trials(OPENNESS),
        "trials": list(results),
        "failed": {str(trial): line for trial, line in failures.items()},
        "figures": summarize(results),
    }


def summarize(results: Mapping[int | str, Mapping]) -> dict[str, dict]:
    """:func:`spread` of every figure over the trials of one method, by the metric's key.

    Args:
        results: By trial, the content of ``result.json``. A figure that one trial lacks is taken
            over the others.
    """
    values: dict[str, dict[str, float]] = {}
    for trial, result in results.items():
        for name, value in result["figures"].items():
            values.setdefault(name, {})[str(trial)] = value
    return {name: spread(trials) for name, trials in values.items()}


def spread(trials: Mapping[str, float]) -> dict:
    """``mean`` and ``std`` of a figure, and ``trials``, its values.

    The deviation is ``numpy.std`` with divisor N, None for one trial.
    """
    values = list(trials.values())
    std = float(np.std(values)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "trials": dict(trials)}
