"""Tests of the Mahalanobis score, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance, ShrunkCovariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from mmosr.scores import Mahalanobis, MahalanobisPerClass, build_score
from mmosr.utils import InputError

from .fitted_contract import CLASSES, DIMS, FittedRowContract, fit

SHRINKAGES = [0.0, 1e-3, 0.4, 1.0]


def correlated(samples=400, mean=0.0, scale=1.0, classes=3, dims=5, seed=0):
    """Features ``(samples, dims)`` in float32 with correlations, and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, samples)
    mixing = generator.normal(size=(classes, dims, dims))
    noise = np.einsum("nd,nde->ne", generator.normal(size=(samples, dims)), mixing[labels])
    rows = mean + scale * (noise + 2 * generator.normal(size=(classes, dims))[labels])
    return torch.tensor(rows, dtype=torch.float32), torch.tensor(labels)


def sklearn_distances(rows, labels, test, shrinkage, tied):
    """``(M, C)`` from scikit-learn in float64; the covariance around the class means."""
    rows, labels, test = rows.double().numpy(), labels.numpy(), test.double().numpy()
    classes = np.unique(labels)
    means = np.stack([rows[labels == y].mean(0) for y in classes])
    kind = ShrunkCovariance(shrinkage=shrinkage, assume_centered=True)
    if not shrinkage:
        kind = EmpiricalCovariance(assume_centered=True)
    columns = []
    for index, y in enumerate(classes):
        residuals = rows - means[np.searchsorted(classes, labels)]
        kind.fit(residuals if tied else residuals[labels == y])
        columns.append(kind.mahalanobis(test - means[index]))
    return np.stack(columns, 1)


class TestMahalanobis(FittedRowContract):
    name, tied = "mahalanobis", True

    def fit_to(self, rows, labels, classes=3, **options):
        score = build_score(dict(type=self.name, **options), classes, rows.shape[1])
        fit(score, (rows, labels))
        return score

    @pytest.mark.parametrize("shrinkage", SHRINKAGES)
    def test_scikit_learn(self, shrinkage):
        rows, labels = correlated()
        test = 4 * torch.randn(50, 5, generator=torch.Generator().manual_seed(1))
        found = self.fit_to(rows, labels, shrinkage=shrinkage)(test)
        expected = sklearn_distances(rows, labels, test, shrinkage, self.tied).min(1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)

    @pytest.mark.parametrize("shrinkage", SHRINKAGES)
    def test_large_mean_and_small_spread(self, shrinkage):
        rows, labels = correlated(samples=3000, mean=100.0, scale=0.03, dims=16)
        score = build_score(dict(type=self.name, shrinkage=shrinkage), 3, 16)
        fit(score, *zip(rows.split(50), labels.split(50), strict=True))
        test = correlated(samples=50, mean=100.0, scale=0.05, dims=16, seed=3)[0]
        expected = sklearn_distances(rows, labels, test, shrinkage, self.tied).min(1)
        np.testing.assert_allclose(score(test).numpy(), expected, rtol=1e-4)

    def test_well_separated_classes(self):
        """Distances of order D where the means are 300 standard deviations apart."""
        rows, labels = correlated()
        rows = rows + 1000.0 * labels.unsqueeze(1)
        found = self.fit_to(rows, labels)(rows)
        expected = sklearn_distances(rows, labels, rows, 1e-3, self.tied).min(1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3)
        assert found.median() < 20

    def test_zero_at_the_means_only(self):
        rows, labels = correlated()
        score = self.fit_to(rows, labels)
        means = torch.stack([rows[labels == y].double().mean(0) for y in range(3)]).float()
        assert (score(means) < 1e-9).all()
        assert (score(means + 0.1) > 1e-4).all()

    @pytest.mark.parametrize("shrinkage", [0.0, 1e-3])
    def test_directions_without_variance(self, shrinkage):
        """A dead channel and a doubled one: the pseudo-inverse of scikit-learn."""
        rows, labels = correlated()
        rows = torch.cat([rows, torch.zeros(len(rows), 1), rows[:, :1]], 1)
        test = 4 * torch.randn(50, 5, generator=torch.Generator().manual_seed(1))
        test = torch.cat([test, torch.zeros(50, 1), test[:, :1]], 1)
        found = self.fit_to(rows, labels, shrinkage=shrinkage)(test)
        expected = sklearn_distances(rows, labels, test, shrinkage, self.tied).min(1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)

    def test_class_without_samples_is_left_out(self):
        rows, labels = correlated()
        score = build_score(self.name, 5, 5)
        score.begin_fit()
        score.update(rows, 2 * labels)
        assert "[1, 3]" in score.end_fit()
        # The unfitted means of the missing classes must not attract what is near them.
        test = torch.cat([rows.mean(0, keepdim=True), torch.zeros(1, 5), rows[:20]])
        expected = sklearn_distances(rows, labels, test, 1e-3, self.tied).min(1)
        np.testing.assert_allclose(score(test).numpy(), expected, rtol=1e-4)

    def test_warns_only_when_needed(self):
        score = self.build()
        score.begin_fit()
        score.update(*self.everything())
        assert score.end_fit() is None

    @pytest.mark.parametrize("mean", [0.0, 100.1])
    def test_collapsed_features_are_refused(self, mean):
        """Not a score of zero, or of rounding errors, everywhere."""
        labels = torch.arange(30) % CLASSES
        rows = mean + torch.randn(CLASSES, DIMS, generator=torch.Generator().manual_seed(0))[labels]
        with pytest.raises(InputError, match="do not vary"):
            fit(self.build(), (rows, labels))

    @pytest.mark.parametrize(
        "options", [dict(covariance="diagonal"), dict(shrinkage=-0.1), dict(shrinkage=1.5)]
    )
    def test_wrong_options(self, options):
        with pytest.raises(InputError, match=next(iter(options))):
            build_score(dict(type=self.name, **options), CLASSES, DIMS)

    def test_features_are_needed(self):
        with pytest.raises(InputError, match="conv_seg"):
            build_score(self.name, CLASSES)


