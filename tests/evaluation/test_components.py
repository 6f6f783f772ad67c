"""Component metrics against hand-computed pictures and a literal restatement of the definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmosr.evaluation.components import (
    TAUS,
    ComponentCounts,
    ComponentSizes,
    component_counts,
    component_f1,
    component_figures,
)
from mmosr.utils import InputError

EVERY = ComponentSizes(predicted=0, true=0)


def _maps(*rows):
    """Scores and labels from a drawing.

    ``.`` known, ``u`` unknown, ``p`` known and predicted, ``x`` unknown and predicted, ``-``
    ignored, ``#`` ignored with a high score.
    """
    drawing = np.array([list(row) for row in rows])
    label = np.select([np.isin(drawing, ["u", "x"]), np.isin(drawing, ["-", "#"])], [254, 255], 3)
    return np.isin(drawing, ["p", "x", "#"]).astype(np.float32), label.astype(np.uint8)


def _counts(rows, sizes=EVERY):
    return component_counts(*_maps(*rows), 0.5, sizes)


def _values(counts):
    return sorted(counts.siou.tolist()), sorted(counts.ppv.tolist())


def _flood(mask):
    """Components as sets of pixels, by flood fill over the 8 neighbours."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    components = []
    while left:
        stack, component = [left.pop()], set()
        while stack:
            y, x = stack.pop()
            component.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            stack += near
        components.append(component)
    return components


def _literal(score, label, threshold, sizes):
    """The definition word by word: sets of pixels, one loop per component."""
    predicted = _flood((score >= threshold) & (label != 255))
    predicted = [p for p in predicted if len(p) >= sizes.predicted]
    true = _flood(label == 254)
    dropped = set().union(*(t for t in true if len(t) < sizes.true))
    true = [t for t in true if len(t) >= sizes.true]
    predicted = [p - dropped for p in predicted if p - dropped]
    all_true = set().union(*true)
    siou = []
    for component in true:
        touching = set().union(*(p for p in predicted if p & component))
        others = all_true - component
        siou.append(len(component & touching) / len((component | touching) - others))
    return sorted(siou), sorted(len(p & all_true) / len(p) for p in predicted)


def _literal_f1(siou, ppv):
    values = []
    for step in range(5, 16):  # tau = step / 20
        found = sum(value >= step / 20 for value in siou)
        missed = sum(value < step / 20 for value in siou)
        alarms = sum(value < step / 20 for value in ppv)
        total = 2 * found + missed + alarms
        values.append(2 * found / total if total else math.nan)
    return values


def test_a_perfect_prediction():
    counts = _counts(["xx..", "xx..", "...x"])
    assert _values(counts) == ([1, 1], [1, 1])
    assert component_figures(counts) == {"sIoU": 1, "PPV": 1, "F1*": 1}


def test_one_prediction_over_two_objects_is_adjusted():
    # A region of 10 covers objects of 4 and 3. Without the adjustment sIoU would be 4/10 and 3/10.
    counts = _counts(["xxpxx", "xxppx"])
    assert _values(counts) == ([3 / 6, 4 / 7], [7 / 10])


def test_a_split_prediction_counts_together():
    # Both halves touch the object: 6 of 8 pixels found, 1 pixel outside.
    counts = _counts(["pxxxuuxxx"])
    assert _values(counts) == ([6 / 9], [3 / 4, 1])


def test_only_predictions_that_touch_join_the_union():
    counts = _counts(["xx...ppp"])
    assert _values(counts) == ([1], [0, 1])


@pytest.mark.parametrize("mark", ["u", "x", "p"])
def test_diagonal_neighbours_are_one_component(mark):
    counts = _counts([f"{mark}..", f".{mark}.", f"..{mark}"])
    assert counts.siou.size == (mark in "ux")
    assert counts.ppv.size == (mark in "xp")


