"""PROSER: an image classifier that learns from features mixed between classes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmosr.methods.method_parts import MethodParts
from mmosr.methods.proser import MixedPairs, PlaceholderClassifier
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .heads import MethodClsHead, known_labels
from .open_set_image_classifier import OpenSetImageClassifier


@MODELS.register_module()
class PROSERClsHead(MethodClsHead):
    """PROSER for images: see :class:`~mmosr.methods.PlaceholderClassifier`.

    The arguments are those of :class:`MethodClsHead`; the loss is the host's cross-entropy. With
    :class:`PROSER` it also learns from data placeholders; with any other image classifier it is the
    ablation with only classifier placeholders.

    It takes over the weights of a closed-set classifier, for fine-tuning: those of mmpretrain's
    ``LinearClsHead`` or of a head with :class:`~mmosr.methods.LinearClassifier` are loaded for the
    known classes, and the placeholders are unchanged.
    """

    method = MethodParts("mmosr.PlaceholderClassifier")

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        for name in ("weight", "bias"):
            plain, own = f"{prefix}fc.{name}", f"{prefix}classifier.projection.{name}"
            if plain in state_dict and own not in state_dict:
                state_dict[own] = state_dict.pop(plain)
        super()._load_from_state_dict(state_dict, prefix, *args)


@MODELS.register_module()
class PROSER(OpenSetImageClassifier):
    """Learning placeholders for open-set recognition (Zhou, Ye and Zhan, CVPR 2021).

    In training each batch is halved, as in the authors' code. The first half, the larger one if
    they differ, is used for the losses of the head. In the second half the hidden features after a
    layer of the backbone are mixed between images of two classes, ``lambda h_i
    + (1 - lambda) h_j``. The rest of the network turns them into data placeholders, which the
    classifier should assign to the (C+1)-th class: ``loss_mixed``. Both halves share one forward
    pass. An image paired with one of its own class is not mixed and has no loss.

    The default score is ``proser``. The bias that the paper adds to the placeholder's logit, so
    that 95 % of known validation images are accepted, shifts ``proser`` and ``proser_margin`` by
    its value: their ranking does not need it, and ``reject_threshold`` replaces it.

    The pairs are drawn from torch's generator; with ``mmosr.StepSeedHook`` a resumed run draws the
    same ones as an uninterrupted one.

    Args:
        *args: See the host.
        mix_at: Name of the submodule of the backbone after which features are mixed, such as
            ``'layer2'`` of a ResNet. It must be called once in a forward pass and return one
            tensor.
        mix_alpha: lambda is drawn from ``Beta(mix_alpha, mix_alpha)``.
        mix_weight: gamma, the factor of ``loss_mixed``.
        score: See :class:`OpenSetImageClassifier`.
        **kwargs: See :class:`OpenSetImageClassifier`, without ``rotation_head``.

    Raises:
        InputError: The head has no placeholders, ``mix_at`` is missing or invalid, or there is a
            rotation head or mixing augmentations.
    """

    def __init__(
        self,
        *args,
        mix_at: str | None = None,
        mix_alpha: float = 1.0,
        mix_weight: float = 0.01,
        score: str | dict | list = "proser",
        **kwargs,
    ) -> None:
        if kwargs.get("rotation_head") is not None:
            raise InputError("PROSER is trained without rotated images: remove rotation_head")
        if mix_alpha <= 0:
            raise ValueError(f"mix_alpha must be above 0, got {mix_alpha}")
        if mix_weight <= 0:
            raise ValueError(
                f"mix_weight must be above 0, got {mix_weight}: without data placeholders use "
                "mmosr.OpenSetImageClassifier, which trains on the whole batch"
            )
        super().__init__(*args, score=score, **kwargs)
        self.mix_at, self.mix_alpha, self.mix_weight = mix_at, mix_alpha, mix_weight
        self._mixed_layer()

    @property
    def classifier(self) -> PlaceholderClassifier:
        """The classifier of the head.

        Raises:
            InputError: It has no placeholders.
        """
        found = super().classifier
        if not isinstance(found, PlaceholderClassifier):
            raise InputError(
                f"PROSER needs the placeholders of its head, but {type(self.head).__name__} has "
                "none: use mmosr.PROSERClsHead"
            )
        return found

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """The losses of the head on the first half of the images, and ``loss_mixed``.

        Raises:
            InputError: A label is not a known class, targets are soft, or the layer ``mix_at`` is
                not called exactly once or does not return one tensor.
        """
        labels = known_labels(data_samples, self.known_classes)
        first = len(inputs) - len(inputs) // 2
        pairs = MixedPairs.sample(labels[first:], self.mix_alpha)
        with self._mixing(pairs, first):
            feats = self.extract_feat(inputs)
        rows = self.head.pre_logits(feats)
        losses = self.head.loss((rows[:first],), data_samples[:first])
        mixed = self.classifier.embed(rows[first:])
        losses["loss_mixed"] = self.mix_weight * self.classifier.unknown_loss(mixed, pairs.mixed)
        return losses

    @contextmanager
    def _mixing(self, pairs: MixedPairs, first: int) -> Iterator[None]:
        """Mix the images after the first ones in a forward pass inside this context."""
        calls = 0

        def mix(_, inputs: tuple, output: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if not isinstance(output, Tensor) or len(output) != first + len(pairs.partner):
                raise self._bad_layer("does not return one tensor with an item per image")
            return torch.cat([output[:first], pairs.mix(output[first:])])

        with self._mixed_layer().register_forward_hook(mix):
            yield
        if calls != 1:
            raise self._bad_layer(f"is called {calls} times in a forward pass, not once")

    def _mixed_layer(self) -> nn.Module:
        layer = dict(self.backbone.named_modules()).get(self.mix_at) if self.mix_at else None
        if layer is None:
            raise self._bad_layer("is not a submodule of it")
        return layer

    def _bad_layer(self, reason: str) -> InputError:
        names = []
        for name, part in self.backbone.named_children():
            # A list itself is never called.
            inner = range(len(part)) if isinstance(part, nn.ModuleList) else []
            names += [f"{name}.{index}" for index in inner] or [name]
        return InputError(
            "PROSER mixes features after the layer mix_at of the backbone "
            f"{type(self.backbone).__name__}, but {self.mix_at!r} {reason}: choose one from the "
            f"middle of {', '.join(names)}, or one of their submodules"
        )
