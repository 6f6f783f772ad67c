"""The streaming curves against hand-computed values, and on large data against scikit-learn."""

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from mmosr.evaluation.curves import (
    aupr_in,
    auroc,
    average_precision,
    best_f1,
    bounds,
    figures,
    flip,
    fpr_at_tpr,
    precision_recall_curve,
    roc_curve,
    tnr_at_tpr,
)
from mmosr.evaluation.histogram import ScoreHistogram, merge_all
from mmosr.utils import InputError


def sklearn_figures(scores, unknown):
    fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    return (
        sk.roc_auc_score(unknown, scores),
        sk.average_precision_score(unknown, scores),
        fpr[np.argmax(tpr >= 0.95)],
    )


def three_figures(histogram):
    return auroc(histogram), average_precision(histogram), fpr_at_tpr(histogram)


# Scores highest first: 4 unknown, 3 known, 2 unknown + known (tied), 1 known.
TINY = ScoreHistogram.from_scores([4, 3, 2, 2, 1], [1, 0, 1, 0, 0])


# By hand


def test_hand_computed_auroc():
    # Pairs (unknown, known): 4 beats 3, 2, 1; 2 loses to 3, ties with 2, beats 1.
    assert auroc(TINY) == pytest.approx((3 + 0 + 0.5 + 1) / 6, abs=1e-15)


def test_hand_computed_average_precision():
    # Recall rises by 1/2 at precision 1/1 and by 1/2 at precision 2/4.
    assert average_precision(TINY) == pytest.approx(0.5 * 1 + 0.5 * 0.5, abs=1e-15)


def test_hand_computed_aupr_in():
    # Known positive, from score 1 upwards: recall 1/3 at 1/1, 2/3 at 2/3, 1 at 3/4.
    assert aupr_in(TINY) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3, abs=1e-15)


def test_hand_computed_fpr():
    # TPR is 1/2 down to score 3 and 1 from score 2, where 2 of 3 known are selected.
    assert fpr_at_tpr(TINY) == pytest.approx(2 / 3, abs=1e-15)
    assert fpr_at_tpr(TINY, 0.5) == 0.0


def test_hand_computed_tnr():
    # All known are accepted up to score 3: 4 is rejected, 2 is not. Two thirds of the known are
    # accepted up to 2, which rejects 4 as well; one third up to 1, which rejects both.
    assert tnr_at_tpr(TINY) == 0.5
    assert tnr_at_tpr(TINY, 2 / 3) == 0.5
    assert tnr_at_tpr(TINY, 1 / 3) == 1.0


def test_hand_computed_best_f1():
    # F1 from the highest threshold: 2/3, 2/4, 4/6, 4/7. The highest of the two best is 4.
    assert best_f1(TINY) == (pytest.approx(2 / 3, abs=1e-15), 4.0)
    # With 3 unknown as well, selecting down to 2 is best: 3 of 4 selected, 3 of 3 unknown.
    histogram = ScoreHistogram.from_scores([4, 3, 2, 2, 1], [1, 1, 1, 0, 0])
    assert best_f1(histogram) == (pytest.approx(6 / 7, abs=1e-15), 2.0)