def test_ignored_pixels_cut_and_never_count():
    # One row of high scores is cut in two by an ignored pixel; so is the object below.
    counts = _counts(["pp#pp", ".....", "uu-ux"])
    assert _values(counts) == ([0, 1 / 2], [0, 0, 1])
    assert _values(_counts(["pp#pp", ".....", "uu-ux"], ComponentSizes(3, 0))) == ([0, 0], [])


def test_ignored_scores_may_be_nan():
    score, label = _maps("xx-", "..-")
    score[:, 2] = np.nan
    assert _values(component_counts(score, label, 0.5, EVERY)) == ([1], [1])


@pytest.mark.parametrize(("size", "predicted"), [(3, [0]), (4, [])])
def test_a_prediction_of_exactly_the_smallest_size_stays(size, predicted):
    assert _values(_counts(["ppp.."], ComponentSizes(size, 0))) == ([], predicted)


@pytest.mark.parametrize(("size", "true"), [(3, [0]), (4, [])])
def test_an_object_of_exactly_the_smallest_size_stays(size, true):
    assert _values(_counts(["uuu.."], ComponentSizes(0, size))) == (true, [])


def test_small_objects_are_ignored():
    # The object of 2 is no FN; its pixel leaves the prediction of 4 after the size was measured.
    rows = ["uxppp", ".....", "uuuxx"]
    assert _values(_counts(rows, ComponentSizes(4, 3))) == ([0], [0])
    assert _values(_counts(rows, ComponentSizes(2, 3))) == ([2 / 5], [0, 1])
    # A prediction that lies on a small object entirely is not a false alarm.
    assert _values(_counts(["xx.."], ComponentSizes(0, 3))) == ([], [])
    # A region over a small and a large object: the small one is not part of the union.
    assert _values(_counts(["xxpxxx"], ComponentSizes(0, 3))) == ([3 / 4], [3 / 4])


def test_an_almost_full_object_keeps_its_background():
    # One known pixel: fewer than the smallest object, and still a known pixel.
    assert _values(_counts(["xxxp"], ComponentSizes(0, 3))) == ([3 / 4], [3 / 4])


def test_the_threshold_is_reached_by_equal_scores_in_float32():
    label = np.array([[254, 0]], np.uint8)
    score = np.array([[0.7, 0.1]])  # float32(0.7) is below 0.7
    for kind in (np.float64, np.float32):
        counts = component_counts(score.astype(kind), label, np.float64(0.7), EVERY)
        assert _values(counts) == ([1], [1])
    above = np.nextafter(np.float32(0.7), np.float32(1))
    assert _values(component_counts(score, label, above, EVERY)) == ([0], [])


def test_infinite_scores_compare():
    label = np.array([[254, 0, 0]], np.uint8)
    score = np.array([[1e300, -np.inf, 0]])
    assert _values(component_counts(score, label, 5.0, EVERY)) == ([1], [1])
    assert _values(component_counts(score, label, -np.inf, EVERY)) == ([1 / 3], [1 / 3])


def test_taus_are_exact():
    assert TAUS.tolist() == [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]
    # 3 of 5 pixels found: true at the eight tau up to 0.6, the eighth of which is 0.6 itself.
    assert component_f1(_counts(["xxxuu"])).tolist() == [1] * 8 + [0] * 3
    # 3 of 5 predicted pixels on the object: sIoU 3/5 as well, and no false alarm at 0.6.
    assert component_f1(_counts(["xxxpp"])).tolist() == [1] * 8 + [0] * 3


def test_f1_by_hand_over_two_images():
    # sIoU 1/2 and 1, PPV 1/2, 1 and 0.
    first, second = _counts(["xxpp"]), _counts(["x..p"])
    total = ComponentCounts.total([first, second])
    low = 2 * 2 / (2 * 2 + 0 + 1)  # tau 0.25 .. 0.5: both found, one false alarm
    high = 2 * 1 / (2 * 1 + 1 + 2)  # tau 0.55 .. 0.75
    np.testing.assert_allclose(component_f1(total), [low] * 6 + [high] * 5, rtol=1e-15)
    figures = component_figures(total)
    assert figures["sIoU"] == 0.75
    assert figures["PPV"] == 0.5
    assert figures["F1*"] == pytest.approx((6 * low + 5 * high) / 11, rel=1e-15)


