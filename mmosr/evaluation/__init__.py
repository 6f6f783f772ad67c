"""Streaming curves, and metrics for the evaluators of the hosts."""

from importlib.util import find_spec

from .curves import (
    aupr_in,
    auroc,
    average_precision,
    best_f1,
    bounds,
    figures,
    fpr_at_tpr,
    tnr_at_tpr,
)
from .histogram import MAX_CELLS, ScoreHistogram, merge_all

__all__ = [
    "MAX_CELLS",
    "ScoreHistogram",
    "aupr_in",
    "auroc",
    "average_precision",
    "best_f1",
    "bounds",
    "figures",
    "fpr_at_tpr",
    "merge_all",
    "tnr_at_tpr",
]

# The curves need no host; the pixel metric extends mmseg's.
if find_spec("mmseg") is not None:
    from .counts import Counts, count_image  # noqa: F401
    from .open_set_metric import OpenSetMetric  # noqa: F401

    __all__ += ["Counts", "OpenSetMetric", "count_image"]

# The image metric needs no host.
if find_spec("mmengine") is not None:
    from .open_set_recognition_metric import OpenSetRecognitionMetric  # noqa: F401

    __all__ += ["OpenSetRecognitionMetric"]