def test_hand_computed_curves():
    fpr, tpr, thresholds = roc_curve(TINY)
    np.testing.assert_allclose(fpr, [0, 0, 1 / 3, 2 / 3, 1], atol=1e-15)
    np.testing.assert_array_equal(tpr, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_array_equal(thresholds, [np.inf, 4, 3, 2, 1])
    precision, recall, thresholds = precision_recall_curve(TINY)
    np.testing.assert_array_equal(precision, [1, 1, 0.5, 0.5, 0.4])
    np.testing.assert_array_equal(recall, tpr)
    np.testing.assert_array_equal(thresholds, [np.inf, 4, 3, 2, 1])


def test_figures_are_the_single_ones():
    f1, threshold = best_f1(TINY)
    assert figures(TINY) == {
        "AUROC": auroc(TINY),
        "AP": average_precision(TINY),
        "AUPR-In": aupr_in(TINY),
        "FPR95": fpr_at_tpr(TINY),
        "TNR95": tnr_at_tpr(TINY),
        "F1": f1,
        "F1-threshold": threshold,
    }
    assert all(type(value) is float for value in figures(TINY).values())


def test_rates_are_taken_where_they_are_reached_exactly():
    # 20 unknown: 19 of them (exactly 95 %) above the known samples, one below.
    scores = [*range(40, 21, -1), *range(10), -1]
    histogram = ScoreHistogram.from_scores(scores, [1] * 19 + [0] * 10 + [1])
    assert fpr_at_tpr(histogram, 0.95) == 0.0
    assert fpr_at_tpr(histogram, 0.951) == 1.0
    mirrored = ScoreHistogram.from_scores(np.negative(scores), [0] * 19 + [1] * 10 + [0])
    assert tnr_at_tpr(mirrored, 0.95) == 1.0
    assert tnr_at_tpr(mirrored, 0.951) == 0.0


def test_a_best_f1_threshold_below_zero_of_a_cut_histogram():
    rng = np.random.default_rng(0)
    scores = rng.normal(-30, 2, 20_000).astype(np.float32)
    unknown = rng.random(20_000) < 0.1
    scores[unknown] += 8
    histogram = ScoreHistogram.from_scores(scores, unknown, 512)
    assert histogram.bits < 32
    f1, threshold = best_f1(histogram)
    assert sk.f1_score(unknown, scores >= np.float32(threshold)) == pytest.approx(f1, abs=1e-12)


# Bounds


def test_hand_computed_bounds():
    # Highest cell: 1 known, 1 unknown; the other: 1 known, 2 unknown.
    keys, known, unknown = np.array([5, 7], np.uint32), np.array([1, 1]), np.array([2, 1])
    histogram = ScoreHistogram(keys, known, unknown, bits=24)
    found = bounds(histogram)
    # Of 6 pairs, the upper unknown against the lower known is in order for sure, and the lower
    # unknown ones against the upper known are not. The 1 + 2 pairs inside of the cells may be.
    assert found["AUROC"] == pytest.approx((1 / 6, 4 / 6), abs=1e-15)
    # Known first: 1/2, then 2/4 and 3/5. Unknown first and tied: 1/1, then 3/4 twice.
    assert found["AP"] == pytest.approx(
        ((1 / 2 + 2 / 4 + 3 / 5) / 3, (1 + 3 / 4 + 3 / 4) / 3), abs=1e-15
    )
    assert found["FPR95"] == (0.5, 1.0)


def test_bounds_of_an_exact_histogram_are_its_values():
    assert bounds(TINY) == {
        name: (figures(TINY)[name], figures(TINY)[name]) for name in ("AUROC", "AP", "FPR95")
    }


# Large data


def make_scores(name, rng, unknown):
    n = unknown.size
    return {
        "gaussian": lambda: rng.normal(0, 1, n) + 1.5 * unknown,
        "cauchy": lambda: rng.standard_cauchy(n) + 3 * unknown,
        "one_decimal": lambda: np.round(rng.normal(0, 1, n) + unknown, 1),
        "offset_30": lambda: rng.normal(30, 2, n) + 3 * unknown,
        "offset_1000": lambda: rng.normal(1000, 2, n) + 3 * unknown,
        "likelihood": lambda: rng.normal(150, 10, n) + 12 * unknown,
        "msp": lambda: np.where(unknown, rng.beta(1, 2, n), rng.beta(0.2, 2, n)),
        "tiny": lambda: 1e-6 * (rng.normal(size=n) + unknown),
        "just_below_one": lambda: 0.999999 + 1e-6 * (rng.normal(size=n) + unknown),
    }[name]().astype(np.float32)


@pytest.mark.parametrize(
    "name",
    [
        "gaussian",
        "cauchy",
        "one_decimal",
        "offset_30",
        "offset_1000",
        "likelihood",
        "msp",
        "tiny",
        "just_below_one",
    ],
)
def test_precision_of_the_default_cells(name):
    rng = np.random.default_rng(1)
    unknown = rng.random(1_000_000) < 0.02
    scores = make_scores(name, rng, unknown)
    exact = sklearn_figures(scores, unknown)
    histogram = ScoreHistogram.from_scores(scores, unknown)
    error = np.abs(np.subtract(three_figures(histogram), exact))
    assert (error <= [1e-6, 1e-4, 1e-4]).all(), error
    if name in ("one_decimal", "offset_1000", "just_below_one"):
        assert histogram.bits == 32 and (error <= 1e-12).all()
    for value, (lower, upper) in zip(exact, bounds(histogram).values(), strict=True):
        assert lower - 1e-12 <= value <= upper + 1e-12
        assert upper - lower < 1e-3


# Traps


def test_scores_outside_the_unit_interval_are_not_squashed():
    # A sigmoid would saturate both to 1 and give 0.5.
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(30, 2, 20_000), rng.normal(33, 2, 20_000)])
    scores, unknown = scores.astype(np.float32), np.arange(40_000) >= 20_000
    histogram = ScoreHistogram.from_scores(scores, unknown)
    expected = 0.5 * (1 + math.erf(3 / math.sqrt(8) / math.sqrt(2)))  # Phi(3 / sqrt(2^2 + 2^2))
    assert auroc(histogram) == pytest.approx(expected, abs=5e-3)
    np.testing.assert_allclose(
        three_figures(histogram), sklearn_figures(scores, unknown), atol=1e-12
    )


