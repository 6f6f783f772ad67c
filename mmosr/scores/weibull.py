"""Maximum likelihood of the Weibull distribution with two parameters."""

import numpy as np


def fit_weibull(log_samples: np.ndarray) -> tuple[float, float]:
    """Shape and logarithm of the scale that make samples most likely.

    The distribution is ``F(x) = 1 - exp(-(x / scale)^shape)`` for ``x > 0``; its location is fixed
    at 0. The shape is the only root of the derivative of the profile likelihood, an increasing
    function, which is bracketed and then found to float64 precision (Rinne, The Weibull
    Distribution, 2009, section 11.3). Everything is computed from logarithms, so that samples close
    to a large value (shapes of 1e5) cost no digits.

    Args:
        log_samples: Natural logarithms of the samples, ``(N,)``, at least two of them different.

    Returns:
        The shape, and the logarithm of the scale.

    Raises:
        ValueError: All samples are equal, or one is not finite (the logarithm of 0): the
            likelihood has no maximum.
    """
    from scipy.optimize import brentq  # here, since it is slow to import

    logs = np.asarray(log_samples, dtype=np.float64)
    if not np.isfinite(logs).all() or np.ptp(logs) == 0:
        raise ValueError("a Weibull fit needs finite logarithms of samples that differ")
    top = logs.max()
    gaps = logs - top  # at most 0: no power overflows
    mean = gaps.mean()

    def slope(shape: float) -> float:
        powers = np.exp(shape * gaps)
        return (powers @ gaps) / powers.sum() - 1 / shape - mean

    # The standard deviation of log x is pi / (sqrt(6) shape).
    low = high = np.pi / (np.sqrt(6) * gaps.std())
    while slope(low) > 0:
        low /= 2
    while slope(high) < 0:
        high *= 2
    shape = low if low == high else brentq(slope, low, high, xtol=1e-14 * low, rtol=1e-14)
    return float(shape), float(top + np.log(np.exp(shape * gaps).mean()) / shape)
