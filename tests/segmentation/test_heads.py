"""Heads: the contract for each, exact agreement with mmseg, and what is rejected.

The other heads of mmseg are in ``test_hosts.py``.
"""

import math

import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS as MMSEG_MODELS
from torch.nn import functional as F

from mmosr.methods import ChannelLinear, OpenSetClassifier
from mmosr.registry import MODELS
from mmosr.segmentation import CACHead, LGMMHead, MOvRHead, OpenSetHead
from mmosr.utils import InputError

from .contract import HIGH, HOSTS, NUM_CLASSES, HeadContract, features, label_samples, random_labels


@MODELS.register_module(name="TestLinearClassifier", force=True)
class LinearClassifier(OpenSetClassifier):
    """The plainest classifier: a linear layer, which keeps the labels that its loss is given."""

    def __init__(self, in_channels, num_classes):
        super().__init__(in_channels, num_classes)
        self.linear = ChannelLinear(in_channels, num_classes)

    @property
    def scores(self):
        return {"minus_max": lambda scores: -scores.amax(1)}

    def class_scores(self, embedding):
        return self.linear(embedding)

    def loss(self, embedding, labels, ignore_index=255):
        self.seen = labels, ignore_index
        return {"loss_own": 0 * embedding.sum() + 3.0, "share": embedding.new_tensor(0.25)}


@MMSEG_MODELS.register_module(name="TestDoublingHead", force=True)
class DoublingHead(FCNHead):
    """A head that continues after ``conv_seg``."""

    def forward(self, inputs):
        return super().forward(inputs).repeat(1, 2, 1, 1)


@MMSEG_MODELS.register_module(name="TestGuidedHead", force=True)
class GuidedHead(FCNHead):
    """A head that needs more than the features of the backbone."""

    def forward(self, inputs, depth):
        return super().forward(inputs)


@MMSEG_MODELS.register_module(name="TestOwnLossHead", force=True)
class OwnLossHead(FCNHead):
    """A head that trains on something else."""

    def loss(self, inputs, batch_data_samples, train_cfg):
        return {}


class TestLGMMHead(HeadContract):
    def make(self, host, **host_cfg):
        classifier = dict(embed_dims=6, num_components=2, memory_size=50)
        return MODELS.build(
            dict(type="mmosr.LGMMHead", host=host, classifier=classifier, **host_cfg)
        )


class TestLGMMHeadWithCountedPrior(HeadContract):
    def make(self, host, **host_cfg):
        classifier = dict(embed_dims=6, class_prior="count", normalization="l2")
        return LGMMHead(host, classifier, **host_cfg)


class TestCACHead(HeadContract):
    def make(self, host, **host_cfg):
        # The other anchors would need fitting first.
        return CACHead(host, dict(test_anchors="fixed", magnitude=2.0), **host_cfg)

    def expected_loss(self, scores, labels):
        distance = -scores.movedim(1, -1)[labels != 255]
        own = distance.gather(1, labels[labels != 255, None])
        tuplet = (own - distance).exp().sum(1).log()
        return "loss_cac", (tuplet + 0.1 * own[:, 0]).mean()


class TestMOvRHead(HeadContract):
    def make(self, host, **host_cfg):
        return MOvRHead(host, dict(scale=6.0), **host_cfg)

    def expected_loss(self, scores, labels):
        theta = (scores.movedim(1, -1)[labels != 255] / 6).acos()
        turned = torch.where(
            theta + 0.5 < math.pi, (theta + 0.5).cos(), theta.cos() + math.cos(0.5) - 1
        )
        one_hot = F.one_hot(labels[labels != 255], NUM_CLASSES).float()
        loss = F.binary_cross_entropy_with_logits(6 * turned, one_hot, reduction="none")
        return "loss_movr", loss.sum(1).mean()


class TestReciprocalPointHead(HeadContract):
    def make(self, host, **host_cfg):
        classifier = dict(type="mmosr.ReciprocalPointClassifier", num_points=2)
        return OpenSetHead(host, classifier, **host_cfg)


