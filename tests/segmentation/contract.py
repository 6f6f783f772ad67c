"""What every open-set decode head must do, whichever host it wraps."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.nn import functional as F

NUM_CLASSES = 4
LOW, HIGH = (8, 12), (16, 24)  # sizes of the two feature maps

_NORM = dict(type="BN")
_ONE = dict(in_channels=16, in_index=1, channels=8)
_TWO = dict(in_channels=[6, 16], in_index=[0, 1], channels=8)
HOSTS = {
    "FCNHead": dict(_ONE, num_convs=1),
    "PSPHead": dict(_ONE, pool_scales=(1, 2)),
    "ASPPHead": dict(_ONE, dilations=(1, 3)),
    "DepthwiseSeparableASPPHead": dict(_ONE, dilations=(1, 3), c1_in_channels=6, c1_channels=4),
    "SegformerHead": _TWO,
    "UPerHead": dict(_TWO, pool_scales=(1, 2)),
}
# No layer of its own and no statistics: every pixel is independent.
PIXELWISE = dict(
    host="FCNHead", in_channels=16, in_index=1, channels=16, num_convs=0, concat_input=False
)


def features(seed=0):
    """Two feature maps of a backbone, ``(2, 6, 16, 24)`` and ``(2, 16, 8, 12)``."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, 6, *HIGH, generator=generator),
        torch.randn(2, 16, *LOW, generator=generator),
    )


def label_samples(labels):
    """Data samples of labels ``(N, H, W)``."""
    return [SegDataSample(gt_sem_seg=PixelData(data=image[None].clone())) for image in labels]


