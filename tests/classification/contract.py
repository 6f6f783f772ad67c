"""What every open-set head of an image classifier must do.

The test class of a head inherits :class:`ClsHeadContract` and defines ``make`` and
``expected_loss``::

    class TestMyHead(ClsHeadContract):
        def make(self, **cfg):
            return MyHead(**cfg)

        def expected_loss(self, scores, labels):
            return ...
"""

import copy

import pytest
import torch
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from mmosr.utils import InputError

from .toy import labelled

IN, CLASSES, COUNT = 6, 4, 10


def feats(seed=0, channels=IN, count=COUNT):
    """Two stages of a backbone; the last one counts."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, 3, 4, 4, generator=generator),
        torch.randn(count, channels, generator=generator),
    )


def total(losses):
    """The sum that mmengine minimises."""
    return sum(value for name, value in losses.items() if "loss" in name)


@pytest.mark.usefixtures("mmpretrain_scope")
class ClsHeadContract:
    """Tests of an open-set head, see the module."""

    # Whether soft targets are meaningful for the method.
    takes_soft_targets = False

    def make(self, **cfg):
        """Build the head with ``in_channels``, ``num_classes`` and options of the host."""
        raise NotImplementedError

    def expected_loss(self, scores, labels):
        """The loss of class scores ``(N, C)`` and labels, computed independently."""
        raise NotImplementedError

    def build(self, seed=0, **cfg):
        torch.manual_seed(seed)
        return self.make(**{"in_channels": IN, "num_classes": CLASSES, **cfg}).eval()

    @pytest.fixture
    def labels(self):
        return torch.arange(COUNT) % CLASSES

    def test_class_scores_are_those_of_the_last_features(self):
        head = self.build()
        rows = feats()[1]
        expected = head.classifier(rows)
        assert expected.shape == (COUNT, CLASSES) and expected.std() > 0
        patches = torch.randn(COUNT, IN, 2, 2)
        for last in (rows, rows[..., None, None], [patches, rows]):
            stages = (feats()[0], last)
            assert torch.equal(head.pre_logits(stages), rows)
            torch.testing.assert_close(head(stages), expected)

    def test_loss_by_value(self, labels):
        head = self.build(cal_acc=True, topk=(1, 2))
        losses = head.loss(feats(), labelled(labels))
        scores = head(feats())
        torch.testing.assert_close(losses["loss"], self.expected_loss(scores, labels))
        torch.manual_seed(5)
        own = head.classifier.loss(head.classifier.embed(feats()[1]), labels, -100)
        assert losses.keys() == {"loss", "accuracy_top-1", "accuracy_top-2", *own}
        for name, value in own.items():
            torch.testing.assert_close(losses[name], value)
        order = scores.argsort(1, descending=True)
        for k in (1, 2):
            right = (order[:, :k] == labels[:, None]).any(1).float().mean()
            torch.testing.assert_close(losses[f"accuracy_top-{k}"].squeeze(), 100 * right)

    def test_class_255_counts(self):
        head = self.build(num_classes=300)
        labels = torch.tensor([255, 3] * (COUNT // 2))
        losses = head.loss(feats(), labelled(labels))
        expected = self.expected_loss(head(feats()), labels)
        torch.testing.assert_close(losses["loss"], expected, rtol=1e-5, atol=1e-5)
        known = head.classifier.embed(feats()[1]), labels
        torch.manual_seed(5)
        for name, value in head.classifier.loss(*known, -100).items():
            torch.testing.assert_close(losses[name], value)

    def test_loss_reaches_the_features_and_every_parameter(self, labels):
        head = self.build().train()
        inputs = feats()
        inputs[1].requires_grad_()
        losses = head.loss(inputs, labelled(labels))
        total(losses).backward()
        assert (inputs[1].grad.abs().sum(1) > 0).all()
        for name, parameter in head.named_parameters():
            assert parameter.grad.abs().sum() > 0, name

    def test_prediction_is_the_softmax_of_the_host(self):
        head = self.build()
        samples = head.predict(feats())
        scores = head(feats())
        for sample, row in zip(samples, scores, strict=True):
            torch.testing.assert_close(sample.pred_score, row.softmax(0))
            assert sample.pred_label.tolist() == [row.argmax().item()]

    @pytest.mark.parametrize(
        ("last", "message"),
        [
            (torch.zeros(2, IN, 3, 3), r"maps \(2, 6, 3, 3\): set neck=.*GlobalAveragePooling"),
            (torch.zeros(2, IN + 1), "set head.in_channels=7"),
        ],
    )
    def test_other_features_are_refused(self, last, message):
        with pytest.raises(InputError, match=message):
            self.build()((last,))

    @pytest.mark.parametrize("label", [-1, CLASSES, 255])
    def test_unknown_images_never_reach_training(self, labels, label):
        labels[3] = label
        with pytest.raises(InputError, match=f"3.png has label {label}, but .* are 0 to 3"):
            self.build().loss(feats(), labelled(labels))

    @pytest.mark.parametrize("labels_given", [[], [1, 2]])
    def test_one_label_an_image(self, labels, labels_given):
        samples = labelled(labels)
        del samples[2].gt_label
        if labels_given:
            samples[2].set_gt_label(labels_given)
        with pytest.raises(InputError, match="2.png has (no|several) label"):
            self.build().loss(feats(), samples)

    def test_soft_targets(self, labels):
        head = self.build()
        samples = labelled(labels)
        one_hot = F.one_hot(labels, CLASSES).float()
        for sample, score in zip(samples, one_hot, strict=True):
            sample.set_gt_score(score)
        given = head.loss(feats(), samples)["loss"]  # `to_onehot` alone mixes nothing
        torch.testing.assert_close(given, self.expected_loss(head(feats()), labels))
        mixed = 0.7 * one_hot + 0.3 * one_hot.roll(1, 0)
        for sample, score in zip(samples, mixed, strict=True):
            sample.set_gt_score(score)
        assert head.needs_hard_labels is not self.takes_soft_targets
        if self.takes_soft_targets:
            loss = head.loss(feats(), samples)["loss"]
            expected = -(mixed * head(feats()).log_softmax(1)).sum(1).mean()
            torch.testing.assert_close(loss, expected)
        else:
            with pytest.raises(InputError, match="needs one class per image: remove MixUp"):
                head.loss(feats(), samples)

    def test_state_dict_round_trip(self, labels):
        head = self.build().train()
        head.loss(feats(), labelled(labels))  # fills the buffers
        head.eval()
        other = self.build(seed=9)
        assert not torch.allclose(other(feats()), head(feats()))
        other.load_state_dict(copy.deepcopy(head.state_dict()), strict=True)
        assert torch.equal(other(feats()), head(feats()))

    def test_initialisation_leaves_the_classifier_alone(self):
        head = self.build()
        before = copy.deepcopy(head.state_dict())
        head.init_weights()
        for name, value in head.state_dict().items():
            assert torch.equal(value, before[name]), name

    def test_data_samples_stay_as_they_are(self, labels):
        samples = labelled(labels)
        self.build().loss(feats(), samples)
        assert isinstance(samples[0], DataSample) and set(samples[0].keys()) == {"gt_label"}
