"""Open-set decode heads: any mmseg decode head with its last layer replaced."""

import inspect
from typing import ClassVar

from mmengine.model import BaseModule
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn
from torch.nn import functional as F

from mmosr.methods.method_parts import CAC, LGMM, MOVR, MethodParts
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .hosts import check_replaceable, irreplaceable
from .outliers import with_outliers


@MODELS.register_module()
class OpenSetHead(BaseModule):
    """Any mmseg decode head, its ``conv_seg`` replaced by an open-set classifier.

    The host head computes its features as usual (dropout included), the classifier turns them into
    class scores, and the host's own ``loss_decode``, sampler and accuracy are applied to those.
    The classifier adds its losses at the resolution of the features, and only it sees label 254
    (see :mod:`mmosr.segmentation.outliers`). A head of a cascade, such as
    ``OCRHead``, works in an :class:`OpenSetCascadeEncoderDecoder`.

    Args:
        host: Type of the mmseg decode head; it must end in ``conv_seg``.
        classifier: Config of an :class:`~mmosr.methods.OpenSetClassifier`; ``in_channels`` and
            ``num_classes`` are filled in.
        init_cfg: Initialisation of this wrapper; the host keeps its own.
        **host_cfg: All arguments of the host head.

    Raises:
        InputError: The host has no ``conv_seg`` on its last features, has its own loss on
            more than the class scores, needs more than the features of the backbone, or is a
            binary head. ``docs/hosts.md`` lists mmseg's heads.
    """

    def __init__(
        self, host: str, classifier: ConfigType, init_cfg: ConfigType | None = None, **host_cfg
    ) -> None:
        super().__init__(init_cfg)
        check_replaceable(host)
        self.host = MMSEG_MODELS.build(dict(type=host, **host_cfg))
        conv = getattr(self.host, "conv_seg", None)
        if not isinstance(conv, nn.Conv2d):
            raise irreplaceable(host, "does not end in conv_seg")
        self.in_cascade = isinstance(self.host, BaseCascadeDecodeHead)
        _, *more = inspect.signature(self.host.forward).parameters.values()
        needed = [value.name for value in more if value.default is value.empty]
        if len(needed) > self.in_cascade:
            raise InputError(
                f"decode head {host!r} needs {', '.join(needed)} besides the backbone's features, "
                "so it cannot be wrapped; use another head"
            )
        if self.host.out_channels < 2:
            raise InputError(
                f"decode head {host!r} has out_channels=1 (binary); open-set heads need one class "
                "score per class: remove out_channels"
            )
        self.classifier = MODELS.build(
            dict(classifier, in_channels=conv.in_channels, num_classes=self.host.num_classes)
        )
        # What segmentors read from a head.
        self.num_classes, self.out_channels = self.host.num_classes, self.host.out_channels
        self.align_corners, self.ignore_index = self.host.align_corners, self.host.ignore_index
        # The host then returns the features themselves, with its dropout applied.
        self.host.conv_seg = nn.Identity()

    def embed(self, inputs: tuple[Tensor, ...], *previous: Tensor) -> Tensor:
        """The classifier's embedding ``(N, D, h, w)`` of the backbone features.

        Args:
            inputs: Feature maps of the backbone.
            *previous: In a cascade, the output of the previous head.
        """
        features = self.host(inputs, *previous)
        if not isinstance(features, Tensor) or features.shape[1] != self.classifier.in_channels:
            raise InputError(
                f"decode head {type(self.host).__name__!r} does not return the features before "
                "conv_seg (it has several outputs, or works on them afterwards), so it cannot be "
                "wrapped; use another head"
            )
        return self.classifier.embed(features)

    def forward(self, inputs: tuple[Tensor, ...], *previous: Tensor) -> Tensor:
        """Class scores ``(N, C, h, w)``."""
        return self.classifier.class_scores(self.embed(inputs, *previous))

    def loss(self, inputs: tuple[Tensor, ...], *args) -> dict[str, Tensor]:
        """The host's losses on the class scores and the classifier's own.

        Args:
            inputs: Feature maps of the backbone.
            *args: As passed by the host: in a cascade the output of the previous head, then the
                data samples and ``train_cfg``.
        """
        *previous, samples, _ = args
        embedding = self.embed(inputs, *previous)
        class_scores = self.classifier.class_scores(embedding)
        losses = self.host.loss_by_feat(class_scores, samples)
        labels = with_outliers(self.host._stack_batch_gt(samples), samples)
        # Nearest neighbour: labels cannot be averaged.
        labels = F.interpolate(labels.float(), size=embedding.shape[2:], mode="nearest").long()
        losses.update(self.classifier.loss(embedding, labels.squeeze(1), self.ignore_index))
        return losses

    def predict(self, inputs: tuple[Tensor, ...], *args) -> Tensor:
        """Class scores at the size of the network's input, ``(N, C, H, W)``.

        Args:
            inputs: Feature maps of the backbone.
            *args: In a cascade the output of the previous head, then the images' meta information
                and ``test_cfg``.
        """
        *previous, metas, _ = args
        return self.host.predict_by_feat(self.forward(inputs, *previous), metas)


class MethodHead(OpenSetHead):
    """A head whose class determines the classifier and, if the method has one, the loss.

    Args:
        host: Type of the mmseg decode head.
        classifier: Arguments of the classifier that differ from its defaults.
        **host_cfg: All arguments of the host head.

    Raises:
        InputError: ``loss_decode`` is of another method and would train without a warning.
    """

    method: ClassVar[MethodParts]

    def __init__(self, host: str, classifier: ConfigType | None = None, **host_cfg) -> None:
        name, key = type(self).__name__, "loss_decode"
        classifier, loss = self.method.configs(
            classifier, host_cfg.get(key), name, key, "mmosr.OpenSetHead"
        )
        if loss is not None:
            host_cfg[key] = loss
        super().__init__(host, classifier, **host_cfg)
        self.method.check_agreement(self.classifier, self.host.loss_decode, name, key)


@MODELS.register_module()
class LGMMHead(MethodHead):
    """L-GMM behind any mmseg decode head: see :class:`~mmosr.methods.GaussianMixtureClassifier`.

    The arguments are those of :class:`MethodHead`; the loss is the host's cross-entropy.
    """

    method = LGMM


@MODELS.register_module()
class CACHead(MethodHead):
    """CAC behind any mmseg decode head: see :class:`~mmosr.methods.AnchorClassifier`.

    The arguments are those of :class:`MethodHead`; the loss is :class:`~mmosr.methods.CACLoss`, or
    :class:`~mmosr.methods.CenterLoss` as a baseline. ``mmosr.FitHook`` in ``custom_hooks``
    re-estimates the anchors.
    """

    method = CAC


@MODELS.register_module()
class MOvRHead(MethodHead):
    """m-OvR behind any mmseg decode head: see :class:`~mmosr.methods.CosineClassifier`.

    The arguments are those of :class:`MethodHead`; the loss is :class:`~mmosr.methods.MOvRLoss`,
    whose scale must be that of the classifier.
    """

    method = MOVR
