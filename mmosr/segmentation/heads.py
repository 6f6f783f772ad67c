"""Open-set decode heads: any mmseg decode head with its last layer replaced."""

import inspect

from mmengine.model import BaseModule
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.utils import ConfigType, SampleList
from torch import Tensor, nn
from torch.nn import functional as F

from mmosr.registry import MODELS
from mmosr.utils import InputError


@MODELS.register_module()
class OpenSetHead(BaseModule):
    """Any mmseg decode head, its ``conv_seg`` replaced by an open-set classifier.

    The host head computes its features as ever (dropout included), the classifier turns them into
    class scores, and the host's own ``loss_decode``, sampler and accuracy are applied to those.
    The classifier adds its losses at the resolution of the features.

    Args:
        host: Type of the mmseg decode head; it must end in ``conv_seg``.
        classifier: Config of an :class:`~mmosr.methods.OpenSetClassifier`; ``in_channels`` and
            ``num_classes`` are filled in.
        init_cfg: Initialisation of this wrapper; the host keeps its own.
        **host_cfg: Every argument of the host head.

    Raises:
        InputError: The host has no ``conv_seg`` over its last features, needs more than the
            features of the backbone, or is a binary head.
    """

    def __init__(
        self, host: str, classifier: ConfigType, init_cfg: ConfigType | None = None, **host_cfg
    ) -> None:
        super().__init__(init_cfg)
        self.host = MMSEG_MODELS.build(dict(type=host, **host_cfg))
        conv = getattr(self.host, "conv_seg", None)
        if not isinstance(conv, nn.Conv2d):
            raise InputError(
                f"decode head {host!r} does not end in conv_seg, so its classifier cannot be "
                "replaced; use a head such as FCNHead, UPerHead or DepthwiseSeparableASPPHead"
            )
        _, *more = inspect.signature(self.host.forward).parameters.values()
        needed = [value.name for value in more if value.default is value.empty]
        if needed:
            raise InputError(
                f"decode head {host!r} needs {', '.join(needed)} beside the backbone's features "
                "(it works in a cascade), so it cannot be wrapped; use another head"
            )
        if self.host.out_channels < 2:
            raise InputError(
                f"decode head {host!r} has out_channels=1 (binary); open-set heads need one class "
                "score a class: remove out_channels"
            )
        self.classifier = MODELS.build(
            dict(classifier, in_channels=conv.in_channels, num_classes=self.host.num_classes)
        )
        # The host then returns the features themselves, with its dropout applied.
        self.host.conv_seg = nn.Identity()

    @property
    def num_classes(self) -> int:
        return self.host.num_classes

    @property
    def out_channels(self) -> int:
        return self.host.out_channels

    @property
    def align_corners(self) -> bool:
        return self.host.align_corners

    @property
    def ignore_index(self) -> int:
        return self.host.ignore_index

    def embed(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The classifier's embedding ``(N, D, h, w)`` of the backbone features."""
        features = self.host(inputs)
        if not isinstance(features, Tensor) or features.shape[1] != self.classifier.in_channels:
            raise InputError(
                f"decode head {type(self.host).__name__!r} does not return the features before "
                "conv_seg (it has several outputs, or works on them afterwards), so it cannot be "
                "wrapped; use another head"
            )
        return self.classifier.embed(features)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Class scores ``(N, C, h, w)``."""
        return self.classifier.class_scores(self.embed(inputs))

    def loss(
        self, inputs: tuple[Tensor, ...], batch_data_samples: SampleList, train_cfg: ConfigType
    ) -> dict[str, Tensor]:
        """The host's losses on the class scores and the classifier's own."""
        embedding = self.embed(inputs)
        class_scores = self.classifier.class_scores(embedding)
        losses = self.host.loss_by_feat(class_scores, batch_data_samples)
        labels = self.host._stack_batch_gt(batch_data_samples)
        # Nearest neighbour: a label has no mean.
        labels = F.interpolate(labels.float(), size=embedding.shape[2:], mode="nearest").long()
        losses.update(self.classifier.loss(embedding, labels.squeeze(1), self.ignore_index))
        return losses

    def predict(
        self, inputs: tuple[Tensor, ...], batch_img_metas: list[dict], test_cfg: ConfigType
    ) -> Tensor:
        """Class scores at the size of the network's input, ``(N, C, H, W)``."""
        return self.host.predict_by_feat(self.forward(inputs), batch_img_metas)


@MODELS.register_module()
class LGMMHead(OpenSetHead):
    """L-GMM behind any mmseg decode head: see :class:`~mmosr.methods.GaussianMixtureClassifier`.

    Args:
        host: Type of the mmseg decode head.
        classifier: Arguments of the classifier that differ from its defaults.
        **host_cfg: Every argument of the host head.
    """

    def __init__(self, host: str, classifier: ConfigType | None = None, **host_cfg) -> None:
        classifier = {"type": "mmosr.GaussianMixtureClassifier", **(classifier or {})}
        super().__init__(host, classifier, **host_cfg)
