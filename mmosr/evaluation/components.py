"""Component metrics of an anomaly segmentation: sIoU, PPV and F1*.

Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021 (Datasets and
Benchmarks), section 4, and the official tool (road-anomaly-benchmark). A pixel metric is dominated
by large objects; here every object counts once.

A predicted component is a connected region of ``score >= threshold``, a true one of unknown
pixels. Pixels connect to all 8 neighbours.

* **sIoU** of a true component k: with K' all predicted components that touch k, the intersection
  of k and K' over their union, *without* the pixels of K' that lie on other true components. So one
  region over two objects is not punished twice.
* **PPV** of a predicted component: the share of its pixels on any true component.
* At a threshold tau, a true component is found (TP) if ``sIoU >= tau``, otherwise missed (FN), and
  a predicted one is a false alarm (FP) if ``PPV < tau``. TP, FN and FP are summed over all
  images, then ``F1 = 2 TP / (2 TP + FN + FP)``. **F1*** is its mean over tau = 0.25, 0.30 .. 0.75.

The order of the steps is that of the official tool (its current version, where PPV decides
about false alarms; the first version used an adjusted IoU of the predicted components):

1. Ignored pixels are removed from the prediction *before* labelling: they can split a component.
   They cut true components too, since an ignored pixel is not unknown.
2. Predicted components of fewer than ``sizes.predicted`` pixels are dropped. The size is measured
   before step 3; one of exactly that size stays.
3. True components of fewer than ``sizes.true`` pixels become ignored: neither TP nor FN, and their
   pixels count for no predicted component, so one that lies on them entirely is not a false alarm.
4. sIoU and PPV are computed on what is left.

Differences, all deliberate:

* The official tool selects ``score > threshold``; here it is ``score >= threshold``, the rule of
  the F1 that the threshold comes from (:func:`mmosr.evaluation.curves.best_f1`).
* tau is exactly k/20. The official ``linspace`` gives 0.6000000000000001, so there an sIoU or PPV
  of 3/5 is below 0.6.
* The official tool treats the background as one more true component: an image with fewer than
  ``sizes.true`` known and ignored pixels loses all of them. Here they stay.
* It divides by zero without components; here a mean of nothing is NaN.

This module needs NumPy and OpenCV only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

TAUS = np.arange(5, 16) / 20
TAUS.setflags(write=False)


@dataclass(frozen=True)
class ComponentSizes:
    """Smallest components that count, in pixels.

    SegmentMeIfYouCan: 500 and 100 on the anomaly track, 50 and 10 on the obstacle track.

    Args:
        predicted: Predicted components with fewer pixels are dropped.
        true: True components with fewer pixels are ignored.

    Raises:
        InputError: A size is negative or not an integer.
    """

    predicted: int
    true: int

    def __post_init__(self) -> None:
        for name in ("predicted", "true"):
            size = getattr(self, name)
            if not isinstance(size, int) or size < 0:
                raise InputError(f"the smallest {name} component is {size!r}: give pixels, 0 .. n")


def _nothing() -> np.ndarray:
    return np.zeros(0)


@dataclass(eq=False)
class ComponentCounts:
    """The sum over some images: one value per component, in any order.

    Args:
        siou: sIoU of every true component, float64 of shape (T,), in [0, 1].
        ppv: PPV of every predicted component, float64 of shape (P,), in [0, 1].
    """

    siou: np.ndarray = field(default_factory=_nothing)
    ppv: np.ndarray = field(default_factory=_nothing)

    @classmethod
    def total(cls, parts: Sequence[ComponentCounts]) -> ComponentCounts:
        """Add images; their order does not affect any figure. Without parts: no components."""
        return cls(
            np.concatenate([_nothing(), *(part.siou for part in parts)]),
            np.concatenate([_nothing(), *(part.ppv for part in parts)]),
        )


def component_counts(
    score: np.ndarray,
    label: np.ndarray,
    threshold: float,
    sizes: ComponentSizes,
    unknown_label: int = UNKNOWN_LABEL,
    ignore_label: int = IGNORE_LABEL,
) -> ComponentCounts:
    """Find and compare the components of one image.

    Args:
        score: Anomaly scores (H, W), larger = more unknown; rounded to float32. Scores of ignored
            pixels may be anything.
        label: Labels (H, W): unknown, ignored, and known for all other values.
        threshold: ``score >= threshold`` is predicted unknown; rounded to float32.
        sizes: Smallest components that count.
        unknown_label: Label of unknown pixels.
        ignore_label: Label of ignored pixels.

    Raises:
        InputError: The shapes differ or are not (H, W), or the threshold or the score of a pixel
            that is not ignored is NaN.
    """
    score, label = np.asarray(score), np.asarray(label)
    ignored = label == ignore_label
    _check(score, label, threshold, ignored)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which compares correctly
        predicted = score.astype(np.float32, copy=False) >= np.float32(threshold)
    predicted_ids, predicted_sizes = _label_components(predicted & ~ignored)
    true_ids, true_sizes = _label_components(label == unknown_label)
    large_enough = predicted_sizes >= sizes.predicted
    predicted_ids *= large_enough[predicted_ids]
    too_small = true_sizes < sizes.true
    too_small[0] = False  # the background
    predicted_ids[too_small[true_ids]] = 0
    return _compare(true_ids, np.where(too_small, 0, true_sizes), predicted_ids)


def component_f1(counts: ComponentCounts) -> np.ndarray:
    """F1 at each of ``TAUS``, float64 of shape (11,); NaN without any component."""
    found = _at_least(counts.siou)
    false_alarms = counts.ppv.size - _at_least(counts.ppv)
    # 2 TP + FN + FP, as TP + FN is the number of true components.
    total = found + counts.siou.size + false_alarms
    return np.divide(2 * found, total, out=np.full(TAUS.shape, np.nan), where=total > 0)


def component_figures(counts: ComponentCounts) -> dict[str, float]:
    """Figures of all images together.

    Returns:
        'sIoU': mean over the true components, NaN without one. 'PPV': mean over the predicted
        components, NaN without one. 'F1*': mean of :func:`component_f1`; 0 if there are only
        true or only false predicted components, NaN without any. All in [0, 1].
    """
    return {
        "sIoU": _mean(counts.siou),
        "PPV": _mean(counts.ppv),
        "F1*": _mean(component_f1(counts)),
    }


def _check(score: np.ndarray, label: np.ndarray, threshold: float, ignored: np.ndarray) -> None:
    if label.ndim != 2 or label.size == 0 or score.shape != label.shape:
        raise InputError(
            f"scores of shape {score.shape} and labels of shape {label.shape}: components need "
            "one map (H, W) of each, of the same size"
        )
    if math.isnan(threshold):
        raise InputError(
            "the threshold of the components is NaN: without an unknown pixel there is no best F1"
        )
    bad = np.isnan(score)
    if bad.any() and (bad & ~ignored).any():
        raise InputError(
            f"{np.count_nonzero(bad & ~ignored)} of {score.size} scores are NaN: compute the score "
            "in float32 from finite logits"
        )


def _label_components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Component of every pixel, 0 for none, and the pixels of every component."""
    count, ids = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    # Twenty times faster than OpenCV's statistics, which add boxes and centroids.
    return ids, np.bincount(ids.ravel(), minlength=count)


