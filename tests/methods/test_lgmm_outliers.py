"""The mixture of outliers of L-GMM by value: density, score, losses, and who learns from what."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmosr.methods import GaussianMixtureClassifier

from .contract import ClassifierContract
from .lgmm_reference import Reference, fill_memory, make_classifier

UNKNOWN, IGNORE = 254, 255
LABELS = torch.tensor([0, UNKNOWN, 1, IGNORE, 2, UNKNOWN, UNKNOWN, 0])


def make(**settings):
    model = make_classifier(outlier_components=4, temperature=3.0, **settings)
    with torch.no_grad():
        model.outlier_mixture.means.normal_()
        model.outlier_mixture.rho.normal_(0.5, 0.3)
    fill_memory(model)
    model.outlier_memory.update(torch.zeros(9).long(), torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2]), 9)
    return model.eval()  # in training the memory keeps counting


def embeddings(seed=3):
    return torch.randn(len(LABELS), 5, generator=torch.Generator().manual_seed(seed))


def outlier_density(model, z):
    """``log p(z|o)`` in float64 NumPy."""
    means = model.outlier_mixture.means.detach().double().numpy()[0]
    rho = model.outlier_mixture.rho.detach().double().numpy()[0]
    sigma = model.outlier_mixture.min_sigma + np.log1p(np.exp(rho))
    weights = model.outlier_memory.counts.numpy()[0] + model.outlier_memory.smoothing
    away = (z.double().numpy()[:, None] - means) / sigma
    log_prob = -0.5 * (away**2 + np.log(2 * np.pi)).sum(-1) - np.log(sigma).sum(-1)
    return np.logaddexp.reduce(log_prob + np.log(weights / weights.sum()), axis=1)


def log_odds(model, z):
    likelihood = np.logaddexp.reduce(Reference(model).log_joint(z), axis=2)
    known = np.logaddexp.reduce(likelihood / 3.0 + np.log(1 / 3), axis=1)
    return outlier_density(model, z) / 3.0 - known


class TestContract(ClassifierContract):
    def make(self):
        return GaussianMixtureClassifier(
            self.in_channels, self.num_classes, embed_dims=8, outlier_components=3
        )

    def labels(self):
        labels = super().labels()
        labels[1, :2] = UNKNOWN
        return labels

    def near_and_far(self, classifier):
        with torch.no_grad():
            classifier.mixture.means.zero_()
            classifier.outlier_mixture.means.fill_(1.0)
        return {"outlier_ratio": (torch.zeros(1, 8), torch.ones(1, 8))}


def test_score():
    model, z = make(), embeddings()
    expected = log_odds(model, z)
    assert list(model.embedding_scores) == ["outlier_ratio"]
    given = model.embedding_scores["outlier_ratio"](z).detach().numpy()
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


def test_without_outliers_there_is_no_such_score():
    model = make_classifier()
    assert not model.embedding_scores and not model.trains_on_outliers
    assert not [name for name in model.state_dict() if "outlier" in name]


def test_the_losses_add_up_to_the_cross_entropy_over_one_more_class():
    model, z = make(loss_outlier_weight=1.0), embeddings()
    counted = LABELS != IGNORE
    known = LABELS < 3
    # Float64 NumPy: C + 1 class scores; the last one is the outliers' density.
    likelihood = np.logaddexp.reduce(Reference(model).log_joint(z), axis=2) / 3.0 + np.log(1 / 3)
    scores = np.concatenate([likelihood, outlier_density(model, z)[:, None] / 3.0], axis=1)
    log_prob = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
    classes = LABELS.masked_fill(LABELS == UNKNOWN, 3).numpy()
    expected = -log_prob[np.arange(8)[counted], classes[counted]].mean()

    losses = model.loss(z, LABELS)
    host = F.cross_entropy(model.class_scores(z)[known], LABELS[known], reduction="sum")
    given = losses["loss_outlier"] + host / counted.sum()
    assert given.item() == pytest.approx(expected, rel=1e-5)


def test_weight():
    model, z = make(), embeddings()
    one = model.loss(z, LABELS)["loss_outlier"].item()
    model.loss_outlier_weight = 2.5
    assert model.loss(z, LABELS)["loss_outlier"].item() == pytest.approx(2.5 * one)


def test_the_density_learns_from_outliers_alone():
    """L_G of the outliers against NumPy; that of the classes as if they were ignored."""
    model, z = make(), embeddings()
    losses = model.loss(z, LABELS)
    outliers = z[LABELS == UNKNOWN]
    expected = -outlier_density(model, outliers).mean() / 5
    assert losses["loss_mle_outlier"].item() == pytest.approx(expected, rel=1e-5)
    ignored = model.loss(z, LABELS.masked_fill(LABELS == UNKNOWN, IGNORE))
    for name in ("loss_mle", "loss_one", "loss_avg"):
        assert losses[name].item() == pytest.approx(ignored[name].item())


def test_who_learns_from_what():
    """theta from L_G, phi from the log-odds: each gradient exactly zero where it must be."""
    model, z = make(), embeddings().requires_grad_()
    losses = model.loss(z, LABELS)
    phi = torch.autograd.grad(losses["loss_outlier"], z, retain_graph=True)[0]
    assert (phi[LABELS != IGNORE].abs().sum(1) > 0).all()
    assert not phi[LABELS == IGNORE].any()
    theta = list(model.mixture.parameters()) + list(model.outlier_mixture.parameters())
    found = torch.autograd.grad(losses["loss_outlier"], theta, retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in found)
    total = sum(value for name, value in losses.items() if name.startswith(("loss_mle", "loss_a")))
    assert torch.autograd.grad(total, z, retain_graph=True, allow_unused=True)[0] is None
    outlier_theta = torch.autograd.grad(losses["loss_mle_outlier"], theta, allow_unused=True)
    assert [gradient is not None for gradient in outlier_theta] == [False, False, True, True]


def test_pixels_without_outliers_still_reach_every_parameter():
    """Distributed training waits for the gradient of each, and the memories for all ranks."""
    model, z = make().train(), embeddings().requires_grad_()
    losses = model.loss(z, torch.full_like(LABELS, IGNORE))
    assert sum(v.item() for n, v in losses.items() if n.startswith("loss")) == 0
    sum(v for n, v in losses.items() if n.startswith("loss")).backward()
    parameters = [*model.mixture.parameters(), *model.outlier_mixture.parameters()]
    assert all(p.grad is not None and not p.grad.any() for p in parameters)
    assert z.grad is not None and not z.grad.any()


def test_the_memory_remembers_outliers():
    model = make().train()
    before = model.outlier_memory.counts.clone()
    model.loss(embeddings(), LABELS)
    assert (model.outlier_memory.counts - before).sum() == 3  # three outliers


@pytest.mark.parametrize("ignore", [IGNORE, UNKNOWN])
def test_an_ignored_254_is_no_outlier(ignore):
    model = make()
    labels = torch.where(LABELS == UNKNOWN, ignore, LABELS)
    losses = model.loss(embeddings(), labels, ignore_index=ignore)
    assert losses["loss_mle_outlier"].item() == 0


def test_start_of_the_means():
    torch.manual_seed(0)
    model = GaussianMixtureClassifier(4, 20, 64, init_mean_std=0.7, outlier_components=30)
    for mixture in (model.mixture, model.outlier_mixture):
        assert mixture.means.std().item() == pytest.approx(0.7, rel=0.05)