class TestPrototypeHead(HeadContract):
    def make(self, host, **host_cfg):
        classifier = dict(type="mmosr.PrototypeClassifier", num_prototypes=2)
        return OpenSetHead(host, classifier, **host_cfg)


class TestLinearHead(HeadContract):
    def make(self, host, **host_cfg):
        classifier = dict(type="mmosr.TestLinearClassifier")
        return OpenSetHead(host, classifier, **host_cfg)

    def plain_twin(self, head, host):
        """mmseg's own head with the same weights."""
        cfg = dict(host, num_classes=NUM_CLASSES, norm_cfg=dict(type="BN"))
        twin = MMSEG_MODELS.build(dict(cfg, type=cfg.pop("host")))
        state = dict(head.host.state_dict())
        state["conv_seg.weight"] = head.classifier.linear.weight[..., None, None]
        state["conv_seg.bias"] = head.classifier.linear.bias
        twin.load_state_dict(state, strict=True)
        return twin

    def test_equals_the_host_it_wraps(self, host):
        head = self.build(host).train()
        twin = self.plain_twin(head, host).train()
        samples = label_samples(random_labels(HIGH))
        losses = []
        for model in (twin, head):
            torch.manual_seed(3)
            losses.append(model.loss(features(), samples, None))
        expected = dict(losses[0], loss_own=torch.tensor(3.0), share=torch.tensor(0.25))
        assert losses[1].keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(losses[1][name], value)
        metas = [dict(img_shape=(32, 48))] * 2
        torch.testing.assert_close(
            head.eval().predict(features(), metas, {}), twin.eval().predict(features(), metas, {})
        )

    def test_classifier_gets_nearest_labels_at_the_size_of_the_features(self):
        head = self.build(dict(HOSTS["FCNHead"], host="FCNHead"), ignore_index=9)
        labels = random_labels(HIGH)
        labels[labels == 255] = 9
        head.loss(features(), label_samples(labels), None)
        seen, ignore_index = head.classifier.seen
        assert torch.equal(seen, labels[:, ::2, ::2]) and ignore_index == 9

    @pytest.mark.parametrize(
        "extra",
        [
            dict(sampler=dict(type="OHEMPixelSampler", thresh=0.7, min_kept=10)),
            dict(
                loss_decode=[
                    dict(type="CrossEntropyLoss", loss_name="loss_ce", loss_weight=0.5),
                    dict(type="DiceLoss", loss_name="loss_dice"),
                ]
            ),
        ],
        ids=["sampler", "two losses"],
    )
    def test_sampler_and_losses_of_the_host(self, extra):
        host = dict(HOSTS["FCNHead"], host="FCNHead", **extra)
        head = self.build(host)
        samples = label_samples(random_labels(HIGH))
        losses = head.loss(features(), samples, None)
        expected = self.plain_twin(head, host).eval().loss(features(), samples, None)
        assert losses.keys() == {*expected, "loss_own", "share"}
        for name, value in expected.items():
            torch.testing.assert_close(losses[name], value)


def wrap(host, **cfg):
    return LGMMHead(host, dict(embed_dims=4), num_classes=NUM_CLASSES, **cfg)


