"""Tests of the Weibull fit."""

import numpy as np
import pytest
from scipy.stats import gumbel_l, weibull_min

from mmosr.scores.weibull import fit_weibull


def draw(seed: int, shape: float, scale: float, size: int) -> np.ndarray:
    return scale * np.random.default_rng(seed).weibull(shape, size)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("shape", "scale"), [(0.5, 3.0), (1.0, 1e-3), (2.5, 7.0), (40.0, 100.0)])
def test_recovers_known_parameters(seed, shape, scale):
    size = 20_000
    found, log_scale = fit_weibull(np.log(draw(seed, shape, scale, size)))
    # Five standard errors of the maximum likelihood: 0.78 shape and 1.05 scale / shape, / sqrt(n).
    assert found == pytest.approx(shape, rel=5 * 0.78 / size**0.5)
    assert np.exp(log_scale) == pytest.approx(scale, rel=5 * 1.05 / shape / size**0.5)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipy(seed):
    samples = draw(seed, 1.7, 2.0, 20)
    shape, _, scale = weibull_min.fit(samples, floc=0)
    found, log_scale = fit_weibull(np.log(samples))
    assert (found, np.exp(log_scale)) == pytest.approx((shape, scale), rel=2e-4)
    # Ours is at least as likely as scipy's, which a simplex search finds.
    ours = weibull_min.logpdf(samples, found, scale=np.exp(log_scale)).sum()
    assert ours >= weibull_min.logpdf(samples, shape, scale=scale).sum() - 1e-12


@pytest.mark.parametrize("size", [2, 3, 20, 500])
@pytest.mark.parametrize("true_shape", [0.3, 2.0, 30.0])
def test_gradient_of_the_likelihood_vanishes(size, true_shape):
    """k d/dk and d/d(log s) / k of the mean log of f = k/s (x/s)^(k-1) exp(-(x/s)^k)."""
    samples = draw(size, true_shape, 5.0, size)
    shape, log_scale = fit_weibull(np.log(samples))
    ratio = np.log(samples) - log_scale
    power = np.exp(shape * ratio)
    assert 1 + shape * (ratio * (1 - power)).mean() == pytest.approx(0, abs=1e-9)
    assert power.mean() - 1 == pytest.approx(0, abs=1e-12)


def test_units_and_powers():
    logs = np.log(draw(0, 2.0, 1.0, 30))
    shape, log_scale = fit_weibull(logs)
    assert fit_weibull(logs + 50) == pytest.approx((shape, log_scale + 50), rel=1e-10)
    assert fit_weibull(1e-6 * logs) == pytest.approx((1e6 * shape, 1e-6 * log_scale), rel=1e-9)


def test_far_from_zero_it_is_a_gumbel_distribution():
    """x + 10000 as libmr has it: the same distribution function as the Gumbel fit of minima."""
    samples = draw(1, 1.5, 2.0, 20)
    shape, log_scale = fit_weibull(np.log1p(samples / 1e4))
    location, width = gumbel_l.fit(samples)
    at = np.linspace(-3, 12, 50)
    found = weibull_min.cdf(at + 1e4, shape, scale=1e4 * np.exp(log_scale))
    np.testing.assert_allclose(found, gumbel_l.cdf(at, location, width), atol=5e-4)


@pytest.mark.parametrize("logs", [[1.0, 1.0, 1.0], [0.5], [-np.inf, 0.0], [np.nan, 0.0]])
def test_what_has_no_maximum_is_refused(logs):
    with pytest.raises(ValueError, match="finite logarithms of samples that differ"):
        fit_weibull(np.array(logs))
