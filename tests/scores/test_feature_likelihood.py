"""Likelihood of features, of the last layer or of all, against SciPy."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from mmosr.scores import build_score
from mmosr.utils import InputError

from .fitted_contract import FittedRowContract, fit
from .test_mahalanobis import correlated

NAMES = ["feature_likelihood", "layer_likelihood"]


def fitted_score(rows, labels, classes=3, name=NAMES[0], **options):
    dims = {NAMES[0]: (rows.shape[1], lambda: None), NAMES[1]: (2, lambda: rows.shape[1])}
    score = build_score(dict(type=name, **options), classes, *dims[name])
    fit(score, (rows, labels))
    return score


def expected(rows, labels, test, shrinkage):
    """``-max_y log N`` in float64; covariances (1/N) shrunk to the variances of all rows."""
    rows, labels, test = rows.double().numpy(), labels.numpy(), test.double().numpy()
    target = np.diag(rows.var(0))
    columns = []
    for y in np.unique(labels):
        own = rows[labels == y]
        covariance = np.cov(own.T, bias=True)
        shrunk = (1 - shrinkage) * covariance + shrinkage * target
        columns.append(multivariate_normal(own.mean(0), shrunk).logpdf(test))
    return -np.max(columns, axis=0)


class TestFeatures(FittedRowContract):
    name = NAMES[0]


class TestLayers(FittedRowContract):
    name = NAMES[1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shrinkage", [0.0, 1e-2, 0.5, 1.0])
def test_scipy(shrinkage, name):
    rows, labels = correlated()
    rows = rows * torch.tensor([1.0, 100.0, 0.01, 3.0, 1.0])  # layers differ in scale
    test = correlated(samples=60, seed=5)[0] * torch.tensor([2.0, 300.0, 0.02, 3.0, 1.0])
    found = fitted_score(rows, labels, name=name, shrinkage=shrinkage)(test).numpy()
    np.testing.assert_allclose(found, expected(rows, labels, test, shrinkage), rtol=2e-4)


def test_the_volume_counts():
    """Of two classes at equal distance the tighter one is more likely."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4000, 2, generator=generator)
    labels = torch.arange(4000) % 2
    rows = noise * torch.where(labels == 0, 0.1, 10.0)[:, None]
    score = fitted_score(rows, labels, classes=2, shrinkage=0.0)
    near, far = score(torch.tensor([[0.0, 0.0], [5.0, 5.0]])).tolist()
    assert near == pytest.approx(np.log(2 * np.pi * 0.1**2), abs=0.1)
    assert far == pytest.approx(np.log(2 * np.pi * 10.0**2) + 0.25, abs=0.1)


def test_a_dead_channel_does_not_count():
    rows, labels = correlated()
    dead = torch.cat([rows, torch.full((len(rows), 1), 7.0)], 1)
    with_dead, without = fitted_score(dead, labels)(dead), fitted_score(rows, labels)(rows)
    constant = 0.5 * np.log(2 * np.pi)  # of one more dimension
    torch.testing.assert_close(with_dead, without + constant, rtol=1e-4, atol=1e-3)


def test_a_model_without_maps():
    with pytest.raises(InputError, match="needs the feature maps of the backbone"):
        build_score("layer_likelihood", 3, 5)
