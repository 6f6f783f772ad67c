"""Class-conditional Gaussian mixtures with diagonal covariance: densities and assignments."""

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce
from torch import Tensor, nn

# What an AssignmentMemory reconstructs when only its counts are given.
REBUILT = ("slots", "cursor")


class GaussianMixture(nn.Module):
    """C mixtures of K diagonal Gaussians in D dimensions (L-GMM, eq. 4).

    The log density is two matrix products,
    ``log N(z) = c + (z*z) @ (-1/2 sigma^-2)^T + z @ (mu sigma^-2)^T``, so no tensor of
    ``N * C * K * D`` elements is ever made. It is computed in float32 even under autocast.
    With features of unit mean square and ``sigma`` near 1 it agrees with
    :mod:`torch.distributions` to 1e-4 at D = 128; float32 cancellation grows with
    ``sigma^-2`` and reaches 3e-4 at the floor of 0.5.

    Args:
        num_classes: C.
        num_components: K mixture components per class.
        dims: D.
        min_sigma: Floor of the standard deviations, in units of the features.
        init_sigma: Standard deviation at the start.
        init_mean_std: The means start from ``init_mean_std * N(0, 1)``.
    """

    def __init__(
        self,
        num_classes: int,
        num_components: int = 3,
        dims: int = 128,
        min_sigma: float = 0.5,
        init_sigma: float = 1.0,
        init_mean_std: float = 0.3,
    ) -> None:
        super().__init__()
        if not 0 < min_sigma < init_sigma:
            raise ValueError(
                f"min_sigma must lie between 0 and init_sigma={init_sigma}, got {min_sigma}"
            )
        check_at_least_one(num_classes=num_classes, num_components=num_components, dims=dims)
        shape = (num_classes, num_components, dims)
        self.num_classes, self.num_components, self.dims = shape
        self.min_sigma = min_sigma
        self.means = nn.Parameter(init_mean_std * torch.randn(shape))
        rho = math.log(math.expm1(init_sigma - min_sigma))
        self.rho = nn.Parameter(torch.full(shape, rho))

    @property
    def sigma(self) -> Tensor:
        """Standard deviations ``(C, K, D)``: ``min_sigma + softplus(rho)``."""
        return self.min_sigma + F.softplus(self.rho)

    def component_log_prob(self, z: Tensor, detach: bool = False) -> Tensor:
        """``log N(z; mu_yk, sigma_yk)`` of every component.

        Args:
            z: ``(N, D)`` or ``(N, D, *S)``.
            detach: Stop the gradient to the means and standard deviations.

        Returns:
            ``(N, C, K)`` or ``(N, C, K, *S)``, float32 (float64 for float64 features).
        """
        with torch.autocast(z.device.type, enabled=False):
            z = z if z.dtype == torch.float64 else z.float()
            means, sigma = self.means.to(z.dtype).flatten(0, 1), self.sigma.to(z.dtype)
            sigma = sigma.flatten(0, 1)
            if detach:
                means, sigma = means.detach(), sigma.detach()
            precision = sigma**-2
            linear = means * precision
            constant = -0.5 * (means * linear).sum(1) - sigma.log().sum(1)
            constant = constant - 0.5 * self.dims * math.log(2 * math.pi)
            if z.dim() == 2:
                log_prob = torch.addmm(constant, z * z, (-0.5 * precision).t())
                return torch.addmm(log_prob, z, linear.t()).unflatten(1, self.means.shape[:2])
            flat = z.flatten(2)
            log_prob = (-0.5 * precision) @ (flat * flat) + linear @ flat + constant[:, None]
            return log_prob.unflatten(2, z.shape[2:]).unflatten(1, self.means.shape[:2])