@pytest.mark.parametrize("unknown", [[], [0, 0], [1, 1]])
def test_without_one_of_the_kinds_the_figures_are_nan(unknown):
    histogram = ScoreHistogram.from_scores(np.arange(len(unknown), dtype=np.float32), unknown)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = figures(histogram)
        f1 = [values.pop("F1"), values.pop("F1-threshold")]
        assert np.isnan(list(values.values())).all()
        # The best threshold needs no known sample.
        np.testing.assert_array_equal(f1, [1.0, 0.0] if any(unknown) else [np.nan, np.nan])
        assert np.isnan(list(bounds(histogram).values())).all()


def test_cut_histogram_of_one_kind_has_no_bounds():
    known = ScoreHistogram.from_scores(np.random.default_rng(0).normal(size=2000), np.zeros(2000))
    cut = merge_all([known], 512)
    assert cut.bits < 32
    assert np.isnan(list(bounds(cut).values())).all()


def test_images_are_pooled_not_averaged():
    easy = ScoreHistogram.from_scores([1, 2, 3], [0, 0, 1])  # AUROC 1
    hard = ScoreHistogram.from_scores([9, 8, 7, 6], [0, 0, 0, 1])  # AUROC 0
    pooled = auroc(easy.merge(hard))
    assert pooled == pytest.approx((2 + 2) / 10, abs=1e-15)  # 3 and 6 above 1 and 2
    assert pooled != (auroc(easy) + auroc(hard)) / 2


def test_all_known_image_counts_in_the_pool():
    mixed = ScoreHistogram.from_scores([1.0, 3.0], [False, True])
    known_only = ScoreHistogram.from_scores([4.0, 0.0], [False, False])
    assert math.isnan(auroc(known_only))
    # Known 0, 1, 4 against unknown 3: two of three pairs are in order.
    assert auroc(mixed.merge(known_only)) == pytest.approx(2 / 3, abs=1e-15)


def test_pairs_do_not_overflow():
    counts = np.array([3 * 10**11, 10**11])
    histogram = ScoreHistogram(np.array([1, 2], np.uint32), counts, counts[::-1])
    # Of 16 parts of pairs: 9 in order, 3 + 3 tied, 1 against.
    assert auroc(histogram) == pytest.approx((9 + 3) / 16, abs=1e-15)


def test_flip_keeps_zero_apart():
    histogram = ScoreHistogram.from_scores([0.0, 1e-45, -1e-45, 2.0], [1, 0, 0, 1])
    flipped = flip(histogram)
    np.testing.assert_array_equal(flipped.thresholds, np.float32([-2, -1e-45, 0, 1e-45]))
    assert flipped.known.tolist() == [1, 0, 1, 0]
    assert flipped.unknown.tolist() == [0, 1, 0, 1]
    assert flip(flipped) == histogram


@pytest.mark.parametrize("function", [fpr_at_tpr, tnr_at_tpr])
@pytest.mark.parametrize("tpr", [95, 0, -0.1])
def test_rates_out_of_range_are_refused(function, tpr):
    with pytest.raises(InputError, match=f"tpr={tpr} is out of range"):
        function(TINY, tpr)
