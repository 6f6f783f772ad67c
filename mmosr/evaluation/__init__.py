"""Streaming curves, and metrics for the evaluators of the hosts."""

from mmosr.utils.lazy import attach

# Late, because the curves only need NumPy, and the pixel metric all of mmseg.
__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "counts": ["Counts", "count_image"],
        "curves": [
            "aupr_in",
            "auroc",
            "average_precision",
            "best_f1",
            "bounds",
            "figures",
            "fpr_at_tpr",
            "tnr_at_tpr",
        ],
        "histogram": ["MAX_CELLS", "ScoreHistogram", "merge_all"],
        "open_set_metric": ["OpenSetMetric"],
        "open_set_recognition_metric": ["OpenSetRecognitionMetric"],
    },
)
