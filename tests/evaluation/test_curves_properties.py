"""The figures on random samples: scikit-learn, definitions spelt out, and bounds."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmosr.evaluation.curves import bounds, figures, flip, precision_recall_curve, roc_curve
from mmosr.evaluation.histogram import ScoreHistogram

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
tied = st.integers(-3, 3).map(float)
samples = st.lists(st.tuples(st.one_of(tied, finite), st.booleans()), min_size=2, max_size=60)
both_kinds = samples.filter(lambda pairs: len({unknown for _, unknown in pairs}) == 2)


def to_arrays(pairs):
    scores, unknown = zip(*pairs, strict=True)
    return np.array(scores, np.float32), np.array(unknown)


def reference(scores, unknown):
    """All figures by scikit-learn and by their definitions."""
    fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    f1 = {
        threshold: 2
        * np.sum(unknown & (scores >= threshold))
        / (np.sum(unknown) + np.sum(scores >= threshold))
        for threshold in sorted(set(scores), reverse=True)
    }
    best = max(f1, key=f1.get)  # the first, which is the highest, of equal ones
    accepting = next(t for t in np.unique(scores) if np.mean(scores[~unknown] <= t) >= 0.95)
    return {
        "AUROC": sk.roc_auc_score(unknown, scores),
        "AP": sk.average_precision_score(unknown, scores),
        "AUPR-In": sk.average_precision_score(~unknown, -scores),
        "FPR95": fpr[np.argmax(tpr >= 0.95)],
        "TNR95": np.mean(scores[unknown] > accepting),
        "F1": f1[best],
        "F1-threshold": best,
    }


@settings(max_examples=200, deadline=None)
@given(both_kinds)
def test_figures_equal_the_reference(pairs):
    scores, unknown = to_arrays(pairs)
    expected = reference(scores, unknown)
    found = figures(ScoreHistogram.from_scores(scores, unknown, max_cells=None))
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=1e-12)
    assert found["F1-threshold"] == expected["F1-threshold"]
    predicted = scores >= np.float32(found["F1-threshold"])
    np.testing.assert_allclose(sk.f1_score(unknown, predicted), found["F1"], atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(both_kinds)
def test_curves_equal_scikit_learn(pairs):
    scores, unknown = to_arrays(pairs)
    histogram = ScoreHistogram.from_scores(scores, unknown)
    expected = sk.roc_curve(unknown, scores, drop_intermediate=False)
    for ours, theirs in zip(roc_curve(histogram), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    precision, recall, _ = sk.precision_recall_curve(unknown, scores)
    ours = precision_recall_curve(histogram)
    np.testing.assert_allclose(ours[0], precision[::-1], atol=1e-12)
    np.testing.assert_allclose(ours[1], recall[::-1], atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(both_kinds)
def test_flip_negates_the_scores(pairs):
    scores, unknown = to_arrays(pairs)
    flipped = flip(ScoreHistogram.from_scores(scores, unknown))
    direct = ScoreHistogram.from_scores(-scores, ~unknown)
    assert figures(flipped) == figures(direct)
    np.testing.assert_array_equal(flipped.thresholds, direct.thresholds)
    assert flip(flipped) == ScoreHistogram.from_scores(scores, unknown)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1500, 5000),
    st.sampled_from([0.01, 0.1, 0.7]),
    st.sampled_from([1, 30, 1e20]),
    st.booleans(),
)
def test_true_values_lie_within_the_bounds(seed, size, share, scale, with_ties):
    rng = np.random.default_rng(seed)
    unknown = rng.random(size) < share
    unknown[:2] = False, True
    scores = (scale * (rng.normal(size=size) ** 3 + unknown)).astype(np.float32)
    if with_ties:
        scores[rng.integers(0, size, size // 4)] = scores[rng.integers(0, size, size // 4)]
    histogram = ScoreHistogram.from_scores(scores, unknown, max_cells=512)
    assert histogram.bits < 32
    fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    exact = {
        "AUROC": sk.roc_auc_score(unknown, scores),
        "AP": sk.average_precision_score(unknown, scores),
        "FPR95": fpr[np.argmax(tpr >= 0.95)],
    }
    values = figures(histogram)
    for name, (lower, upper) in bounds(histogram).items():
        assert 0 <= lower <= upper <= 1 + 1e-12
        for value in (exact[name], values[name]):
            assert lower - 1e-12 <= value <= upper + 1e-12


cell = st.lists(st.booleans(), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(st.tuples(cell, cell).filter(lambda cells: len(set(sum(cells, []))) == 2))
def test_bounds_are_met_by_some_order_of_the_samples(cells):
    """All orders, with ties, of the samples inside of two cells."""
    unknown = np.array(sum(cells, []))
    counts = [[cell.count(kind) for cell in cells] for kind in (False, True)]
    found = bounds(ScoreHistogram(np.array([3, 4], np.uint32), *map(np.array, counts), bits=16))
    outcomes = []
    for inside in itertools.product(range(3), repeat=unknown.size):
        scores = np.array(inside) + np.repeat([0, 10], [len(cell) for cell in cells])
        outcomes.append(figures(ScoreHistogram.from_scores(scores, unknown)))
    for name, (lower, upper) in found.items():
        values = [outcome[name] for outcome in outcomes]
        np.testing.assert_allclose(upper, max(values), atol=1e-12)
        if name == "AP" and max(counts[1]) > 2:  # the mean of first and last is a little lower
            assert min(values) - 0.02 < lower <= min(values) + 1e-12
        else:
            np.testing.assert_allclose(lower, min(values), atol=1e-12)
