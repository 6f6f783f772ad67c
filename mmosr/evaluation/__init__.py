"""Streaming curves, and metrics for the evaluators of the hosts."""

from importlib.util import find_spec

from .curves import ScoreHistogram, auroc, average_precision, fpr_at_tpr, merge_all

__all__ = ["ScoreHistogram", "auroc", "average_precision", "fpr_at_tpr", "merge_all"]

# The curves need no host; the pixel metric extends mmseg's.
if find_spec("mmseg") is not None:
    from .open_set_metric import OpenSetMetric  # noqa: F401

    __all__ += ["OpenSetMetric"]
