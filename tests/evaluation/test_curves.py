"""The streaming curves against hand-computed values and scikit-learn."""

import itertools
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmosr.evaluation.curves import (
    ScoreHistogram,
    auroc,
    average_precision,
    fpr_at_tpr,
    merge_all,
    precision_recall_curve,
    roc_curve,
)
from mmosr.utils import InputError


def sklearn_figures(scores, unknown):
    fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    return (
        sk.roc_auc_score(unknown, scores),
        sk.average_precision_score(unknown, scores),
        fpr[np.argmax(tpr >= 0.95)],
    )


def figures(histogram):
    return auroc(histogram), average_precision(histogram), fpr_at_tpr(histogram)


def assert_identical(first, second):
    assert first.bits == second.bits
    for name in ("keys", "known", "unknown"):
        one, two = getattr(first, name), getattr(second, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


# Scores highest first: 4 unknown, 3 known, 2 unknown + known (tied), 1 known.
TINY = ScoreHistogram.from_scores([4, 3, 2, 2, 1], [1, 0, 1, 0, 0])


def test_hand_computed_auroc():
    # Pairs (unknown, known): 4 beats 3, 2, 1; 2 loses to 3, ties with 2, beats 1.
    assert auroc(TINY) == pytest.approx((3 + 0 + 0.5 + 1) / 6, abs=1e-15)


def test_hand_computed_average_precision():
    # Recall rises by 1/2 at precision 1/1 and by 1/2 at precision 2/4.
    assert average_precision(TINY) == pytest.approx(0.5 * 1 + 0.5 * 0.5, abs=1e-15)


def test_hand_computed_fpr():
    # TPR is 1/2 down to score 3 and 1 from score 2, where 2 of 3 known are selected.
    assert fpr_at_tpr(TINY) == pytest.approx(2 / 3, abs=1e-15)
    assert fpr_at_tpr(TINY, 0.5) == 0.0


def test_hand_computed_curves():
    fpr, tpr, thresholds = roc_curve(TINY)
    np.testing.assert_allclose(fpr, [0, 0, 1 / 3, 2 / 3, 1], atol=1e-15)
    np.testing.assert_array_equal(tpr, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_array_equal(thresholds, [np.inf, 4, 3, 2, 1])
    precision, recall, thresholds = precision_recall_curve(TINY)
    np.testing.assert_array_equal(precision, [1, 1, 0.5, 0.5, 0.4])
    np.testing.assert_array_equal(recall, tpr)
    np.testing.assert_array_equal(thresholds, [np.inf, 4, 3, 2, 1])


def test_fpr_is_taken_where_the_rate_is_reached_exactly():
    # 20 unknown: 19 of them (exactly 95 %) above the known samples, one below.
    scores = [*range(40, 21, -1), *range(10), -1]
    histogram = ScoreHistogram.from_scores(scores, [1] * 19 + [0] * 10 + [1])
    assert fpr_at_tpr(histogram, 0.95) == 0.0
    assert fpr_at_tpr(histogram, 0.951) == 1.0


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
tied = st.integers(-3, 3).map(float)
samples = st.lists(st.tuples(st.one_of(tied, finite), st.booleans()), min_size=2, max_size=60)


@settings(max_examples=300, deadline=None)
@given(samples.filter(lambda pairs: len({unknown for _, unknown in pairs}) == 2))
def test_exact_mode_equals_scikit_learn(pairs):
    scores = np.array([score for score, _ in pairs], np.float32)
    unknown = np.array([unknown for _, unknown in pairs])
    histogram = ScoreHistogram.from_scores(scores, unknown, bits=32)
    np.testing.assert_allclose(figures(histogram), sklearn_figures(scores, unknown), atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(samples, min_size=1, max_size=5), st.sampled_from([9, 24, 32]), st.randoms())
def test_merge_is_independent_of_order_and_grouping(images, bits, random):
    parts = [ScoreHistogram.from_scores(*zip(*image, strict=True), bits) for image in images]
    pooled = ScoreHistogram.from_scores(
        *zip(*itertools.chain.from_iterable(images), strict=True), bits
    )
    assert_identical(merge_all(parts), pooled)
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    assert_identical(merged, pooled)
    assert merged == pooled
    assert (merged.num_known, merged.num_unknown) == (
        sum(not unknown for image in images for _, unknown in image),
        sum(unknown for image in images for _, unknown in image),
    )
    np.testing.assert_array_equal(figures(merged), figures(pooled))


def test_samples_may_come_in_any_order():
    rng = np.random.default_rng(0)
    scores, unknown = rng.normal(size=5000).astype(np.float32), rng.random(5000) < 0.1
    order = rng.permutation(5000)
    assert_identical(
        ScoreHistogram.from_scores(scores, unknown),
        ScoreHistogram.from_scores(scores[order].reshape(50, 100), unknown[order].reshape(50, 100)),
    )


def make_scores(name, rng, unknown):
    n = unknown.size
    return {
        "gaussian": lambda: rng.normal(0, 1, n) + 1.5 * unknown,
        "cauchy": lambda: rng.standard_cauchy(n) + 3 * unknown,
        "one_decimal": lambda: np.round(rng.normal(0, 1, n) + unknown, 1),
        "offset_30": lambda: rng.normal(30, 2, n) + 3 * unknown,
        "likelihood": lambda: rng.normal(150, 10, n) + 12 * unknown,
        "msp": lambda: np.where(unknown, rng.beta(1, 2, n), rng.beta(0.2, 2, n)),
        "tiny": lambda: 1e-6 * (rng.normal(size=n) + unknown),
    }[name]().astype(np.float32)


@pytest.mark.parametrize(
    "name", ["gaussian", "cauchy", "one_decimal", "offset_30", "likelihood", "msp", "tiny"]
)
def test_precision_of_the_default_bits(name):
    rng = np.random.default_rng(1)
    unknown = rng.random(1_000_000) < 0.02
    scores = make_scores(name, rng, unknown)
    exact = sklearn_figures(scores, unknown)
    error = np.abs(np.subtract(figures(ScoreHistogram.from_scores(scores, unknown)), exact))
    assert (error <= [1e-6, 1e-4, 1e-4]).all(), error


def test_small_spread_on_a_large_offset_needs_all_bits():
    rng = np.random.default_rng(1)
    unknown = rng.random(20_000) < 0.1
    scores = (0.999999 + 1e-6 * (rng.normal(size=unknown.size) + unknown)).astype(np.float32)
    exact = sklearn_figures(scores, unknown)
    np.testing.assert_allclose(
        figures(ScoreHistogram.from_scores(scores, unknown, bits=32)), exact, atol=1e-12
    )
    default = ScoreHistogram.from_scores(scores, unknown)
    assert default.keys.size <= 2  # the documented limit of 24 bits
    assert abs(auroc(default) - exact[0]) > 0.01


def test_scores_outside_the_unit_interval_are_not_squashed():
    # A sigmoid would saturate both to 1 and give 0.5.
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(30, 2, 20_000), rng.normal(33, 2, 20_000)])
    histogram = ScoreHistogram.from_scores(scores, np.arange(40_000) >= 20_000)
    expected = 0.5 * (1 + math.erf(3 / math.sqrt(8) / math.sqrt(2)))  # Phi(3 / sqrt(2^2 + 2^2))
    assert auroc(histogram) == pytest.approx(expected, abs=5e-3)


