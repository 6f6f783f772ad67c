"""The class-balanced draw."""

from collections import Counter

import numpy as np
import pytest
from representation_run.images import balanced_draw

from mmosr.utils import InputError

# 3 known classes of 20, 3 and 30 images, and unknown ones of two kinds
LABELS = np.repeat([0, 1, 2, -1], [20, 3, 30, 47])
GROUPS = np.repeat([-1, 7, 9], [53, 40, 7])


def counts(drawn):
    return Counter(LABELS[drawn].tolist()), Counter(GROUPS[drawn][LABELS[drawn] < 0].tolist())


def test_half_known_and_half_unknown_in_equal_parts():
    drawn = balanced_draw(LABELS, GROUPS, 3, 21, seed=0)
    assert (np.diff(drawn) > 0).all()
    known, unknown = counts(drawn)
    assert known == {0: 4, 1: 3, 2: 3, -1: 11}  # 10 known: 4, 3, 3
    assert unknown == {7: 6, 9: 5}


def test_a_small_class_gives_all_it_has_and_no_other_gives_more():
    known, unknown = counts(balanced_draw(LABELS, GROUPS, 3, 60, seed=0))
    assert known == {0: 10, 1: 3, 2: 10, -1: 22}
    assert unknown == {7: 15, 9: 7}
    assert len(balanced_draw(LABELS, GROUPS, 3, 10_000, seed=0)) == len(LABELS)


def test_the_draw_follows_the_seed_and_a_class_does_not_follow_the_others():
    drawn = balanced_draw(LABELS, GROUPS, 3, 24, seed=0)
    np.testing.assert_array_equal(drawn, balanced_draw(LABELS, GROUPS, 3, 24, seed=0))
    assert set(drawn) != set(balanced_draw(LABELS, GROUPS, 3, 24, seed=1))
    # a larger draw holds the smaller one
    assert set(drawn) < set(balanced_draw(LABELS, GROUPS, 3, 48, seed=0))
    without = np.where(LABELS == 0, 2, LABELS)  # class 0 is gone
    again = balanced_draw(without, GROUPS, 3, 24, seed=0)
    assert set(drawn[LABELS[drawn] == 1]) == set(again[without[again] == 1])


def test_without_unknown_images_all_are_known():
    known = LABELS >= 0
    drawn = balanced_draw(LABELS[known], GROUPS[known], 3, 12, seed=0)
    assert Counter(LABELS[drawn].tolist()) == {0: 4, 1: 3, 2: 4}


def test_too_few_images_or_classes():
    with pytest.raises(InputError, match="11 images are too few for 3 known classes: use 12"):
        balanced_draw(LABELS, GROUPS, 3, 11, seed=0)
    with pytest.raises(InputError, match="fewer than two known classes"):
        balanced_draw(np.array([0, 0, -1]), np.array([-1, -1, 3]), 2, 8, seed=0)
