"""Heads of image classifiers: the contract for each, and their differences."""

import copy
import math

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch.nn import functional as F

from mmosr.classification import (
    CACClsHead,
    CPNClsHead,
    LGMMClsHead,
    MOvRClsHead,
    OpenSetClsHead,
    RPLClsHead,
)
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .contract import CLASSES, COUNT, IN, ClsHeadContract, feats, total
from .toy import build, images, labelled, random_labels


def tuplet_and_anchor(scores, labels):
    """CAC's two terms (eq. 2 and 4) of class scores ``-d``, as printed."""
    own = -scores.gather(1, labels[:, None])
    others = torch.ones_like(scores).scatter(1, labels[:, None], 0)
    tuplet = (1 + (others * (own + scores).exp()).sum(1)).log()
    return tuplet.mean(), own.mean()


class TestLGMMClsHead(ClsHeadContract):
    def make(self, **cfg):
        classifier = dict(embed_dims=5, num_components=2, memory_size=50)
        return MODELS.build(dict(type="mmosr.LGMMClsHead", classifier=classifier, **cfg))

    def expected_loss(self, scores, labels):
        return F.cross_entropy(scores, labels)

    def test_gradients_are_separate(self):
        """theta learns only from L_G, the encoder only from L_D: exactly zero otherwise."""
        head = self.build().train()
        inputs = feats()
        inputs[1].requires_grad_()
        losses = head.loss(inputs, labelled(torch.arange(COUNT) % CLASSES))
        theta = list(head.classifier.mixture.parameters())
        phi = [inputs[1], *head.classifier.projection.parameters()]
        generative = losses["loss_mle"] + losses["loss_one"] + losses["loss_avg"]
        gradients = torch.autograd.grad(
            losses["loss"], [*theta, *phi], retain_graph=True, allow_unused=True
        )
        assert gradients[0] is None and gradients[1] is None
        assert all(value.abs().sum() > 0 for value in gradients[2:])
        gradients = torch.autograd.grad(generative, [*theta, *phi], allow_unused=True)
        assert all(value.abs().sum() > 0 for value in gradients[:2])
        assert all(value is None for value in gradients[2:])


class TestCACClsHead(ClsHeadContract):
    def make(self, **cfg):
        # The other anchors would need fitting first.
        return CACClsHead(classifier=dict(test_anchors="fixed", magnitude=2.0), **cfg)

    def expected_loss(self, scores, labels):
        tuplet, anchor = tuplet_and_anchor(scores, labels)
        return tuplet + 0.1 * anchor

    def test_reestimated_anchors_and_mirrored_images_by_default(self):
        head = CACClsHead(IN, CLASSES)
        assert head.classifier.test_anchors == "reestimated" and head.mirror_fit
        assert not CACClsHead(IN, CLASSES, mirror_fit=False).mirror_fit

    def test_center_loss(self):
        classifier = dict(test_anchors="fixed", logit_loss_weight=1.0)
        head = CACClsHead(IN, CLASSES, classifier, loss=dict(type="mmosr.CenterLoss")).eval()
        labels = torch.arange(COUNT) % CLASSES
        losses = head.loss(feats(), labelled(labels))
        z = head.classifier.projection(feats()[1])
        own = (z - 10 * F.one_hot(labels, CLASSES)).square().sum(1)
        torch.testing.assert_close(losses["loss"], 0.5 * own.mean())
        torch.testing.assert_close(losses["loss_logit_ce"], F.cross_entropy(z, labels))


class TestMOvRClsHead(ClsHeadContract):
    def make(self, **cfg):
        return MOvRClsHead(classifier=dict(scale=6.0), **cfg)

    def expected_loss(self, scores, labels):
        theta = (scores / 6).clamp(-1, 1).acos()
        turned = torch.where(
            theta + 0.5 < math.pi, (theta + 0.5).cos(), theta.cos() + math.cos(0.5) - 1
        )
        one_hot = F.one_hot(labels, scores.shape[1]).float()
        loss = F.binary_cross_entropy_with_logits(6 * turned, one_hot, reduction="none")
        return loss.sum(1).mean()


class TestRPLClsHead(ClsHeadContract):
    def make(self, **cfg):
        classifier = dict(num_points=2, gamma=0.5)
        return MODELS.build(dict(type="mmosr.RPLClsHead", classifier=classifier, **cfg))

    def expected_loss(self, scores, labels):
        return F.cross_entropy(scores, labels)


class TestCPNClsHead(ClsHeadContract):
    def make(self, **cfg):
        classifier = dict(gamma=0.5, prototype_weight=0.3)
        return MODELS.build(dict(type="mmosr.CPNClsHead", classifier=classifier, **cfg))

    def expected_loss(self, scores, labels):
        return F.cross_entropy(scores, labels)