def random_labels(size, seed=0):
    """Labels ``(2, H, W)`` of known classes and 255."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, NUM_CLASSES + 1, (2, *size), generator=generator)
    return labels.masked_fill(labels == NUM_CLASSES, 255)


def total(losses):
    """The sum that mmengine minimises."""
    return sum(value for name, value in losses.items() if "loss" in name)


@pytest.mark.usefixtures("mmseg_scope")
class HeadContract:
    """Tests of a decode head that wraps a host; a head's test class inherits them.

    It defines :meth:`make`, and :meth:`expected_loss` if its loss is not the host's own
    cross-entropy. Each test runs with every host of ``HOSTS``.
    """

    def make(self, host, **host_cfg):
        """Build the head around a host."""
        raise NotImplementedError

    def expected_loss(self, scores, labels):
        """Name and value of ``loss_decode`` on class scores ``(N, C, H, W)``, reimplemented."""
        loss = F.cross_entropy(scores, labels, ignore_index=255, reduction="sum")
        return "loss_ce", loss / labels.numel()

    @pytest.fixture(params=HOSTS)
    def host(self, request):
        """Type and arguments of the host head."""
        return dict(HOSTS[request.param], host=request.param)

    def build(self, host, **changes):
        """The head with random, reproducible parameters, in eval mode."""
        torch.manual_seed(0)
        cfg = dict(num_classes=NUM_CLASSES, norm_cfg=_NORM, align_corners=False)
        head = self.make(**{**cfg, **host, **changes})
        head.init_weights()
        return head.eval()

    @pytest.mark.parametrize("training", [False, True])
    def test_class_scores_are_those_of_the_features_of_the_host(self, host, training):
        head = self.build(host)
        cfg = dict(host, num_classes=NUM_CLASSES, norm_cfg=_NORM)
        twin = MODELS.build(dict(cfg, type=cfg.pop("host")))
        missing, unexpected = twin.load_state_dict(head.host.state_dict(), strict=False)
        assert missing == ["conv_seg.weight", "conv_seg.bias"] and not unexpected
        seen = []
        twin.conv_seg.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        twin.train(training)
        head.host.train(training)  # the same dropout, by the same seed
        for model in (twin, head):
            torch.manual_seed(1)
            scores = model(features())
        assert scores.shape == (2, NUM_CLASSES, *twin_size(host))
        torch.testing.assert_close(scores, head.classifier(seen[0]))
        assert scores.std() > 0

    def test_host_loss_is_that_of_the_class_scores(self, host):
        head = self.build(host)
        labels = random_labels((32, 48))
        losses = head.loss(features(), label_samples(labels), None)
        scores = F.interpolate(head(features()), (32, 48), mode="bilinear")
        name, expected = self.expected_loss(scores, labels)
        torch.testing.assert_close(losses[name], expected)
        assert expected > 0.01
        known = labels != 255
        accuracy = 100 * (scores.argmax(1) == labels)[known].float().mean()
        torch.testing.assert_close(losses["acc_seg"].squeeze(), accuracy)

    def test_loss_reaches_the_backbone_and_every_parameter(self, host):
        head = self.build(host).train()
        inputs = tuple(value.requires_grad_() for value in features())
        losses = head.loss(inputs, label_samples(random_labels(HIGH)), None)
        assert all(torch.isfinite(value).all() for value in losses.values())
        total(losses).backward()
        used = {host["in_index"]} if isinstance(host["in_index"], int) else set(host["in_index"])
        used |= {0} if "c1_in_channels" in host else set()
        for index in used:
            assert inputs[index].grad.abs().sum() > 0
        # Distributed training waits for the gradient of every parameter.
        assert [name for name, value in head.named_parameters() if value.grad is None] == []

    def test_batch_without_labels_trains_nothing(self, host):
        head = self.build(host).train()
        inputs = tuple(value.requires_grad_() for value in features())
        losses = head.loss(inputs, label_samples(torch.full((2, *HIGH), 255)), None)
        assert torch.isfinite(total(losses))
        total(losses).backward()
        assert [name for name, value in head.named_parameters() if value.grad is None] == []
        assert all(value.grad.abs().max() == 0 for value in head.parameters())

    def test_ignored_pixels_do_not_matter(self):
        head = self.build(PIXELWISE)
        labels = random_labels(LOW)
        inputs = features()
        before = head.loss(inputs, label_samples(labels), None)
        changed = torch.where((labels == 255)[:, None], 100 * inputs[1].flip(1), inputs[1])
        after = head.loss((inputs[0], changed), label_samples(labels), None)
        assert after.keys() == before.keys()
        for name, value in before.items():
            torch.testing.assert_close(after[name], value, msg=lambda m, name=name: f"{name}: {m}")
        labels[labels == 255] = 0  # the same change shows once the pixels count
        counted = head.loss((inputs[0], changed), label_samples(labels), None)
        assert not torch.allclose(total(counted), total(before))

    def test_predict_resizes_to_the_input(self, host):
        head = self.build(host)
        meta = dict(img_shape=(30, 41), pad_shape=(32, 48), ori_shape=(60, 82))
        logits = head.predict(features(), [meta] * 2, {})
        expected = F.interpolate(head(features()), (32, 48), mode="bilinear")
        torch.testing.assert_close(logits, expected)

    def test_state_dict_round_trip(self, host):
        head = self.build(host).train()
        head.loss(features(), label_samples(random_labels(HIGH)), None)  # fills the buffers
        head.eval()
        torch.manual_seed(7)
        other = self.make(**host, num_classes=NUM_CLASSES, norm_cfg=_NORM).eval()
        assert not torch.allclose(other(features()), head(features()))
        other.load_state_dict(head.state_dict(), strict=True)
        torch.testing.assert_close(other(features()), head(features()), rtol=0, atol=0)

    def test_initialisation_of_the_host_leaves_the_classifier_alone(self, host):
        head = self.make(**host, num_classes=NUM_CLASSES, norm_cfg=_NORM)
        before = {name: value.clone() for name, value in head.classifier.state_dict().items()}
        host_before = {name: value.clone() for name, value in head.host.state_dict().items()}
        head.init_weights()
        for name, value in head.classifier.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert any(
            not torch.equal(value, host_before[name])
            for name, value in head.host.state_dict().items()
        )

    def test_attributes_that_a_segmentor_reads(self, host):
        head = self.build(host, align_corners=True, ignore_index=7)
        assert (head.num_classes, head.out_channels) == (NUM_CLASSES, NUM_CLASSES)
        assert (head.align_corners, head.ignore_index) == (True, 7)


def twin_size(host):
    """Height and width of the output of a host."""
    return LOW if host["host"] in ("FCNHead", "PSPHead", "ASPPHead") else HIGH
