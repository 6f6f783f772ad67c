"""Logits, and the layer that computes them, of mmpretrain's own models."""

import copy

import pytest
import torch
from torch.nn import functional as F

from mmosr.config.loading import load_config
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .toy import C, D, build, fit, images, predict, random_labels

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")
# Networks that end in their class scores: a published config, image size and channels, classes, and
# the channels of what enters the last layer.
WHOLE = dict(
    lenet=("lenet/lenet5_mnist.py", 32, 1, 10, 84),
    inception=("inception_v3/inception-v3_8xb32_in1k.py", 96, 3, 1000, 2048),
    vgg=("vgg/vgg11_8xb32_in1k.py", 224, 3, 1000, 4096),
)


def score(samples, name):
    return torch.stack([sample.anomaly_scores[name] for sample in samples])


class TestNetworksThatEndInClassScores:
    @pytest.mark.parametrize("network", WHOLE)
    def test_scores(self, network, tmp_path):
        file, size, channels, classes, dims = WHOLE[network]
        path = tmp_path / "own.py"
        path.write_text(f"_base_ = 'mmpretrain::{file}'\n")
        cfg = load_config(path).model
        cfg.data_preprocessor = None
        host = MODELS.build(copy.deepcopy(cfg)).eval()
        cfg.update(type="mmosr.OpenSetImageClassifier", score=["msp", "energy", "mahalanobis"])
        model = MODELS.build(cfg).eval()
        model.load_state_dict(host.state_dict(), strict=True)
        assert (model.known_classes, model.feature_dims) == (classes, dims)
        inputs = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), model.only_scores(["msp", "energy"]), model.catch() as caught:
            ours, theirs = model.predict(inputs), host.predict(inputs)
            logits = host.backbone(inputs)[-1]
        best = torch.stack([sample.pred_score.max() for sample in theirs])
        torch.testing.assert_close(score(ours, "msp"), 1 - best)
        torch.testing.assert_close(score(ours, "energy"), -logits.logsumexp(1))
        for own, other in zip(ours, theirs, strict=True):
            assert torch.equal(own.pred_score, other.pred_score)
        (features,) = caught.features
        assert features.shape == (2, dims)
        torch.testing.assert_close(model.last_layer(features), logits)

    def test_no_layer_tells_the_classes(self):
        message = (
            "^head ClsHead has no layer of its own, and VGG no linear one .*set num_classes of the"
        )
        with pytest.raises(InputError, match=message):
            MODELS.build(
                dict(
                    type="mmosr.OpenSetImageClassifier",
                    backbone=dict(type="VGG", depth=11),
                    head=dict(type="ClsHead"),
                )
            )


class TestTwoBranches:
    HEAD = dict(type="ConformerHead", in_channels=[D, D])

    def test_logits_are_the_sum(self):
        model = build(self.HEAD, "branches", score=["msp", "energy", "odin", "sml"])
        host = build(self.HEAD, "branches", type="ImageClassifier")
        host.load_state_dict(model.state_dict(), strict=True)
        fit(model, (images(40, seed=3), random_labels(40)))
        ours, theirs = predict(model, images()), predict(host, images())
        with torch.no_grad():
            rows, flipped = model.backbone(images())[-1]
            first, second = model.head.conv_cls_head, model.head.trans_cls_head
            logits = F.linear(rows, first.weight, first.bias) + F.linear(
                flipped, second.weight, second.bias
            )
        assert logits.shape == (6, C)
        for own, other, row in zip(ours, theirs, logits, strict=True):
            assert torch.equal(own.pred_score, other.pred_score)
            torch.testing.assert_close(own.pred_score, row.softmax(0))
        torch.testing.assert_close(score(ours, "msp"), 1 - logits.softmax(1).amax(1))
        torch.testing.assert_close(score(ours, "energy"), -logits.logsumexp(1))
        tempered = -1000 * (C * (logits / 1000).softmax(1).amax(1)).log()
        # The image is moved so that the logits are more certain.
        assert (score(ours, "odin") < tempered).all()
        assert torch.isfinite(score(ours, "sml")).all() and score(ours, "sml").std() > 0

    def test_no_features_before_one_layer(self):
        with pytest.raises(InputError, match="score mahalanobis .* ConformerHead does not end in"):
            build(self.HEAD, "branches", score="mahalanobis")
