"""One feature vector per image from backbones of every layout, or one line saying what to set."""

import pytest
import torch

from mmosr.classification.features import feature_vectors
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .toy import D, build, features_of, images, labelled

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")
TOKENS = r"of tokens \(N, L, D\) set backbone.out_type='avg_featmap' or 'cls_token' and no neck"
SEQUENCES = r"of maps \(N, D, L\) set neck=dict\(type='GlobalAveragePooling', dim=1\)"
ARCH = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=16)
TRANSFORMER = dict(type="VisionTransformer", arch=ARCH, img_size=32, patch_size=8)
POOL = dict(type="GlobalAveragePooling")


def model(backbone, in_channels, neck=None, head="LGMMClsHead", **head_cfg):
    head = dict(type=f"mmosr.{head}", in_channels=in_channels, num_classes=3, **head_cfg)
    cfg = dict(type="mmosr.OpenSetImageClassifier", backbone=backbone, neck=neck, head=head)
    return MODELS.build(cfg)


def loss_of(model, size=32):
    inputs = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    return model.loss(inputs, labelled([0, 1, 2]))["loss"]


class TestThreeDimensions:
    """Advice that, if followed, leads to a vector of the network's own width."""

    def test_tokens(self):
        raw = dict(TRANSFORMER, out_type="raw")
        with pytest.raises(
            InputError, match=rf"takes features \(N, D\), got \(3, 17, 8\): {TOKENS}$"
        ):
            loss_of(model(raw, 8))
        for out_type in ("avg_featmap", "cls_token"):
            assert torch.isfinite(loss_of(model(dict(TRANSFORMER, out_type=out_type), 8)))

    @pytest.mark.parametrize("in_channels", [8, 1])
    def test_tokens_averaged_over_their_channels(self, in_channels):
        raw = dict(TRANSFORMER, out_type="raw")
        message = f"the features have 1 channel, .*: {TOKENS}; {SEQUENCES}$"
        with pytest.raises(InputError, match=message):
            loss_of(model(raw, in_channels, POOL))

    def test_sequences(self):
        backbone = dict(type="EfficientFormer", arch="l1", drop_path_rate=0)
        with pytest.raises(InputError, match=rf"got \(3, 448, 49\): {SEQUENCES}$"):
            loss_of(model(backbone, 448), 224)
        assert torch.isfinite(loss_of(model(backbone, 448, dict(POOL, dim=1)), 224))

    @pytest.mark.parametrize("in_channels", [6, 9])
    def test_both_where_it_cannot_be_told(self, in_channels):
        with pytest.raises(InputError, match=f"{TOKENS}; {SEQUENCES}$"):
            feature_vectors([torch.zeros(2, 6, 6)], in_channels, None, "Head")


class TestClassScoresOfTheBackbone:
    def test_inception(self):
        message = "backbone InceptionV3 ends in its own class scores, .*use another backbone"
        with pytest.raises(InputError, match=message):
            model(dict(type="InceptionV3", num_classes=10), 10)

    @pytest.mark.parametrize("kind", [dict(type="VGG", depth=11), dict(type="LeNet5")])
    def test_classes_that_can_be_left_out(self, kind):
        with pytest.raises(
            InputError, match=r"ends in its own class .*: set backbone.num_classes=-1$"
        ):
            model(dict(kind, num_classes=10), 10)
        model(kind, 512, POOL)


class TestSeveralVectors:
    def test_a_choice_is_needed(self):
        message = (
            "^CACClsHead: the backbone gives 2 feature vectors per image, of 8, 8 channels .*"
            "set head.branch='all' with head.in_channels=16, or head.branch=0 to 1 for one"
        )
        distilled = dict(TRANSFORMER, type="DistilledVisionTransformer")
        with pytest.raises(InputError, match=message):
            loss_of(model(distilled, 8, head="CACClsHead"))
        with pytest.raises(InputError, match=message):
            loss_of(model(distilled, 8, head="CACClsHead", branch=2))
        assert torch.isfinite(loss_of(model(distilled, 16, head="CACClsHead", branch="all")))

    def test_conformer(self):
        backbone = dict(type="Conformer", arch="tiny", drop_path_rate=0.0)
        with pytest.raises(InputError, match="2 feature vectors per image, of 256, 384 channels"):
            loss_of(model(backbone, 384), 224)
        assert torch.isfinite(loss_of(model(backbone, 640, branch="all"), 224))

    @pytest.mark.parametrize("branch", [0, 1, "all"])
    def test_values(self, branch):
        width = 2 * D if branch == "all" else D
        backbone = dict(type="mmosr.TestImageBackbone", layout="branches")
        network = model(backbone, width, head="CACClsHead", branch=branch)
        rows = features_of(network, images())
        parts = [rows, rows.flip(1)]
        expected = torch.cat(parts, 1) if branch == "all" else parts[branch]
        found = network.head.pre_logits(network.extract_feat(images()))
        torch.testing.assert_close(found, expected)

    def test_one_vector_beside_patches_needs_none(self):
        head = build("cac", "tokens").head
        rows = torch.randn(2, D)
        assert torch.equal(
            head.pre_logits([torch.zeros(2, 3, 4, 4), [rows[..., None], rows]]), rows
        )
        stages = [torch.zeros(2, 5), rows]  # of several stages the last one counts
        assert torch.equal(head.pre_logits(stages), rows)

    @pytest.mark.parametrize(
        "last", [torch.zeros(2, D), [torch.zeros(2, 3, 3, 3), torch.zeros(2, D)]]
    )
    def test_a_choice_without_several(self, last):
        with pytest.raises(
            InputError, match="branch is 0, but the backbone gives one .*remove head"
        ):
            feature_vectors([last], D, 0, "Head")
