"""What a report shows: figures of all trials, with mean and deviation, and the published ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mmosr.runs.record import versions

from .result import ProtocolRun

ACCURACY = "accuracy/"
# Shown beside a protocol's own figures where there is one.
TOP5 = f"{ACCURACY}top5"
TOP5_RULE = "known test images whose class is among the five of the largest class scores"
OPENNESS = "openness"
OPENNESS_RULE = "1 - sqrt(2 N_train / (N_test + N_target)), by numbers of classes"
SPREAD = "standard deviation over the trials: numpy.std, divisor N"


def summarize(results: Mapping[int | str, Mapping]) -> dict[str, dict]:
    """Mean and standard deviation of every figure over the trials of one method.

    Args:
        results: By trial, the content of ``result.json``.

    Returns:
        By the metric's key ``mean`` and ``std`` (``numpy.std``, divisor N; None for one trial), in
        percent, and ``trials``, the value of each trial. A figure that a trial lacks is over the
        others.
    """
    names = dict.fromkeys(name for result in results.values() for name in result["figures"])
    summary = {}
    for name in names:
        values = {
            str(trial): result["figures"][name]
            for trial, result in results.items()
            if name in result["figures"]
        }
        numbers = list(values.values())
        summary[name] = {
            "mean": float(np.mean(numbers)),
            "std": deviation(numbers),
            "trials": values,
        }
    return summary


def deviation(values: Sequence[float]) -> float | None:
    """``numpy.std`` with divisor N, None for one value."""
    return float(np.std(values)) if len(values) > 1 else None


def report_content(run: ProtocolRun) -> dict:
    """All that a report shows: the content of ``protocol.json``."""
    protocol = run.protocol
    methods = {}
    for name in dict.fromkeys([*run.results, *run.failures]):
        results = run.results.get(name, {})
        first = next(iter(results.values()), {})
        methods[name] = {
            "config": first.get("config"),
            "config_sha256": {str(t): r["config_sha256"] for t, r in results.items()},
            "checkpoint_sha256": {str(t): r["checkpoint_sha256"] for t, r in results.items()},
            "class_split": first.get("class_split"),
            "trained": {str(t): r["trained"] for t, r in results.items() if r.get("trained")},
            OPENNESS: {str(t): r.get(OPENNESS) for t, r in results.items()},
            "trials": list(results),
            "failed": {str(t): line for t, line in run.failures.get(name, {}).items()},
            "figures": summarize(results),
        }
    rules = dict(protocol.rules)
    if any(TOP5 in part["figures"] for part in methods.values()):
        rules[TOP5] = TOP5_RULE
    if any(value is not None for part in methods.values() for value in part[OPENNESS].values()):
        rules[OPENNESS] = OPENNESS_RULE
    return {
        "protocol": protocol.identifier,
        "version": protocol.version,
        "title": protocol.title,
        "source": protocol.source,
        "known": protocol.known,
        "unknown": protocol.unknown,
        "figures": list(protocol.figures),
        "rules": rules,
        "deviation": SPREAD,
        "versions": versions("mmpretrain"),
        "methods": methods,
        "published": [dataclasses.asdict(row) for row in protocol.published],
    }