def _compare(
    true_ids: np.ndarray, true_sizes: np.ndarray, predicted_ids: np.ndarray
) -> ComponentCounts:
    """sIoU and PPV from one contingency table.

    The union of a true component k and of the predicted ones that touch it, without pixels on
    other true components, is k itself and those of their pixels that lie on none.
    """
    on_prediction = predicted_ids > 0
    rows, columns = true_ids[on_prediction], predicted_ids[on_prediction]
    num_predicted = int(columns.max(initial=0)) + 1
    sizes = np.bincount(columns, minlength=num_predicted)
    background = np.bincount(columns[rows == 0], minlength=num_predicted)

    hits = rows > 0
    # Sparse: with thousands of specks the full table would be larger than the image.
    pairs, pixels = np.unique(
        rows[hits].astype(np.int64) * num_predicted + columns[hits], return_counts=True
    )
    touched, touching = np.divmod(pairs, num_predicted)
    covered = np.bincount(touched, pixels, true_sizes.size)
    outside = np.bincount(touched, background[touching], true_sizes.size)

    counts = true_sizes > 0
    counts[0] = False
    kept = sizes > 0
    return ComponentCounts(
        siou=covered[counts] / (true_sizes + outside)[counts],
        ppv=(sizes - background)[kept] / sizes[kept],
    )


def _at_least(values: np.ndarray) -> np.ndarray:
    return np.count_nonzero(values >= TAUS[:, None], axis=1)


def _mean(values: np.ndarray) -> float:
    """Mean that does not depend on the order; NaN of nothing."""
    return math.fsum(values) / values.size if values.size else math.nan
