"""L-GMM: a latent Gaussian mixture model trained collaboratively.

"A Latent Generative Model for Closed-Set and Open-Set Recognition" (anonymous, under review).
Sections, equations and tables are those of the paper.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mmosr.registry import MODELS
from mmosr.scores import energy
from mmosr.utils import UNKNOWN_LABEL

from .base import ChannelLinear, OpenSetClassifier
from .mixture import AssignmentMemory, GaussianMixture, check_at_least_one, sample_per_class
from .unit_normalization import UnitNormalization


@MODELS.register_module()
class GaussianMixtureClassifier(OpenSetClassifier):
    """The L-GMM density estimator with its encoder's last layer (section 2).

    A linear layer reduces the features to ``embed_dims`` (part of the encoder phi), a
    normalisation without parameters follows, then ``p(z|y) = sum_k pi_yk N(z; mu_yk, sigma_yk)``
    (eq. 4). Training is collaborative (section 2.1): theta = {mu, sigma} receives gradient from
    :meth:`loss` only (``L_G``, eq. 5 and 6; the embedding is detached there), phi receives gradient
    only from the host's cross-entropy on the class scores (``L_D``, eq. 7; theta is detached).

    The class scores are ``log pi_y + log p(z|y) / temperature``. At temperature 1 their softmax is
    the Bayes posterior of eq. 1; in 128 dimensions that posterior is saturated and the
    encoder receives no gradient, so the default is 4. Anomaly scores use the raw log-likelihoods.

    Scores: ``likelihood``: ``-max_y log p(z|y)`` (the paper's); ``likelihood_ratio``:
    ``-(max_y L_y - mean_y L_y)`` with ``L_y = log p(z|y)``, the likelihood relative to the average
    class, which cancels what all classes have in common; ``centred_energy``:
    ``-T_s log sum_y exp((L_y - mean_y L_y) / T_s)``, its soft version, to which every class
    contributes instead of the best one only; ``marginal``: ``-log sum_y pi_y p(z|y)``.

    With ``outlier_components`` there is one more mixture ``p(z|o)``, for samples labelled 254 in
    training, such as pasted objects. Its theta learns like that of the classes, from ``L_G`` on
    those samples. phi learns to tell them from the known ones by the log-odds
    ``r(z) = log p(z|o) / T - log sum_y pi_y p(z|y)^(1/T)``: ``log(1 + exp(r))`` of known and
    ``log(1 + exp(-r))`` of unknown samples are added to the host's cross-entropy over the known
    classes, together the cross-entropy over C + 1 classes. ``r`` is the score ``outlier_ratio``,
    the likelihood ratio of outlier to known.

    Args:
        in_channels: Channels of the features.
        num_classes: Known classes C.
        embed_dims: D of the latent space (table 9).
        num_components: K mixture components per class (table 7d).
        temperature: Divides the log-likelihoods in ``L_D``.
        normalization: See :class:`UnitNormalization`.
        class_prior: ``'uniform'`` or ``'count'`` (frequency of the labels seen in training).
        loss_one_weight: lambda_one of eq. 5, relative to the likelihood in nats per dimension.
        loss_avg_weight: lambda_avg of eq. 5, likewise.
        memory_size: Samples per class in the memory behind ``pi_yk`` (appendix B.2).
        memory_smoothing: See :class:`AssignmentMemory`.
        samples_per_class: The most samples per class that enter ``L_G`` and the memory in one
            step on one rank. Pixels are many and similar; a balanced sample also gives rare classes
            their share of the likelihood.
        min_sigma: Floor of the standard deviations.
        score_temperature: T_s of ``centred_energy``, in nats; near 0 it is the likelihood ratio.
        init_mean_std: The means start from ``init_mean_std * N(0, 1)``, in units of the embedding.
            At 1 they are as long as the embeddings, and the classes are separate from the start.
        outlier_components: Components of the mixture of outliers; 0 for none.
        loss_outlier_weight: Weight of the loss on outliers versus known samples, for phi.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        embed_dims: int = 128,
        num_components: int = 3,
        temperature: float = 4.0,
        normalization: str = "batch_l2",
        class_prior: str = "uniform",
        loss_one_weight: float = 0.01,
        loss_avg_weight: float = 0.01,
        memory_size: int = 2000,
        memory_smoothing: float = 1.0,
        samples_per_class: int = 256,
        min_sigma: float = 0.5,
        score_temperature: float = 16.0,
        init_mean_std: float = 0.3,
        outlier_components: int = 0,
        loss_outlier_weight: float = 1.0,
    ) -> None:
        super().__init__(in_channels, num_classes)
        if class_prior not in ("uniform", "count"):
            raise ValueError(f"class_prior must be 'uniform' or 'count', got {class_prior!r}")
        for name, value in {
            "temperature": temperature,
            "score_temperature": score_temperature,
        }.items():
            if value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        check_at_least_one(embed_dims=embed_dims, samples_per_class=samples_per_class)
        self.temperature, self.class_prior = temperature, class_prior
        self.score_temperature = score_temperature
        self.loss_one_weight, self.loss_avg_weight = loss_one_weight, loss_avg_weight
        self.samples_per_class = samples_per_class
        self.projection = ChannelLinear(in_channels, embed_dims)
        self.normalization = UnitNormalization(embed_dims, normalization)
        self.loss_outlier_weight = loss_outlier_weight
        options = dict(min_sigma=min_sigma, init_mean_std=init_mean_std)
        self.mixture = GaussianMixture(num_classes, num_components, embed_dims, **options)
        self.memory = AssignmentMemory(num_classes, num_components, memory_size, memory_smoothing)
        self.trains_on_outliers = outlier_components > 0
        if self.trains_on_outliers:
            self.outlier_mixture = GaussianMixture(1, outlier_components, embed_dims, **options)
            self.outlier_memory = AssignmentMemory(
                1, outlier_components, memory_size, memory_smoothing
            )

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {
            "likelihood": lambda s: -self.log_likelihood(s).amax(1),
            "likelihood_ratio": lambda s: -self._centred(s).amax(1),
            "centred_energy": lambda s: energy(self._centred(s), self.score_temperature),
            "marginal": lambda s: (
                -torch.logsumexp(self.log_likelihood(s) + per_class(self.log_prior, s), 1)
            ),
        }

    @property
    def embedding_scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"outlier_ratio": self.outlier_ratio} if self.trains_on_outliers else {}

    @property
    def log_prior(self) -> Tensor:
        """``log pi_y``, ``(C,)``."""
        if self.class_prior == "count":
            return self.memory.log_class_frequencies
        return self.mixture.means.new_full((self.num_classes,), -math.log(self.num_classes))

    def embed(self, features: Tensor) -> Tensor:
        """The latent variable z ``(N, embed_dims, *S)``, in float32 even under autocast."""
        with torch.autocast(features.device.type, enabled=False):
            return self.normalization(self.projection(features))

    def class_scores(self, embedding: Tensor) -> Tensor:
        """``log pi_y + log p(z|y) / T``, ``(N, C, *S)``. No gradient reaches theta."""
        likelihood = log_density(self.mixture, self.memory, embedding) / self.temperature
        return likelihood + per_class(self.log_prior, likelihood)

    def outlier_ratio(self, embedding: Tensor) -> Tensor:
        """``r(z)``, ``(N, *S)``: log-odds of an outlier. No gradient reaches theta."""
        outlier = log_density(self.outlier_mixture, self.outlier_memory, embedding).squeeze(1)
        known = torch.logsumexp(self.class_scores(embedding), dim=1)
        return outlier / self.temperature - known

    def log_likelihood(self, class_scores: Tensor) -> Tensor:
        """``log p(z|y)``, ``(N, C, *S)``, recovered from the class scores."""
        return self.temperature * (class_scores - per_class(self.log_prior, class_scores))

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """``L_G`` of eq. 5 and 6 on a class-balanced sample, which is then added to the memory.

        The likelihood is averaged over samples and divided by D, so that learning rates and weights
        do not depend on either. No gradient of ``L_G`` reaches the embedding. Without any
        labelled sample every loss is zero and still depends on its parameters, as distributed
        training needs.

        Args:
            embedding: z, ``(N, D, *S)``.
            labels: ``(N, *S)``, ``0 .. C-1``, 254 (outlier) or ``ignore_index``.
            ignore_index: The label to leave out; so are all other values outside ``0 .. C-1``, and
                254 without a mixture of outliers.

        Returns:
            ``loss_mle``, ``loss_one``, ``loss_avg``, and ``component_usage``: the entropy of
            ``pi_y`` over log K, averaged over classes (1 = all components used equally). With a
            mixture of outliers also the same for it, ``..._outlier``, and ``loss_outlier`` for phi.
        """
        z, flat = embedding.detach().movedim(1, -1).flatten(0, -2), labels.flatten().long()
        known = (flat >= 0) & (flat < self.num_classes) & (flat != ignore_index)
        if self.training and self.class_prior == "count":
            self.memory.count_classes(torch.bincount(flat[known], minlength=self.num_classes))
        losses = self._fit(self.mixture, self.memory, z, flat.masked_fill(~known, -1))
        if not self.trains_on_outliers:
            return losses
        outlier = (flat == UNKNOWN_LABEL) & (ignore_index != UNKNOWN_LABEL)
        fit = self._fit(self.outlier_mixture, self.outlier_memory, z, outlier.long() - 1)
        losses |= {f"{name}_outlier": value for name, value in fit.items()}
        losses["loss_outlier"] = self.loss_outlier_weight * self._outlier_loss(
            embedding, known.view_as(labels), outlier.view_as(labels)
        )
        return losses

    def _fit(
        self, mixture: GaussianMixture, memory: AssignmentMemory, z: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """``L_G`` of one mixture on samples ``(N, D)``; labels ``(N,)`` below 0 are left out."""
        index = sample_per_class(labels, mixture.num_classes, self.samples_per_class)
        z, labels = z[index], labels[index]
        components = mixture.component_log_prob(z)
        row = torch.arange(len(labels), device=labels.device)
        joint = components[row, labels] + memory.log_weights[labels]
        losses = self._generative_losses(mixture, memory, joint, labels)
        if self.training:
            memory.update(labels, joint.detach().argmax(1), self.samples_per_class)
        return losses

    def _outlier_loss(self, embedding: Tensor, known: Tensor, outlier: Tensor) -> Tensor:
        """Mean of ``log(1 + exp(+-r))`` over the known and the unknown samples."""
        ratio = self.outlier_ratio(embedding)
        loss = -F.logsigmoid(torch.where(outlier, ratio, -ratio))
        counted = known | outlier
        return (loss * counted).sum() / counted.sum().clamp_min(1)

    def _generative_losses(
        self, mixture: GaussianMixture, memory: AssignmentMemory, joint: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """The terms of eq. 6 from ``log pi_yk + log N_yk`` of each sample's own class, (N, K)."""
        count = max(len(labels), 1)
        mle = torch.logsumexp(joint, dim=1).sum() / count
        posterior = joint.softmax(dim=1)
        hard = F.one_hot(posterior.argmax(1), joint.shape[1])
        one = (posterior - hard).square().sum() / count
        # An empty sample must still reach theta, or distributed training waits for its gradient.
        anchor = 0.0 * (mixture.means.sum() + mixture.rho.sum())
        log_weights = memory.log_weights
        entropy = -(log_weights.exp() * log_weights).sum(1).mean()
        return {
            "loss_mle": -mle / mixture.dims + anchor,
            "loss_one": self.loss_one_weight * one,
            "loss_avg": self.loss_avg_weight * balance(mixture, memory, joint, labels),
            "component_usage": entropy / max(math.log(joint.shape[1]), 1e-12),
        }

    def _centred(self, class_scores: Tensor) -> Tensor:
        """``L_y - mean_y L_y``, ``(N, C, *S)``."""
        likelihood = self.log_likelihood(class_scores)
        return likelihood - likelihood.mean(1, keepdim=True)


def log_density(mixture: GaussianMixture, memory: AssignmentMemory, z: Tensor) -> Tensor:
    """``log p(z|y) = log sum_k pi_yk N(z; mu_yk, sigma_yk)`` (eq. 4), with theta detached.

    Args:
        mixture: Of C classes.
        memory: Its weights ``pi_yk``.
        z: ``(N, D, *S)``.

    Returns:
        ``(N, C, *S)``.
    """
    components = mixture.component_log_prob(z, detach=True)
    weights = per_class(memory.log_weights.to(components), components)
    return torch.logsumexp(components + weights, dim=2)


def balance(
    mixture: GaussianMixture, memory: AssignmentMemory, joint: Tensor, labels: Tensor
) -> Tensor:
    """``L_avg``: transport distance of the average assignment ``p(k|y)`` to uniform.

    Components have no order, so the ground cost is 0/1 and the distance is
    ``1/2 sum_k |p_k - 1/K|``. The average is over the memory and this step's samples; only
    the latter carry gradient. Responsibilities are tempered by sqrt(D): untempered ones are
    one-hot in high dimensions and their gradient dwarfs that of the likelihood.
    """
    soft = (joint / mixture.dims**0.5).softmax(dim=1)
    total = memory.counts.to(soft).index_add(0, labels, soft)
    present = torch.bincount(labels, minlength=mixture.num_classes) > 0
    average = total / total.sum(1, keepdim=True).clamp_min(1e-12)
    distance = 0.5 * (average - 1 / joint.shape[1]).abs().sum(1)
    return (distance * present).sum() / present.sum().clamp_min(1)


def per_class(values: Tensor, like: Tensor) -> Tensor:
    """``values`` with leading dimensions C (and K), shaped to broadcast over ``like``."""
    return values.reshape(1, *values.shape, *[1] * (like.dim() - 1 - values.dim()))
