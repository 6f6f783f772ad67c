"""Open-set heads of image classifiers: an open-set classifier behind any mmpretrain backbone."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from mmpretrain.evaluation.metrics import Accuracy
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn import functional as F

from mmosr.methods import ClassScoreLoss, OpenSetClassifier
from mmosr.methods.method_parts import CAC, CPN, LGMM, MOVR, RPL, MethodParts
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .features import Branch, Features, feature_vectors

# Not a class label, for losses that ignore one value: their default, 255, can be a class here.
IGNORED = -100


def labels_of(samples: Sequence[DataSample]) -> Tensor:
    """Labels ``(N,)`` of images, one each.

    Raises:
        InputError: An image has no label, or several.
    """
    for sample in samples:
        if "gt_label" not in sample or len(sample.gt_label) != 1:
            found = "several labels" if "gt_label" in sample else "no label"
            raise InputError(
                f"{sample.get('img_path', 'an image')} has {found}, but one is needed: use a data "
                "set with one class per image, and PackInputs"
            )
    return torch.cat([sample.gt_label for sample in samples])


@MODELS.register_module()
class OpenSetClsHead(ClsHead):
    """mmpretrain's :class:`ClsHead` that ends in an open-set classifier.

    The class scores get the host's loss, accuracy and prediction (softmax and arg-max), and the
    classifier adds its losses. Methods whose loss is not a cross-entropy on the class scores alone
    need hard labels: with them MixUp, CutMix and other soft targets are refused. A plain linear or
    cosine classifier with a loss of mmpretrain takes soft targets as usual.

    Args:
        classifier: Config of an :class:`~mmosr.methods.OpenSetClassifier`; ``in_channels`` and
            ``num_classes`` are filled in.
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        mirror_fit: Statistics of the classifier count each image twice, original and mirrored.
        branch: For backbones with several feature vectors per image, such as the two tokens of
            ``DistilledVisionTransformer`` and the two branches of ``Conformer``: the index of the
            one to use, from 0, or ``'all'`` to concatenate them.
        **kwargs: ``loss``, ``topk``, ``cal_acc`` and ``init_cfg`` of the host; ``loss`` is one from
            mmpretrain or a :class:`~mmosr.methods.ClassScoreLoss`.
    """

    def __init__(
        self,
        classifier: dict,
        in_channels: int,
        num_classes: int,
        mirror_fit: bool = False,
        branch: Branch = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.in_channels, self.num_classes, self.mirror_fit = in_channels, num_classes, mirror_fit
        self.branch = branch
        self.classifier = MODELS.build(
            dict(classifier, in_channels=in_channels, num_classes=num_classes)
        )

    @property
    def name(self) -> str:
        """The head, its classifier and its loss, for messages."""
        parts = (self, self.classifier, self.loss_module)
        return "{} with {} and {}".format(*(type(part).__name__ for part in parts))

    @property
    def needs_hard_labels(self) -> bool:
        """Whether each image must belong to one class for the losses to be meaningful."""
        own_loss = type(self.classifier).loss is not OpenSetClassifier.loss
        return own_loss or isinstance(self.loss_module, ClassScoreLoss)

    def pre_logits(self, feats: Features) -> Tensor:
        """Features ``(N, D)`` of the last stage, see :func:`feature_vectors`."""
        return feature_vectors(feats, self.in_channels, self.branch, type(self).__name__)

    def forward(self, feats: Features) -> Tensor:
        """Class scores ``(N, C)``."""
        return self.classifier(self.pre_logits(feats))

    def loss(self, feats: Features, data_samples: list[DataSample], **kwargs) -> dict[str, Tensor]:
        """The host's loss on the class scores and the classifier's own.

        Args:
            feats: Features of each stage of the backbone.
            data_samples: Samples with ``gt_label`` or, from mixing augmentations, ``gt_score``.
            **kwargs: Passed to the loss module.

        Raises:
            InputError: Targets are soft although the method needs hard labels, or a label is not a
                known class.
        """
        embedding = self.classifier.embed(self.pre_logits(feats))
        class_scores = self.classifier.class_scores(embedding)
        if "gt_score" in data_samples[0] and not self.needs_hard_labels:
            return self._get_loss(class_scores, data_samples, **kwargs)
        labels = self._hard_labels(data_samples)
        if isinstance(self.loss_module, ClassScoreLoss):
            kwargs.setdefault("ignore_index", IGNORED)
        loss = self.loss_module(class_scores, labels, avg_factor=len(labels), **kwargs)
        losses = {"loss": loss, **self.classifier.loss(embedding, labels, IGNORED)}
        if self.cal_acc:
            # Without the host's default threshold, which counts logits below 0 as wrong.
            found = Accuracy.calculate(class_scores, labels, topk=self.topk, thrs=(None,))
            values = (one[0] for one in found)
            losses.update({f"accuracy_top-{k}": v for k, v in zip(self.topk, values, strict=True)})
        return losses

    def _hard_labels(self, samples: list[DataSample]) -> Tensor:
        labels = known_labels(samples, self.num_classes)
        if "gt_score" in samples[0]:
            scores = torch.stack([sample.gt_score for sample in samples])
            if not torch.equal(scores, F.one_hot(labels, scores.shape[1]).to(scores)):
                raise soft_targets(self.name)
        return labels


def known_labels(samples: list[DataSample], num_classes: int) -> Tensor:
    """Labels ``(N,)`` of training images.

    Raises:
        InputError: A label is not one of the known classes ``0 .. num_classes - 1``.
    """
    labels = labels_of(samples)
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        sample = samples[int(outside.nonzero()[0])]
        raise InputError(
            f"{sample.get('img_path', 'an image')} has label {sample.gt_label.item()}, but the "
            f"known classes are 0 to {num_classes - 1}: unknown images must not be among the "
            "training data"
        )
    return labels


def soft_targets(owner: str) -> InputError:
    """The error for mixing augmentations where hard labels are needed."""
    return InputError(
        f"{owner} needs one class per image: remove MixUp, CutMix and other mixing augmentations "
        "(train_cfg.augments, data_preprocessor.batch_augments)"
    )


class MethodClsHead(OpenSetClsHead):
    """A head with the classifier, and the loss if the method has one, set by its class.

    Args:
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        classifier: Arguments of the classifier that differ from its defaults.
        loss: One of the method's losses; default: the first of them.
        **kwargs: See :class:`OpenSetClsHead`.

    Raises:
        InputError: ``loss`` belongs to another method and would otherwise train silently.
    """

    method: ClassVar[MethodParts]

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        classifier: dict | None = None,
        loss: dict | None = None,
        **kwargs,
    ) -> None:
        name = type(self).__name__
        classifier, loss = self.method.configs(
            classifier, loss, name, "loss", "mmosr.OpenSetClsHead"
        )
        if loss is not None:
            kwargs["loss"] = loss
        super().__init__(classifier, in_channels, num_classes, **kwargs)
        self.method.check_agreement(self.classifier, self.loss_module, name, "loss")


@MODELS.register_module()
class LGMMClsHead(MethodClsHead):
    """L-GMM for images: see :class:`~mmosr.methods.GaussianMixtureClassifier`.

    The arguments are those of :class:`MethodClsHead`; the loss is the host's cross-entropy.
    """

    method = LGMM


@MODELS.register_module()
class CACClsHead(MethodClsHead):
    """CAC for images: see :class:`~mmosr.methods.AnchorClassifier`.

    The loss is :class:`~mmosr.methods.CACLoss`, or :class:`~mmosr.methods.CenterLoss` as a
    baseline. ``mmosr.FitHook`` in ``custom_hooks`` re-estimates the anchors.

    Args:
        *args: See :class:`MethodClsHead`.
        mirror_fit: The anchors count each training image twice, original and mirrored, like the
            published release.
        **kwargs: See :class:`MethodClsHead`.
    """

    method = CAC

    def __init__(self, *args, mirror_fit: bool = True, **kwargs) -> None:
        super().__init__(*args, mirror_fit=mirror_fit, **kwargs)


@MODELS.register_module()
class MOvRClsHead(MethodClsHead):
    """m-OvR for images: see :class:`~mmosr.methods.CosineClassifier`.

    The arguments are those of :class:`MethodClsHead`; the loss is
    :class:`~mmosr.methods.MOvRLoss`, whose scale must be that of the classifier. The paper adds
    :class:`~mmosr.classification.RotationHead`, see :class:`OpenSetImageClassifier`.
    """

    method = MOVR


@MODELS.register_module()
class RPLClsHead(MethodClsHead):
    """RPL for images: see :class:`~mmosr.methods.ReciprocalPointClassifier`.

    The arguments are those of :class:`MethodClsHead`; the loss is the host's cross-entropy.
    """

    method = RPL


@MODELS.register_module()
class CPNClsHead(MethodClsHead):
    """CPN for images: see :class:`~mmosr.methods.PrototypeClassifier`.

    The arguments are those of :class:`MethodClsHead`; the loss is the host's cross-entropy, which
    on the class scores is the distance-based one (DCE).
    """

    method = CPN