class TestLinearClsHead(ClsHeadContract):
    takes_soft_targets = True

    def make(self, **cfg):
        return OpenSetClsHead(dict(type="mmosr.LinearClassifier"), **cfg)

    def expected_loss(self, scores, labels):
        return F.cross_entropy(scores, labels)


class TestNormalizedSoftmaxHead(ClsHeadContract):
    """N-SCE of the m-OvR paper's tables."""

    takes_soft_targets = True

    def make(self, **cfg):
        return OpenSetClsHead(dict(type="mmosr.CosineClassifier", scale=3.0), **cfg)

    def expected_loss(self, scores, labels):
        return F.cross_entropy(scores, labels)


class TestDOCHead(ClsHeadContract):
    def make(self, **cfg):
        loss = dict(type="mmosr.MOvRLoss", margin=0.0, scale=None)
        return OpenSetClsHead(dict(type="mmosr.LinearClassifier"), loss=loss, **cfg)

    def expected_loss(self, scores, labels):
        one_hot = F.one_hot(labels, scores.shape[1]).float()
        return F.binary_cross_entropy_with_logits(scores, one_hot, reduction="sum") / len(labels)


@pytest.mark.usefixtures("mmpretrain_scope")
class TestMethodClsHead:
    """The loss of a method comes with its head, and no other is accepted silently."""

    @pytest.mark.parametrize(
        ("head", "loss"),
        [
            (LGMMClsHead, "CrossEntropyLoss"),
            (CACClsHead, "CACLoss"),
            (MOvRClsHead, "MOvRLoss"),
            (RPLClsHead, "CrossEntropyLoss"),
            (CPNClsHead, "CrossEntropyLoss"),
        ],
    )
    def test_default_loss(self, head, loss):
        assert type(head(IN, CLASSES).loss_module).__name__ == loss

    def test_scale(self):
        assert MOvRClsHead(IN, CLASSES, dict(scale=5.0)).loss_module.scale == 5
        loss = dict(type="mmosr.MOvRLoss", scale=16.0)
        with pytest.raises(InputError, match="MOvRClsHead: loss.scale is 16.0 and .*scale 8.0"):
            MOvRClsHead(IN, CLASSES, dict(scale=8.0), loss)

    @pytest.mark.parametrize(
        ("head", "own"), [(CACClsHead, "mmosr.CACLoss"), (MOvRClsHead, "mmosr.MOvRLoss")]
    )
    def test_loss_of_another_method_is_refused(self, head, own):
        message = f"{head.__name__} trains with {own}.* its loss is CrossEnt.* write loss=.*{own}"
        with pytest.raises(InputError, match=message):
            head(IN, CLASSES, loss=dict(type="CrossEntropyLoss", loss_weight=1.0))


@pytest.mark.parametrize("mixing", [dict(type="Mixup", alpha=0.8), dict(type="CutMix", alpha=1.0)])
@pytest.mark.parametrize("head", ["lgmm", "cac", "movr", "rpl", "cpn"])
def test_mixing_augmentations_are_refused_when_the_model_is_built(head, mixing):
    with pytest.raises(InputError, match="ClsHead with .* needs one class per image: remove MixUp"):
        build(head, train_cfg=dict(augments=mixing))
    model = build("linear", train_cfg=dict(augments=mixing), data_preprocessor=dict(num_classes=4))
    data = dict(inputs=list(images(4)), data_samples=labelled(random_labels(4)))
    data = model.data_preprocessor(data, training=True)
    assert torch.isfinite(model(**data, mode="loss")["loss"])


def test_the_mixture_of_an_image_model_has_an_optimiser_of_its_own():
    import mmosr.engine  # noqa: F401  registers the optimiser constructor

    model = build("lgmm").train()
    cfg = dict(
        type="OptimWrapper",
        constructor="mmosr.MixtureOptimWrapperConstructor",
        optimizer=dict(type="SGD", lr=0.1),
    )
    wrapper = build_optim_wrapper(model, cfg)
    sgd, adam = wrapper.optimizer.optimizers
    theta = {id(p) for p in model.head.classifier.mixture.parameters()}
    assert {id(p) for group in adam.param_groups for p in group["params"]} == theta
    named = dict(model.named_parameters())
    before = {name: value.detach().clone() for name, value in named.items()}
    data = dict(inputs=images(6), data_samples=labelled(random_labels(6)))
    twin = copy.deepcopy(model)  # a step fills the memory
    gradients = torch.autograd.grad(total(twin(**data, mode="loss")), list(twin.parameters()))
    model.train_step(data, wrapper)
    for (name, value), gradient in zip(named.items(), gradients, strict=True):
        if id(value) in theta:
            step = 1e-3 * gradient / (gradient.abs() + 1e-8)  # Adam's first
        else:
            step = 0.1 * gradient
        torch.testing.assert_close(value, before[name] - step, rtol=1e-4, atol=1e-6, msg=name)