@pytest.mark.usefixtures("mmseg_scope")
class TestMethodHead:
    """The loss of a method comes with its head, and no other is accepted silently."""

    def make(self, head, classifier=None, **cfg):
        return head("FCNHead", classifier, num_classes=NUM_CLASSES, **HOSTS["FCNHead"], **cfg)

    @pytest.mark.parametrize(
        ("head", "loss"),
        [(LGMMHead, "CrossEntropyLoss"), (CACHead, "CACLoss"), (MOvRHead, "MOvRLoss")],
    )
    def test_default_loss(self, head, loss):
        assert type(self.make(head).host.loss_decode).__name__ == loss

    def test_default_loss_takes_the_scale_of_the_classifier(self):
        assert self.make(MOvRHead).host.loss_decode.scale == 32
        assert self.make(MOvRHead, dict(scale=5.0)).host.loss_decode.scale == 5

    def test_own_options_of_the_loss(self):
        cac = self.make(CACHead, loss_decode=dict(type="mmosr.CACLoss", anchor_weight=0.3))
        assert cac.host.loss_decode.anchor_weight == 0.3
        center = self.make(CACHead, loss_decode=dict(type="mmosr.CenterLoss"))
        assert type(center.host.loss_decode).__name__ == "CenterLoss"
        parts = [dict(type="mmosr.CACLoss"), dict(type="mmosr.CenterLoss")]
        assert len(self.make(CACHead, loss_decode=parts).host.loss_decode) == 2

    @pytest.mark.parametrize(
        ("head", "own"), [(CACHead, "mmosr.CACLoss"), (MOvRHead, "mmosr.MOvRLoss")]
    )
    @pytest.mark.parametrize("several", [False, True])
    def test_inherited_loss_is_refused(self, head, own, several):
        loss = dict(type="CrossEntropyLoss", use_sigmoid=False)
        message = f"{head.__name__} trains with {own}.* is CrossEntropyLoss; write.*type='{own}'"
        with pytest.raises(InputError, match=message):
            self.make(head, loss_decode=[dict(type=own), loss] if several else loss)

    @pytest.mark.parametrize("several", [False, True])
    def test_scale_of_another_value_is_refused(self, several):
        loss = dict(type="mmosr.MOvRLoss", scale=16.0)
        parts = [dict(type="mmosr.MOvRLoss", scale=8.0), loss] if several else loss
        with pytest.raises(InputError, match="scale is 16.0 and classifier.scale 8.0"):
            self.make(MOvRHead, dict(scale=8.0), loss_decode=parts)
        self.make(MOvRHead, dict(scale=16.0), loss_decode=loss)

    @pytest.mark.parametrize("head", [CACHead, MOvRHead])
    def test_hard_pixels_are_chosen_by_the_loss_of_the_method(self, head):
        classifier = dict(test_anchors="fixed") if head is CACHead else None
        sampler = dict(type="OHEMPixelSampler", min_kept=5)
        model = self.make(head, classifier, sampler=sampler).eval()
        labels = random_labels(HIGH)
        losses = model.loss(features(), label_samples(labels), None)
        scores = F.interpolate(model(features()), HIGH, mode="bilinear")
        values = model.host.loss_decode.per_sample(scores, labels.masked_fill(labels == 255, 0))
        hardest = values[labels != 255].topk(5 * 2).values  # of two images
        torch.testing.assert_close(losses[model.host.loss_decode.loss_name], hardest.mean())


@pytest.mark.usefixtures("mmseg_scope")
class TestRefusedHosts:
    """Heads that cannot be wrapped are rejected, by name, and not silently misused."""

    def test_work_after_conv_seg(self):
        head = wrap("TestDoublingHead", in_channels=16, channels=8)
        with pytest.raises(InputError, match="'DoublingHead' does not return the features"):
            head(features())

    @pytest.mark.parametrize(
        ("host", "message"),
        [
            ("TestGuidedHead", "needs depth besides the backbone's features"),
            ("TestOwnLossHead", r"has a loss of its own \(loss\)"),
        ],
    )
    def test_head_of_another_kind(self, host, message):
        with pytest.raises(InputError, match=f"'{host}' {message}"):
            wrap(host, in_channels=16, channels=8)

    def test_binary_head(self):
        with pytest.raises(InputError, match="'FCNHead' has out_channels=1"):
            LGMMHead(
                "FCNHead", in_channels=4, channels=4, num_classes=2, out_channels=1, threshold=0.5
            )

    def test_unknown_host_is_named(self):
        with pytest.raises(KeyError, match="FNCHead"):
            wrap("FNCHead", in_channels=16, channels=8)
