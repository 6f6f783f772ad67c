"""Heads: the contract for each, exact agreement with mmseg, and hosts that cannot be wrapped."""

import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS as MMSEG_MODELS

from mmosr.methods import ChannelLinear, OpenSetClassifier
from mmosr.registry import MODELS
from mmosr.segmentation import LGMMHead, OpenSetHead
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
    """A head that goes on after ``conv_seg``."""

    def forward(self, inputs):
        return super().forward(inputs).repeat(1, 2, 1, 1)


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
class TestRefusedHosts:
    """Heads that do not end in ``conv_seg`` are refused, by name, and not silently misused."""

    def test_segmenter_has_no_conv_seg(self):
        with pytest.raises(InputError, match="'SegmenterMaskTransformerHead' does not end in conv"):
            wrap(
                "SegmenterMaskTransformerHead",
                in_channels=16,
                channels=16,
                num_layers=1,
                num_heads=2,
                embed_dims=16,
            )

    def test_knet_has_its_classifier_inside(self):
        update = dict(
            type="KernelUpdateHead",
            num_classes=NUM_CLASSES,
            num_heads=2,
            num_ffn_fcs=2,
            feedforward_channels=16,
            in_channels=8,
            out_channels=8,
            feat_transform_cfg=dict(conv_cfg=dict(type="Conv2d"), act_cfg=None),
            kernel_updator_cfg=dict(
                type="KernelUpdator",
                in_channels=8,
                feat_channels=8,
                out_channels=8,
                norm_cfg=dict(type="LN"),
            ),
        )
        generate = dict(type="FCNHead", in_channels=16, channels=8, num_classes=NUM_CLASSES)
        cfg = dict(kernel_generate_head=generate, kernel_update_head=[update])
        with pytest.raises(InputError, match="'IterativeDecodeHead' does not end in conv_seg"):
            LGMMHead("IterativeDecodeHead", num_stages=1, **cfg)

    def test_cascade_head_needs_another_prediction(self):
        with pytest.raises(InputError, match="'OCRHead'.*prev_output"):
            wrap("OCRHead", in_channels=16, channels=8, ocr_channels=4)

    @pytest.mark.parametrize("training", [False, True])
    @pytest.mark.parametrize(
        ("host", "cfg"),
        [
            ("DAHead", dict(in_channels=16, pam_channels=4)),
            ("EncHead", dict(in_channels=[6, 16], in_index=[0, 1], num_codes=4, add_lateral=False)),
        ],
    )
    def test_several_outputs(self, host, cfg, training):
        head = wrap(host, channels=8, **cfg).train(training)
        with pytest.raises(InputError, match=f"'{host}' does not return the features"):
            head(features())
        with pytest.raises(InputError, match=f"'{host}' does not return the features"):
            head.loss(features(), label_samples(random_labels(HIGH)), None)

    @pytest.mark.parametrize("host", ["DDRHead", "PIDHead"])
    def test_several_outputs_in_training(self, host):
        cfg = dict(in_channels=16, channels=16, norm_cfg=dict(type="BN"))
        head = wrap(host, **cfg).train()
        channels = (8, 16) if host == "DDRHead" else (8, 16, 8)
        inputs = tuple(torch.randn(2, size, 8, 8) for size in channels)
        with pytest.raises(InputError, match=f"'{host}' does not return the features"):
            head.loss(inputs, label_samples(random_labels(HIGH)), None)

    def test_work_after_conv_seg(self):
        head = wrap("TestDoublingHead", in_channels=16, channels=8)
        with pytest.raises(InputError, match="'DoublingHead' does not return the features"):
            head(features())

    def test_binary_head(self):
        with pytest.raises(InputError, match="'FCNHead' has out_channels=1"):
            LGMMHead(
                "FCNHead", in_channels=4, channels=4, num_classes=2, out_channels=1, threshold=0.5
            )

    def test_unknown_host_is_named(self):
        with pytest.raises(KeyError, match="FNCHead"):
            wrap("FNCHead", in_channels=16, channels=8)
