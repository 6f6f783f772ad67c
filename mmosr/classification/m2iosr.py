"""M2IOSR: an image classifier trained in two phases per iteration."""

from __future__ import annotations

import torch
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmosr.methods.class_gaussians import ClassGaussians
from mmosr.methods.mutual_information import MutualInformation
from mmosr.registry import MODEL_WRAPPERS, MODELS
from mmosr.utils import InputError

from .heads import known_labels, soft_targets
from .open_set_image_classifier import OpenSetImageClassifier

MAX_MIN, CLASSIFICATION = PHASES = ("max_min", "classification")


@MODELS.register_module()
class M2IOSR(OpenSetImageClassifier):
    """Maximal Mutual Information Open Set Recognition (Sun, Ding et al., 2021, section 4).

    Each iteration updates twice on the same images (section 4.3), each time with a forward pass,
    and with one optimiser, so that the encoder has a single momentum:

    1. ``max_min``: encoder, discriminators and Gaussians minimise eq. 9,
       ``-(beta_1 L_global + beta_2 L_local) + gamma L_KL``;
    2. ``classification``: encoder and head minimise the head's loss, the cross-entropy.

    The score in the test is ``msp``, ``1 - max softmax``, or any other post-hoc score. The test
    uses the mean mu for ``f_1``, and so does the second phase.

    The log holds ``loss_max_min``, ``loss_classification`` and their sum ``loss``; the weighted
    parts of the first, ``loss_information`` and ``loss_kl``; the estimates ``mi_global``,
    ``mi_1t16``, ``mi_1t4`` and ``mi_4t4`` and the divergence ``kl``, without weights.

    Float16 and bfloat16 wrappers are supported. Gradient accumulation is not: the gradients of the
    two phases would add up. On several processes set
    ``model_wrapper_cfg=dict(type='mmosr.TwoPhaseDistributedDataParallel')``.

    Args:
        *args: See the host.
        information: Arguments of :class:`~mmosr.methods.mutual_information.MutualInformation`,
            default: those of :class:`CROSRVGG13`; ``latent_dims`` is filled in.
        kl_weight: gamma of eq. 9. The paper's value is unknown; the default was set without a
            search.
        sample_latent: The first phase draws ``f_1`` from its posterior, as the expectation of eq. 8
            says; otherwise it uses the mean, and sigma only gets the gradient of the divergence.
        **kwargs: See the host. The backbone needs the interface of :class:`CROSRVGG13`: ``maps``,
            which returns ``f_16``, ``f_4`` and features ``(N, D)``, and ``latent``, a linear layer
            from these to ``f_1``.

    Raises:
        InputError: The backbone is unsuitable, or there are mixing augmentations: the Gaussians
            need hard labels.
    """

    def __init__(
        self,
        *args,
        information: dict | None = None,
        kl_weight: float = 0.1,
        sample_latent: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        latent = getattr(self.backbone, "latent", None)
        if not (isinstance(latent, nn.Linear) and hasattr(self.backbone, "maps")):
            raise InputError(
                f"M2IOSR needs the maps and the latent layer of its backbone, but "
                f"{type(self.backbone).__name__} has none: use mmosr.CROSRVGG13"
            )
        if getattr(self.data_preprocessor, "batch_augments", None) is not None:
            raise soft_targets("M2IOSR")
        if kl_weight < 0:
            raise ValueError(f"kl_weight must be 0 or above, got {kl_weight}")
        self.kl_weight, self.sample_latent = kl_weight, sample_latent
        self.information = MutualInformation(
            **{**(information or {}), "latent_dims": latent.out_features}
        )
        self.gaussians = ClassGaussians(latent.in_features, latent.out_features, self.known_classes)

    def forward(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, mode: str = "tensor"
    ) -> Tensor | list[DataSample] | dict[str, Tensor]:
        """Like the host; the modes of training are ``'max_min'`` and ``'classification'``.

        Raises:
            InputError: ``mode='loss'``, which a one-phase training loop would request.
        """
        if mode == MAX_MIN:
            return self.max_min_loss(inputs, data_samples)
        if mode == CLASSIFICATION:
            return self.loss(inputs, data_samples)
        if mode == "loss":
            raise InputError(
                "M2IOSR trains in two phases, but this loop asks for one loss: on several "
                "processes set model_wrapper_cfg="
                "dict(type='mmosr.TwoPhaseDistributedDataParallel')"
            )
        return super().forward(inputs, data_samples, mode)

    def max_min_loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """The losses of the first phase, and their parts without weights.

        Raises:
            InputError: A label is not a known class, or a batch has one image.
        """
        labels = known_labels(data_samples, self.known_classes)
        map_16, map_4, top = self.backbone.maps(inputs)
        mean = self.backbone.latent(top)
        drawn, log_variance = self.gaussians.sample(top, mean)
        estimates = self.information(map_16, map_4, drawn if self.sample_latent else mean)
        kl = self.gaussians.kl(mean, log_variance, labels)
        return {
            "loss_information": -self.information.combine(estimates),
            "loss_kl": self.kl_weight * kl,
            **{f"mi_{name}": value.detach() for name, value in estimates.items()},
            "kl": kl.detach(),
        }

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Update in both phases; see the class for what is logged.

        Raises:
            InputError: There is gradient accumulation, or a dict of optimiser wrappers.
        """
        return two_phase_step(self, data, optim_wrapper)


@MODEL_WRAPPERS.register_module()
class TwoPhaseDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's data-parallel wrapper for :class:`M2IOSR`.

    Args:
        module: The model.
        find_unused_parameters: Needed since each phase leaves out the other's parameters.
        **kwargs: See the base class.
    """

    def __init__(self, module: M2IOSR, find_unused_parameters: bool = True, **kwargs) -> None:
        super().__init__(module, find_unused_parameters=find_unused_parameters, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """See :meth:`M2IOSR.train_step`."""
        return two_phase_step(self, data, optim_wrapper)


def two_phase_step(
    model: M2IOSR | TwoPhaseDistributedDataParallel, data: dict, optim_wrapper: OptimWrapper
) -> dict[str, Tensor]:
    """One iteration of :class:`M2IOSR`, wrapped or not.

    The optimiser skips parameters without a gradient, including weight decay and momentum, so a
    phase does not change parameters it does not use.
    """
    _check(optim_wrapper)
    module = model.module if is_model_wrapper(model) else model
    data = module.data_preprocessor(data, True)
    logs: dict[str, Tensor] = {}
    totals = []
    for phase in PHASES:
        with optim_wrapper.optim_context(model):
            losses = model._run_forward(data, mode=phase)
        total, values = module.parse_losses(losses)
        optim_wrapper.update_params(total, zero_kwargs=dict(set_to_none=True))
        values.pop("loss")
        totals.append(total.detach())
        logs.update(values, **{f"loss_{phase}": totals[-1]})
    return {"loss": torch.stack(totals).sum(), **logs}


def _check(optim_wrapper: OptimWrapper) -> None:
    if isinstance(optim_wrapper, OptimWrapperDict):
        raise InputError(
            "M2IOSR trains both phases with one optimiser: give optim_wrapper one optimizer, not "
            "a dict of wrappers"
        )
    if optim_wrapper._accumulative_counts != 1:
        raise InputError(
            "M2IOSR cannot accumulate gradients, as those of its two phases would add up: remove "
            "optim_wrapper.accumulative_counts, and set a larger batch_size instead"
        )