@pytest.mark.parametrize(
    ("rows", "siou", "ppv", "f1"),
    [
        (["...."], math.nan, math.nan, math.nan),
        (["pp.."], math.nan, 0, 0),
        (["uu.."], 0, math.nan, 0),
        (["####"], math.nan, math.nan, math.nan),
    ],
)
def test_without_components(rows, siou, ppv, f1):
    figures = component_figures(_counts(rows))
    assert list(figures) == ["sIoU", "PPV", "F1*"]
    np.testing.assert_array_equal(list(figures.values()), [siou, ppv, f1])


def test_no_image_at_all():
    assert all(math.isnan(value) for value in component_figures(ComponentCounts.total([])).values())


def _images():
    return st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
        lambda shape: st.tuples(
            arrays(np.float32, shape, elements=st.sampled_from([-1.5, 0.0, 0.25, 2.0])),
            arrays(np.uint8, shape, elements=st.sampled_from([0, 18, 254, 254, 255])),
        )
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_images(), min_size=1, max_size=3),
    st.sampled_from([-2.0, 0.0, 0.25, 3.0]),
    st.builds(ComponentSizes, st.integers(0, 5), st.integers(0, 5)),
)
def test_equal_to_the_definition(images, threshold, sizes):
    parts = [component_counts(score, label, threshold, sizes) for score, label in images]
    expected = [_literal(score, label, threshold, sizes) for score, label in images]
    assert [_values(part) for part in parts] == expected

    total = ComponentCounts.total(parts)
    siou, ppv = (sum((part[i] for part in expected), []) for i in (0, 1))
    np.testing.assert_array_equal(component_f1(total), _literal_f1(siou, ppv))
    backwards = component_figures(ComponentCounts.total(parts[::-1]))
    np.testing.assert_array_equal(list(backwards.values()), list(component_figures(total).values()))


def test_a_larger_image_with_many_components():
    rng = np.random.default_rng(3)
    coarse = rng.choice([0, 254, 255], (30, 40), p=[0.7, 0.25, 0.05])
    label = np.kron(coarse, np.ones((4, 4), int)).astype(np.uint8)
    score = rng.normal(size=label.shape).astype(np.float32) + (label == 254)
    sizes = ComponentSizes(8, 20)
    counts = component_counts(score, label, 1.2, sizes)
    assert counts.siou.size > 20
    assert counts.ppv.size > 100
    assert _values(counts) == _literal(score, label, np.float32(1.2), sizes)


def test_own_label_values():
    score, label = _maps("xx#p")
    label = np.select([label == 254, label == 255], [1, 7], 0)
    counts = component_counts(score, label, 0.5, EVERY, unknown_label=1, ignore_label=7)
    assert _values(counts) == ([1], [0, 1])


def test_bad_input_is_one_clear_line():
    score, label = _maps("xx-", "...")
    with pytest.raises(InputError, match=r"scores of shape \(3, 2\) and labels of shape \(2, 3\)"):
        component_counts(score.T, label, 0.5, EVERY)
    with pytest.raises(InputError, match=r"one map \(H, W\) of each"):
        component_counts(score[None], label[None], 0.5, EVERY)
    with pytest.raises(InputError, match=r"one map \(H, W\) of each"):
        component_counts(score[:0], label[:0], 0.5, EVERY)
    with pytest.raises(InputError, match="threshold of the components is NaN"):
        component_counts(score, label, math.nan, EVERY)
    score[0, 0] = score[0, 2] = np.nan  # the second one is ignored
    with pytest.raises(InputError, match="1 of 6 scores are NaN"):
        component_counts(score, label, 0.5, EVERY)
    with pytest.raises(InputError, match="smallest true component is -1"):
        ComponentSizes(1, -1)
    with pytest.raises(InputError, match="smallest predicted component is 2.5"):
        ComponentSizes(2.5, 1)
