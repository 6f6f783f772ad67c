"""What one image adds to the figures, by hand, and the sums."""

import re

import pytest
import torch

from mmosr.evaluation.counts import Counts, count_image
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError


def make_sample(label, prediction, image="a.png", **scores):
    """A sample as a metric gets it: a dict of dicts of maps, each (1, H, W)."""
    return {
        "img_path": image,
        "gt_sem_seg": {"data": torch.tensor([label], dtype=torch.uint8)},
        "pred_sem_seg": {"data": torch.tensor([prediction])},
        "pred_anomaly": {name: torch.tensor([score]) for name, score in scores.items()},
    }


LABEL = [[0, 0, 1], [254, 2, 255]]
PREDICTION = [[0, 1, 1], [1, 2, 0]]
SCORE = [[0.5, 1.5, 2.5], [3.5, 0.5, float("nan")]]


def test_hand_computed_image():
    counts = count_image(make_sample(LABEL, PREDICTION, data=SCORE), 3)
    assert (counts.images, counts.ignored) == (1, 1)
    # The unknown and the ignored pixel count in no class.
    assert counts.areas.tolist() == [[1, 1, 1], [2, 2, 1], [1, 2, 1], [2, 1, 1]]
    assert counts.areas.dtype == torch.float64
    assert list(counts.histograms) == ["anomaly"]
    histogram = counts.histograms["anomaly"]
    assert histogram.thresholds.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert histogram.known.tolist() == [2, 1, 1, 0]
    assert histogram.unknown.tolist() == [0, 0, 0, 1]


def test_without_classes_no_area_is_counted():
    sample = make_sample([[0, 254, 255]], [[0, 0, 0]], msp=[[1.0, 2.0, 3.0]])
    del sample["pred_sem_seg"]
    counts = count_image(sample, None)
    assert counts.areas is None
    assert counts.ignored == 1
    assert counts.histograms["msp"] == ScoreHistogram.from_scores([1, 2], [0, 1])


def test_scores_are_chosen_by_name():
    sample = make_sample([[0, 254]], [[0, 0]], data=[[9.0, 9.0]], b=[[1.0, 2.0]], a=[[3.0, 4.0]])
    assert list(count_image(sample, 1).histograms) == ["a", "b"]
    assert list(count_image(sample, 1, scores=["b"]).histograms) == ["b"]
    assert list(count_image(sample, 1, scores=["b", "a"]).histograms) == ["b", "a"]


def test_other_label_values():
    sample = make_sample([[0, 7, 9]], [[0, 0, 0]], msp=[[1.0, 2.0, float("inf")]])
    counts = count_image(sample, 2, unknown_label=7, ignore_label=9)
    assert (counts.ignored, counts.histograms["msp"].num_unknown) == (1, 1)
    assert counts.areas.tolist() == [[1, 0], [1, 0], [1, 0], [1, 0]]


def test_negative_labels_are_kept_apart():
    sample = make_sample([[0, 0, 0]], [[0, 0, 0]], msp=[[1.0, 2.0, 3.0]])
    sample["gt_sem_seg"]["data"] = torch.tensor([[[0, -1, -2]]], dtype=torch.int16)
    counts = count_image(sample, 2, unknown_label=-1, ignore_label=-2)
    assert (counts.ignored, counts.histograms["msp"].num_unknown) == (1, 1)


def test_a_negative_label_is_not_a_large_one():
    # 255 in eight bits is -1 modulo 256.
    sample = make_sample([[0, 255]], [[0, 0]], msp=[[1.0, 2.0]])
    with pytest.raises(InputError, match=re.escape("ground truth has values [255]")):
        count_image(sample, 1, ignore_label=-1)


def test_a_wholly_ignored_image_adds_nothing():
    counts = count_image(make_sample([[255, 255]], [[0, 1]], msp=[[1.0, 2.0]]), 2)
    assert (counts.images, counts.ignored) == (1, 2)
    assert counts.areas.sum() == 0
    assert counts.histograms["msp"].keys.size == 0


