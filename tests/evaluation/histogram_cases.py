"""Random scores of very different spread, and histograms that must be identical."""

import numpy as np
from hypothesis import strategies as st

SMALLEST = 512  # max_cells


def assert_identical(first, second):
    assert first == second
    for name in ("keys", "known", "unknown"):
        one, two = getattr(first, name), getattr(second, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


def any_scores(seed, size, kind):
    """Random scores and truth of very different spread."""
    rng = np.random.default_rng(seed)
    if kind == "patterns":  # all of float32
        scores = rng.integers(0, 2**32, size, np.uint32).view(np.float32)
        scores = np.where(np.isfinite(scores), scores, np.float32(0))
    elif kind == "normal":
        scores = rng.normal(size=size)
    elif kind == "offset":
        scores = rng.normal(1000, 0.05, size)
    else:
        scores = rng.integers(-3, 4, size)
    return scores.astype(np.float32), rng.random(size) < rng.choice([0, 0.05, 0.5, 1])


kinds = st.sampled_from(["patterns", "normal", "offset", "tied"])
seeds = st.integers(0, 2**32 - 1)