class AssignmentMemory(nn.Module):
    """Mixture weights ``pi_yk`` by counting over a class-wise memory (L-GMM, appendix B.2).

    Per class it keeps the component to which each of the last ``size`` samples was assigned, and
    the counts of those, which are updated as samples come and go instead of being recounted.
    Every rank adds the samples of all ranks in the same order, so the weights are identical
    everywhere; all state is in buffers, so it travels with the checkpoint.

    Args:
        num_classes: C.
        num_components: K.
        size: Samples remembered per class.
        smoothing: Added to each count, so that an unused component keeps a weight above zero and
            can come back. An empty memory has uniform weights.
    """

    def __init__(
        self, num_classes: int, num_components: int, size: int = 2000, smoothing: float = 1.0
    ) -> None:
        super().__init__()
        if smoothing <= 0:
            raise ValueError(f"smoothing must be above 0 (log 0 otherwise), got {smoothing}")
        check_at_least_one(size=size)
        self.size, self.smoothing = size, smoothing
        self.register_buffer(
            "slots", torch.full((num_classes, size), -1, dtype=torch.int32), persistent=True
        )
        self.register_buffer("cursor", torch.zeros(num_classes, dtype=torch.long))
        self.register_buffer("counts", torch.zeros(num_classes, num_components, dtype=torch.long))
        self.register_buffer("class_counts", torch.zeros(num_classes, dtype=torch.long))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Packed weights have only the counts: reconstruct samples with those counts.

        Samples and counts belong together. If those of a file do not fit, as in fine-tuning with
        another number of classes or components, all of them are left out, not just some.
        """
        own = {name: getattr(self, name) for name in (*REBUILT, "counts")}
        given = {name: state_dict.get(prefix + name) for name in own}
        shapes = {name: value.shape for name, value in own.items()}
        if any(v is not None and v.shape != shapes[name] for name, v in given.items()):
            for name, value in own.items():
                # A shape that does not fit stays, to be reported.
                if given[name] is not None and given[name].shape == shapes[name]:
                    state_dict[prefix + name] = value.clone()
        elif given["counts"] is not None and all(given[name] is None for name in REBUILT):
            rebuilt = _remembered(given["counts"].long(), self.size)
            state_dict.update((prefix + name, value) for name, value in rebuilt.items())
        super()._load_from_state_dict(state_dict, prefix, *args)

    @property
    def log_weights(self) -> Tensor:
        """``log pi_yk``, ``(C, K)``, float32."""
        counts = self.counts.float() + self.smoothing
        return (counts / counts.sum(1, keepdim=True)).log()

    @property
    def log_class_frequencies(self) -> Tensor:
        """Log share of each class among all labels seen, ``(C,)``, smoothed like the weights."""
        counts = self.class_counts.double() + self.smoothing
        return (counts / counts.sum()).log().float()

    @torch.no_grad()
    def count_classes(self, class_counts: Tensor) -> None:
        """Add the label counts ``(C,)`` of this step, summed over ranks."""
        class_counts = class_counts.clone()
        all_reduce(class_counts)
        self.class_counts += class_counts

    @torch.no_grad()
    def update(self, labels: Tensor, components: Tensor, per_class: int) -> None:
        """Remember new samples of this step, from all ranks.

        Args:
            labels: ``(N,)`` known classes.
            components: ``(N,)`` the component each sample is assigned to.
            per_class: The most samples per class from one rank (the size of the exchanged table;
                more samples are left out).
        """
        table = torch.full(
            (len(self.cursor), per_class), -1, dtype=torch.int32, device=self.slots.device
        )
        order = torch.argsort(labels, stable=True)
        labels, components = labels[order], components[order]
        rank = rank_in_group(labels)
        keep = rank < per_class
        table[labels[keep], rank[keep]] = components[keep].to(table.dtype)
        # Neither gloo nor nccl takes int16, and mmengine broadcasts every buffer at the start.
        self._write(torch.cat(all_gather(table.long()), dim=1))

    def _write(self, incoming: Tensor) -> None:
        classes, column = (incoming >= 0).nonzero(as_tuple=True)
        rank, total = rank_in_group(classes), (incoming >= 0).sum(1)
        # If there are too many, the last ones stay, as if written one by one.
        keep = rank >= total[classes] - self.size
        classes, column, rank = classes[keep], column[keep], rank[keep]
        components = incoming[classes, column]
        slot = (self.cursor[classes] + rank) % self.size
        evicted = self.slots[classes, slot].long()
        filled = evicted >= 0
        one = torch.ones_like(classes)
        self.counts.index_put_((classes[filled], evicted[filled]), -one[filled], accumulate=True)
        self.counts.index_put_((classes, components), one, accumulate=True)
        self.slots[classes, slot] = components.to(self.slots.dtype)
        self.cursor.copy_((self.cursor + total) % self.size)


def _remembered(counts: Tensor, size: int) -> dict[str, Tensor]:
    """State of a memory with these counts ``(C, K)``, the components evenly mixed over the slots.

    If there are more samples than slots, they are thinned out.
    """
    slots = torch.full((len(counts), size), -1, dtype=torch.int32, device=counts.device)
    for row, numbers in zip(slots, counts, strict=True):
        number = torch.arange(len(numbers), device=counts.device).repeat_interleave(numbers)
        # Each component at even distances: the i-th of n at (i + 1/2) / n.
        place = torch.cat([(torch.arange(n, device=counts.device) + 0.5) / n for n in numbers])
        mixed = number[place.argsort(stable=True)]
        if len(mixed) > size:
            mixed = mixed[torch.linspace(0, len(mixed) - 1, size, device=counts.device).long()]
        row[: len(mixed)] = mixed
    filled = slots >= 0
    kept = [torch.bincount(row[row >= 0], minlength=counts.shape[1]) for row in slots.long()]
    return {"slots": slots, "cursor": filled.sum(1) % size, "counts": torch.stack(kept)}


def check_at_least_one(**sizes: int) -> None:
    """Raise a ValueError that names the first size below 1."""
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def rank_in_group(groups: Tensor) -> Tensor:
    """Position of each element within its run of equal values in a sorted ``(N,)`` tensor."""
    position = torch.arange(len(groups), device=groups.device)
    if len(groups) == 0:
        return position
    start = torch.ones_like(groups, dtype=torch.bool)
    start[1:] = groups[1:] != groups[:-1]
    return position - torch.cummax(torch.where(start, position, 0), 0).values


def sample_per_class(labels: Tensor, num_classes: int, limit: int) -> Tensor:
    """Indices of at most ``limit`` random elements of each class.

    Args:
        labels: ``(N,)``; values outside ``0 .. num_classes-1`` are left out.
        num_classes: C.
        limit: Elements per class.

    Returns:
        Indices into ``labels``, grouped by class.
    """
    known = ((labels >= 0) & (labels < num_classes)).nonzero().squeeze(1)
    known = known[torch.randperm(len(known), device=labels.device)]
    known = known[torch.argsort(labels[known], stable=True)]
    return known[rank_in_group(labels[known]) < limit]