def test_float64_and_large_values_keep_their_order():
    scores = np.array([-3.4e38, -1e30, -1.0, 0.0, 1e-40, 1.0, 1e30, 3.4e38])
    histogram = ScoreHistogram.from_scores(scores, np.arange(8) >= 4)
    assert histogram.keys.size == 8
    assert figures(histogram) == (1.0, 1.0, 0.0)
    exact = ScoreHistogram.from_scores(scores, np.arange(8) >= 4, bits=32)
    np.testing.assert_array_equal(exact.thresholds, scores.astype(np.float32))


def test_minus_zero_is_zero():
    for bits in (24, 32):
        histogram = ScoreHistogram.from_scores([0.0, -0.0, -0.0], [1, 0, 1], bits)
        assert (histogram.keys.size, histogram.known[0], histogram.unknown[0]) == (1, 1, 2)
        assert auroc(histogram) == 0.5


@settings(max_examples=200, deadline=None)
@given(st.lists(finite, min_size=1, max_size=30), st.sampled_from([9, 16, 24, 31, 32]))
def test_thresholds_select_the_keys_above(scores, bits):
    scores = np.array(scores, np.float32)
    histogram = ScoreHistogram.from_scores(scores, np.zeros(scores.size), bits)
    assert (np.diff(histogram.keys.astype(np.int64)) > 0).all()
    selected = [(scores >= threshold).sum() for threshold in histogram.thresholds]
    np.testing.assert_array_equal(selected, np.cumsum(histogram.known[::-1])[::-1])