def test_sums():
    first = count_image(make_sample(LABEL, PREDICTION, data=SCORE), 3)
    second = count_image(make_sample([[2, 255]], [[0, 0]], data=[[0.5, 7.0]]), 3)
    total = Counts.total([first, second, first])
    assert (total.images, total.ignored) == (3, 3)
    assert total.areas.tolist() == [[2, 2, 2], [5, 4, 3], [3, 4, 2], [4, 2, 3]]
    histogram = total.histograms["anomaly"]
    assert histogram.known.tolist() == [5, 2, 2, 0]
    assert histogram.unknown.tolist() == [0, 0, 0, 2]
    assert Counts.total([second, first, first]).histograms["anomaly"] == histogram
    # The parts stay as they were.
    assert first.areas.tolist() == [[1, 1, 1], [2, 2, 1], [1, 2, 1], [2, 1, 1]]


def test_sums_without_classes():
    counts = count_image(make_sample([[0, 254]], [[0, 0]], msp=[[1.0, 2.0]]), None)
    total = Counts.total([counts, counts])
    assert total.areas is None
    assert total.histograms["msp"].unknown.tolist() == [0, 2]


def test_max_cells_reaches_the_histograms():
    scores = torch.linspace(1, 2, 600)[None].tolist()
    sample = make_sample([[0] * 600], [[0] * 600], msp=scores)
    assert count_image(sample, 1).histograms["msp"].bits == 32
    exact = count_image(sample, 1, max_cells=None)
    cut = count_image(sample, 1, max_cells=512)
    assert cut.histograms["msp"].keys.size <= 512
    assert Counts.total([exact, exact], 512).histograms["msp"].bits < 32
    assert Counts.total([exact, exact], None).histograms["msp"].keys.size == 600


# Errors


def test_parts_of_other_scores_are_refused():
    one = count_image(make_sample([[0]], [[0]], msp=[[1.0]]), 1)
    other = count_image(make_sample([[0]], [[0]], energy=[[1.0]]), 1)
    message = "scores ['energy'], but the images before had ['msp']; all images need the same"
    with pytest.raises(InputError, match=re.escape(message)):
        Counts.total([one, other])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gt_sem_seg": None}, "a.png: no ground truth (gt_sem_seg); use format_only=True."),
        ({"pred_anomaly": None}, "a.png: the model gives no anomaly score (pred_anomaly)"),
        (
            {"pred_anomaly": {"msp": torch.zeros(1, 4, 6)}},
            "a.png: msp of size (4, 6) but ground truth of size (2, 3)",
        ),
        (
            {"pred_sem_seg": {"data": torch.zeros(1, 4, 6)}},
            "a.png: prediction of size (4, 6) but ground truth of size (2, 3)",
        ),
        (
            {"gt_sem_seg": {"data": torch.tensor([[[0, 3, 253], [0, 0, 0]]])}},
            "a.png: ground truth has values [3, 253]; expected 0..2, 254 (unknown) and 255",
        ),
        (
            {"pred_anomaly": {"msp": torch.full((1, 2, 3), torch.nan)}},
            "a.png, score 'msp': 5 of 5 scores are NaN, infinite or beyond float32",
        ),
    ],
)
def test_bad_samples_are_refused(changes, message):
    sample = {**make_sample(LABEL, PREDICTION, msp=SCORE), **changes}
    sample = {name: value for name, value in sample.items() if value is not None}
    with pytest.raises(InputError, match=re.escape(message)):
        count_image(sample, 3)


def test_bad_arguments_are_refused():
    sample = make_sample(LABEL, PREDICTION, msp=SCORE)
    message = "a.png: no score ['energy']; the model gives ['msp']"
    with pytest.raises(InputError, match=re.escape(message)):
        count_image(sample, 3, scores=["energy"])
    with pytest.raises(InputError, match="unknown_label=2 is also one of the 3 known classes"):
        count_image(sample, 3, unknown_label=2)
    with pytest.raises(InputError, match="ignore_label=0 is also one of the 1 known classes"):
        count_image(sample, None, ignore_label=0)
