"""L-GMM again in float64 numpy, term by term from the paper's equations; for tests only."""

import numpy as np
import torch

from mmosr.methods import GaussianMixtureClassifier


def make_classifier(**settings) -> GaussianMixtureClassifier:
    """A small classifier with separated means; the embedding is the layer-normalised input."""
    torch.manual_seed(0)
    arguments = dict(in_channels=6, num_classes=3, embed_dims=5, normalization="layer")
    model = GaussianMixtureClassifier(**{**arguments, **settings})
    with torch.no_grad():
        model.mixture.means.normal_()
        model.mixture.rho.normal_(0.5, 0.3)
    return model


def fill_memory(model: GaussianMixtureClassifier, seed: int = 1, number: int = 40) -> None:
    """Count some random samples, unevenly over classes and components."""
    generator = torch.Generator().manual_seed(seed)
    classes, components = model.memory.counts.shape
    labels = (torch.rand(number, generator=generator) ** 2 * classes).long()
    assigned = (torch.rand(number, generator=generator) ** 2 * components).long()
    model.memory.update(labels, assigned, number)
    model.memory.count_classes(torch.bincount(labels, minlength=classes))


class Reference:
    """The densities and losses of a classifier at its current parameters."""

    def __init__(self, model: GaussianMixtureClassifier) -> None:
        self.means = model.mixture.means.detach().double().numpy()
        rho = model.mixture.rho.detach().double().numpy()
        self.sigma = model.mixture.min_sigma + np.log1p(np.exp(rho))
        self.counts = model.memory.counts.numpy()
        self.weights = self.counts + model.memory.smoothing
        self.weights = self.weights / self.weights.sum(1, keepdims=True)
        self.prior = np.full(model.num_classes, 1 / model.num_classes)
        if model.class_prior == "count":
            self.prior = model.memory.class_counts.numpy() + model.memory.smoothing
            self.prior = self.prior / self.prior.sum()

    def log_joint(self, z) -> np.ndarray:
        """``log pi_yk + log N(z; mu_yk, sigma_yk)`` of ``z`` (N, D): (N, C, K)."""
        z = np.asarray(z.detach().double())[:, None, None]
        terms = ((z - self.means) / self.sigma) ** 2 + np.log(2 * np.pi * self.sigma**2)
        return np.log(self.weights) - 0.5 * terms.sum(-1)

    def log_likelihood(self, z) -> np.ndarray:
        """Eq. 4: ``log p(z|y)``, (N, C)."""
        return np.logaddexp.reduce(self.log_joint(z), axis=2)

    def posterior(self, z) -> np.ndarray:
        """Eq. 1 and 7: ``p(y|z)``, (N, C)."""
        joint = self.prior * np.exp(self.log_likelihood(z))
        return joint / joint.sum(1, keepdims=True)

    def losses(self, z, labels) -> dict[str, float]:
        """Eq. 6, as means over samples and classes, for labels ``0 .. C-1``."""
        labels = np.asarray(labels)
        joint = self.log_joint(z)[np.arange(len(labels)), labels]
        dims, components = self.means.shape[2], self.means.shape[1]
        responsibility = softmax(joint)
        best = np.eye(components)[responsibility.argmax(1)]
        distances = []
        for label in np.unique(labels):
            soft = softmax(joint[labels == label] / np.sqrt(dims)).sum(0) + self.counts[label]
            distances.append(0.5 * np.abs(soft / soft.sum() - 1 / components).sum())
        return {
            "mle": -np.logaddexp.reduce(joint, axis=1).mean() / dims,
            "one": ((responsibility - best) ** 2).sum(1).mean(),
            "avg": float(np.mean(distances)),
        }


def softmax(values: np.ndarray) -> np.ndarray:
    """Softmax over the last dimension."""
    power = np.exp(values - values.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)