@pytest.mark.parametrize("unknown", [[], [0, 0], [1, 1]])
def test_without_one_of_the_kinds_the_figures_are_nan(unknown):
    histogram = ScoreHistogram.from_scores(np.arange(len(unknown), dtype=np.float32), unknown)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(figures(histogram)).all()


def test_all_known_image_counts_in_the_pool():
    mixed = ScoreHistogram.from_scores([1.0, 3.0], [False, True])
    known_only = ScoreHistogram.from_scores([4.0, 0.0], [False, False])
    # Known 0, 1, 4 against unknown 3: two of three pairs are in order.
    assert auroc(mixed.merge(known_only)) == pytest.approx(2 / 3, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_the_same_histogram(dtype):
    scores = torch.tensor([[0.5, -2.0], [8.0, 0.25]], dtype=dtype, requires_grad=True)
    unknown = torch.tensor([[True, False], [True, True]])
    expected = ScoreHistogram.from_scores([0.5, -2.0, 8.0, 0.25], [1, 0, 1, 1])
    assert_identical(ScoreHistogram.from_scores(scores, unknown), expected)


def test_non_contiguous_input():
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    unknown = scores > 6
    assert_identical(
        ScoreHistogram.from_scores(scores.T[::2], unknown.T[::2]),
        ScoreHistogram.from_scores(scores.T[::2].copy(), unknown.T[::2].copy()),
    )


def test_counts_do_not_overflow():
    counts = np.array([3 * 10**11, 10**11])
    histogram = ScoreHistogram(np.array([1, 2], np.uint32), counts, counts[::-1])
    # Of 16 parts of pairs: 9 in order, 3 + 3 tied, 1 against.
    assert auroc(histogram.merge(histogram)) == pytest.approx((9 + 3) / 16, abs=1e-15)


def test_pickle_keeps_everything():
    assert_identical(pickle.loads(pickle.dumps(TINY)), TINY)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_non_finite_scores_are_refused(value):
    with pytest.raises(InputError, match="1 of 3 scores are NaN, infinite or beyond float32"):
        ScoreHistogram.from_scores(np.array([0.0, value, 1.0]), [0, 1, 0])


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="shape"):
        ScoreHistogram.from_scores([1.0, 2.0], [True])
    with pytest.raises(InputError, match="bits=33"):
        ScoreHistogram.from_scores([1.0], [True], bits=33)
    with pytest.raises(InputError, match="bits"):
        merge_all([])
    with pytest.raises(InputError, match=r"\[24, 32\]"):
        TINY.merge(ScoreHistogram.from_scores([1.0], [True], bits=32))
    with pytest.raises(InputError, match="tpr=95"):
        fpr_at_tpr(TINY, 95)


def test_module_needs_no_host():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['mmengine', 'mmseg', 'torch']))\n"
        "from mmosr.evaluation import ScoreHistogram, auroc\n"
        "print(auroc(ScoreHistogram.from_scores([1, 2, 3], [0, 1, 0])))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "0.5"
