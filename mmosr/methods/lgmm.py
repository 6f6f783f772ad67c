"""L-GMM: a latent Gaussian mixture model trained collaboratively (papers/lgmm.md)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmosr.registry import MODELS
from mmosr.scores import energy

from .base import ChannelLinear, OpenSetClassifier
from .mixture import AssignmentMemory, GaussianMixture, check_at_least_one, sample_per_class

NORMALIZATIONS = ("batch_l2", "batch", "layer", "l2", "none")


class UnitNormalization(nn.Module):
    """Bring features ``(N, D, *S)`` to unit mean square, without learnt parameters.

    Unnormalised features let the encoder raise every likelihood at once by shrinking or growing,
    and the training diverges.

    Args:
        dims: D.
        mode: ``batch_l2``: batch normalisation, then L2 norm times sqrt(D) (keeps the mixture
            components alive). ``batch``: batch normalisation alone; the mean square is 1 on
            average, but each sample keeps its norm. ``layer``: layer normalisation over the
            channels. ``l2``: L2 norm times sqrt(D). ``none``: as they are. A batch of one value a
            channel, such as the last image of an epoch, has no variance: it takes the running
            statistics and leaves them as they are.
    """

    def __init__(self, dims: int, mode: str = "batch_l2") -> None:
        super().__init__()
        if mode not in NORMALIZATIONS:
            raise ValueError(f"normalization must be one of {NORMALIZATIONS}, got {mode!r}")
        self.mode, self.scale = mode, dims**0.5
        self.batch_norm = nn.BatchNorm1d(dims, affine=False) if "batch" in mode else None

    def forward(self, z: Tensor) -> Tensor:
        if self.mode == "none":
            return z
        if self.mode == "layer":
            return F.layer_norm(z.movedim(1, -1), z.shape[1:2]).movedim(-1, 1)
        if self.batch_norm is not None:
            flat = z if z.dim() == 2 else z.flatten(2)
            z = self._batch_normalized(flat).reshape(z.shape)
            if self.mode == "batch":
                return z
        return F.normalize(z, dim=1) * self.scale

    def _batch_normalized(self, flat: Tensor) -> Tensor:
        norm = self.batch_norm
        # Not the synchronised one: the other ranks wait for this one's part of their statistics.
        if type(norm) is nn.BatchNorm1d and flat.numel() == flat.shape[1]:
            return F.batch_norm(flat, norm.running_mean, norm.running_var, eps=norm.eps)
        return norm(flat)


@MODELS.register_module()
class GaussianMixtureClassifier(OpenSetClassifier):
    """The L-GMM density estimator with its encoder's last layer (section 2).

    A linear layer reduces the features to ``embed_dims`` (part of the encoder phi), a
    normalisation without parameters follows, then ``p(z|y) = sum_k pi_yk N(z; mu_yk, sigma_yk)``
    (eq. 4). Training is collaborative (section 2.1): theta = {mu, sigma} receives gradient from
    :meth:`loss` only (``L_G``, eq. 5 and 6; the embedding is detached there), phi receives gradient
    only from the host's cross-entropy on the class scores (``L_D``, eq. 7; theta is detached).

    The class scores are ``log pi_y + log p(z|y) / temperature``. At temperature 1 their softmax is
    the Bayes posterior of eq. 1; in 128 dimensions that posterior is saturated and gives the
    encoder no gradient, hence the default of 4. Anomaly scores use the raw log-likelihoods.

    Scores: ``likelihood``: ``-max_y log p(z|y)`` (the paper's); ``likelihood_ratio``:
    ``-(max_y L_y - mean_y L_y)`` with ``L_y = log p(z|y)``, the likelihood against the average
    class, which cancels what all classes have in common; ``centred_energy``:
    ``-T_s log sum_y exp((L_y - mean_y L_y) / T_s)``, its soft version, to which every class adds
    instead of the best one alone; ``marginal``: ``-log sum_y pi_y p(z|y)``.

    Args:
        in_channels: Channels of the features.
        num_classes: Known classes C.
        embed_dims: D of the latent space (table 9).
        num_components: K mixture components a class (table 7d).
        temperature: Divides the log-likelihoods in ``L_D``.
        normalization: See :class:`UnitNormalization`.
        class_prior: ``'uniform'`` or ``'count'`` (frequency of the labels seen in training).
        loss_one_weight: lambda_one of eq. 5, beside the likelihood in nats per dimension.
        loss_avg_weight: lambda_avg of eq. 5, likewise.
        memory_size: Samples a class in the memory behind ``pi_yk`` (appendix B.2).
        memory_smoothing: See :class:`AssignmentMemory`.
        samples_per_class: The most samples of a class that enter ``L_G`` and the memory in one
            step on one rank. Pixels are many and alike; a balanced sample also gives rare classes
            their share of the likelihood.
        min_sigma: Floor of the standard deviations.
        score_temperature: T_s of ``centred_energy``, in nats; towards 0 it is the likelihood ratio.
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
        self.mixture = GaussianMixture(num_classes, num_components, embed_dims, min_sigma)
        self.memory = AssignmentMemory(num_classes, num_components, memory_size, memory_smoothing)

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {
            "likelihood": lambda s: -self.log_likelihood(s).amax(1),
            "likelihood_ratio": lambda s: -self._centred(s).amax(1),
            "centred_energy": lambda s: energy(self._centred(s), self.score_temperature),
            "marginal": lambda s: (
                -torch.logsumexp(self.log_likelihood(s) + self._per_class(self.log_prior, s), 1)
            ),
        }

    @property
    def log_prior(self) -> Tensor:
        """``log pi_y``, ``(C,)``."""
        if self.class_prior == "count":
            return self.memory.log_class_frequencies
        return self.mixture.means.new_full((self.num_classes,), -math.log(self.num_classes))

    def embed(self, features: Tensor) -> Tensor:
        """The latent variable z ``(N, embed_dims, *S)`` in float32, also under autocast."""
        with torch.autocast(features.device.type, enabled=False):
            return self.normalization(self.projection(features))

    def class_scores(self, embedding: Tensor) -> Tensor:
        """``log pi_y + log p(z|y) / T``, ``(N, C, *S)``. No gradient reaches theta."""
        components = self.mixture.component_log_prob(embedding, detach=True)
        weights = self._per_class(self.memory.log_weights.to(components), components)
        likelihood = torch.logsumexp(components + weights, dim=2)
        return likelihood / self.temperature + self._per_class(self.log_prior, likelihood)

    def log_likelihood(self, class_scores: Tensor) -> Tensor:
        """``log p(z|y)``, ``(N, C, *S)``, recovered from the class scores."""
        return self.temperature * (class_scores - self._per_class(self.log_prior, class_scores))

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """``L_G`` of eq. 5 and 6 on a class-balanced sample; then the memory takes the sample.

        The likelihood is a mean over samples and divided by D, so that learning rates and weights
        do not depend on either. No gradient reaches the embedding. Without a single labelled
        sample every loss is zero and still depends on theta, as distributed training needs.

        Args:
            embedding: z, ``(N, D, *S)``.
            labels: ``(N, *S)``, ``0 .. C-1`` or ``ignore_index``.
            ignore_index: The label to leave out; so is every other value outside ``0 .. C-1``.

        Returns:
            ``loss_mle``, ``loss_one``, ``loss_avg``, and ``component_usage``: the entropy of
            ``pi_y`` over log K, averaged over classes (1 = all components used alike).
        """
        z = embedding.detach().movedim(1, -1).flatten(0, -2)
        labels = labels.flatten().long()
        if self.training and self.class_prior == "count":
            known = labels[(labels >= 0) & (labels < self.num_classes) & (labels != ignore_index)]
            self.memory.count_classes(torch.bincount(known, minlength=self.num_classes))
        labels = labels.masked_fill(labels == ignore_index, -1)
        index = sample_per_class(labels, self.num_classes, self.samples_per_class)
        z, labels = z[index], labels[index]

        components = self.mixture.component_log_prob(z)
        row = torch.arange(len(labels), device=labels.device)
        joint = components[row, labels] + self.memory.log_weights[labels]
        losses = self._generative_losses(joint, labels)
        if self.training:
            self.memory.update(labels, joint.detach().argmax(1), self.samples_per_class)
        return losses

    def _generative_losses(self, joint: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The terms of eq. 6 from ``log pi_yk + log N_yk`` of each sample's own class, (N, K)."""
        count = max(len(labels), 1)
        mle = torch.logsumexp(joint, dim=1).sum() / count
        posterior = joint.softmax(dim=1)
        hard = F.one_hot(posterior.argmax(1), joint.shape[1])
        one = (posterior - hard).square().sum() / count
        # An empty sample must still reach theta, or distributed training waits for its gradient.
        anchor = 0.0 * (self.mixture.means.sum() + self.mixture.rho.sum())
        log_weights = self.memory.log_weights
        entropy = -(log_weights.exp() * log_weights).sum(1).mean()
        return {
            "loss_mle": -mle / self.mixture.dims + anchor,
            "loss_one": self.loss_one_weight * one,
            "loss_avg": self.loss_avg_weight * self._balance(joint, labels),
            "component_usage": entropy / max(math.log(joint.shape[1]), 1e-12),
        }

    def _balance(self, joint: Tensor, labels: Tensor) -> Tensor:
        """``L_avg``: transport distance of the average assignment ``p(k|y)`` to uniform.

        Components have no order, so the ground cost is 0/1 and the distance is
        ``1/2 sum_k |p_k - 1/K|``. The average runs over the memory and this step's samples; only
        the latter carry gradient. Responsibilities are tempered by sqrt(D): untempered ones are
        one-hot in high dimensions and their gradient dwarfs that of the likelihood.
        """
        soft = (joint / self.mixture.dims**0.5).softmax(dim=1)
        total = self.memory.counts.to(soft).index_add(0, labels, soft)
        present = torch.bincount(labels, minlength=self.num_classes) > 0
        average = total / total.sum(1, keepdim=True).clamp_min(1e-12)
        distance = 0.5 * (average - 1 / joint.shape[1]).abs().sum(1)
        return (distance * present).sum() / present.sum().clamp_min(1)

    def _centred(self, class_scores: Tensor) -> Tensor:
        """``L_y - mean_y L_y``, ``(N, C, *S)``."""
        likelihood = self.log_likelihood(class_scores)
        return likelihood - likelihood.mean(1, keepdim=True)

    @staticmethod
    def _per_class(values: Tensor, like: Tensor) -> Tensor:
        """``values`` of leading dimensions C (and K) shaped to broadcast over ``like``."""
        return values.reshape(1, *values.shape, *[1] * (like.dim() - 1 - values.dim()))