class TestMahalanobisPerClass(TestMahalanobis):
    name, tied = "mahalanobis_per_class", False

    def test_options(self):
        score = build_score(dict(type="mahalanobis", covariance="per_class"), CLASSES, DIMS)
        fit(score, self.everything())
        other = self.build()
        assert isinstance(other, MahalanobisPerClass) and isinstance(other, Mahalanobis)
        fit(other, self.everything())
        assert torch.equal(self.scores(other), self.scores(score))

    @pytest.mark.parametrize("samples, shrinkage", [(1, 1e-3), (5, 0.0)])
    def test_class_with_too_few_samples_is_left_out(self, samples, shrinkage):
        """Its covariance is singular, and its distance would be zero almost everywhere."""
        rows, labels = correlated()
        few = labels == 2
        few[few.nonzero()[:samples]] = False
        rows, labels = rows[~few], labels[~few]
        score = build_score(dict(type=self.name, shrinkage=shrinkage), 3, 5)
        score.begin_fit()
        score.update(rows, labels)
        assert "[2]" in score.end_fit()
        many = labels < 2
        expected = sklearn_distances(rows[many], labels[many], rows, shrinkage, False).min(1)
        np.testing.assert_allclose(score(rows).numpy(), expected, rtol=1e-4)

    def test_two_samples_are_enough_with_shrinkage(self):
        rows, labels = correlated()
        few = labels == 2
        few[few.nonzero()[:2]] = False
        rows, labels = rows[~few], labels[~few]
        found = self.fit_to(rows, labels, shrinkage=0.1)(rows)
        expected = sklearn_distances(rows, labels, rows, 0.1, False).min(1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_tied_covariance_is_that_of_linear_discriminants():
    rows, labels = correlated()
    lda = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True)
    lda.fit(rows.double().numpy(), labels.numpy())
    score = Mahalanobis(3, 5, shrinkage=0.0)
    fit(score, (rows, labels))
    white = score.whitening[0].double()
    precision = np.linalg.inv(lda.covariance_)
    np.testing.assert_allclose((white @ white.T).numpy(), precision, rtol=1e-4, atol=1e-6)


def test_by_hand():
    """Variances 1 and 4 around (0, 0) and (10, 0)."""
    offsets = torch.tensor([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]])
    rows = torch.cat([offsets, offsets + torch.tensor([10.0, 0.0])])
    score = Mahalanobis(2, 2, shrinkage=0.0)
    fit(score, (rows, torch.arange(8) // 4))
    test = torch.tensor([[3.0, 0.0], [0.0, 4.0], [9.0, 2.0], [5.0, 0.0]])
    assert score(test).tolist() == pytest.approx([9.0, 4.0, 2.0, 25.0], rel=1e-5)
    # Shrinkage 0.5: variances 0.5 * (1, 4) + 0.5 * 2.5.
    score = Mahalanobis(2, 2, shrinkage=0.5)
    fit(score, (rows, torch.arange(8) // 4))
    assert score(test[:2]).tolist() == pytest.approx([9 / 1.75, 16 / 3.25], rel=1e-5)
