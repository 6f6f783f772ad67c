"""Anomaly maps of a whole segmentor: values, and that they follow the host's geometry."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from scipy.special import logsumexp, softmax
from torch import distributions, nn

from mmosr.registry import MODELS as MMOSR_MODELS
from mmosr.utils import InputError

pytestmark = pytest.mark.usefixtures("mmseg_scope")
C, T = 4, 3.0  # classes, temperature of the mixture
POST_HOC = ["msp", "max_logit", "entropy", "energy"]
MIXTURE = ["likelihood", "likelihood_ratio", "centred_energy", "marginal"]


@MMOSR_MODELS.register_module(name="TestPixelBackbone", force=True)
class PixelBackbone(nn.Module):
    """A 1x1 convolution: every pixel of the output depends on that pixel of the image alone."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, inputs):
        return [self.conv(inputs).tanh()]


PIXELS = dict(type="mmosr.TestPixelBackbone")
RESNET = dict(
    type="ResNetV1c",
    depth=18,
    num_stages=2,
    strides=(1, 2),
    dilations=(1, 1),
    out_indices=(0, 1),
    base_channels=8,
    norm_cfg=dict(type="BN"),
)
PIXEL_HEAD = dict(in_channels=8, channels=8, num_convs=0, concat_input=False)
RESNET_HEAD = dict(in_channels=16, channels=8, num_convs=1, norm_cfg=dict(type="BN"))


def build(
    head="plain", backbone=PIXELS, type="mmosr.OpenSetEncoderDecoder", test_cfg=None, **kwargs
):
    """A model with random, reproducible parameters; ``head``: plain or lgmm."""
    torch.manual_seed(0)
    decode_head = dict(PIXEL_HEAD if backbone is PIXELS else RESNET_HEAD, num_classes=C)
    if head == "lgmm":
        classifier = dict(embed_dims=6, num_components=2, temperature=T, normalization="l2")
        decode_head.update(type="mmosr.LGMMHead", host="FCNHead", classifier=classifier)
    else:
        decode_head["type"] = "FCNHead"
    cfg = dict(
        type=type,
        backbone=backbone,
        decode_head=decode_head,
        data_preprocessor=dict(type="SegDataPreProcessor"),
        test_cfg=ConfigDict(test_cfg or dict(mode="whole")),
    )
    model = MODELS.build({**cfg, **kwargs})
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
    return model.eval()


def image(size, seed=0):
    return torch.randn(3, *size, generator=torch.Generator().manual_seed(seed))


def predict(model, *images, ori_shape=None, **meta):
    """Samples of some images of one size, through ``test_step``."""
    size = tuple(images[0].shape[1:])
    samples = [
        SegDataSample(metainfo=dict(img_shape=size, ori_shape=ori_shape or size, **meta))
        for _ in images
    ]
    with torch.no_grad():
        return model.test_step(dict(inputs=list(images), data_samples=samples))


def reference(name, logits):
    """The score of class scores ``(C, H, W)`` in NumPy and float64."""
    logits = logits.double().numpy()
    posterior = softmax(logits, 0)
    likelihood = T * (logits + np.log(C))  # uniform prior
    return {
        "msp": 1 - posterior.max(0),
        "max_logit": -logits.max(0),
        "entropy": -(posterior * np.log(posterior)).sum(0) / np.log(C),
        "energy": -logsumexp(logits, 0),
        "likelihood": -likelihood.max(0),
        "likelihood_ratio": likelihood.mean(0) - likelihood.max(0),
        "centred_energy": -16 * logsumexp((likelihood - likelihood.mean(0)) / 16, 0),
        "marginal": np.log(C) - logsumexp(likelihood, 0),
    }[name]


def maps(sample):
    """Logits and all score maps of a sample, as one tensor."""
    scores = sample.pred_anomaly
    return torch.cat([sample.seg_logits.data, *(scores.get(key) for key in sorted(scores.keys()))])


@pytest.mark.parametrize(
    ("head", "scores"), [("plain", POST_HOC), ("lgmm", MIXTURE), ("lgmm", ["energy", *MIXTURE])]
)
@pytest.mark.parametrize("backbone", [PIXELS, RESNET], ids=["pixels", "resnet"])
def test_score_maps_by_value(head, scores, backbone):
    model = build(head, backbone, score=scores)
    (sample,) = predict(model, image((16, 24)), ori_shape=(30, 50))
    assert model.score_names == tuple(scores)
    assert set(sample.pred_anomaly.keys()) == {"data", *scores}
    for name in scores:
        value = sample.pred_anomaly.get(name)
        assert value.shape == (1, 30, 50) and value.dtype == torch.float32
        expected = reference(name, sample.seg_logits.data)
        np.testing.assert_allclose(value[0], expected, rtol=1e-4, atol=1e-4)
        assert value.std() > 1e-3
    torch.testing.assert_close(
        sample.pred_anomaly.data, sample.pred_anomaly.get(scores[0]), rtol=0, atol=0
    )


def test_likelihood_is_the_density_of_the_mixture():
    model = build("lgmm", score=MIXTURE)
    picture = image((5, 7))
    classifier = model.decode_head.classifier
    classifier.memory.counts.copy_(torch.randint(0, 9, (C, 2)))
    (sample,) = predict(model, picture)
    with torch.no_grad():
        z = classifier.embed(model.backbone(picture[None])[0])[0].movedim(0, -1)  # (H, W, D)
        mixture = classifier.mixture
        components = distributions.Independent(
            distributions.Normal(mixture.means, mixture.sigma), 1
        )
        weights = (classifier.memory.counts + 1.0).log()
        density = distributions.MixtureSameFamily(
            distributions.Categorical(logits=weights), components
        ).log_prob(z.unsqueeze(-2))  # (H, W, C)
    scores = sample.pred_anomaly
    torch.testing.assert_close(scores.likelihood[0], -density.amax(-1), rtol=1e-4, atol=1e-4)
    ratio = density.mean(-1) - density.amax(-1)
    torch.testing.assert_close(scores.likelihood_ratio[0], ratio, rtol=1e-4, atol=1e-4)
    marginal = -torch.logsumexp(density - np.log(C), -1)
    torch.testing.assert_close(scores.marginal[0], marginal, rtol=1e-4, atol=1e-4)
    assert torch.equal(sample.pred_sem_seg.data[0], density.argmax(-1))  # uniform prior


@pytest.mark.parametrize("head", ["plain", "lgmm"])
@pytest.mark.parametrize(
    "test_cfg",
    [dict(mode="whole"), dict(mode="slide", crop_size=(12, 12), stride=(8, 8))],
    ids=["whole", "slide"],
)
def test_predictions_are_those_of_the_host(head, test_cfg):
    model = build(head, RESNET, test_cfg=test_cfg, score="msp", reject_threshold=0.5)
    host = build(head, RESNET, "EncoderDecoder", test_cfg)
    assert type(host).__name__ == "EncoderDecoder" and not isinstance(host, type(model))
    for parameter in host.parameters():
        nn.init.zeros_(parameter)
    host.load_state_dict(model.state_dict(), strict=True)
    pictures = image((16, 24)), image((16, 24), 1)
    for ours, theirs in zip(
        predict(model, *pictures, ori_shape=(20, 30)),
        predict(host, *pictures, ori_shape=(20, 30)),
        strict=True,
    ):
        for field in ("pred_sem_seg", "seg_logits"):
            expected = theirs.get(field).data
            assert torch.equal(ours.get(field).data, expected)
            assert ours.get(field).data.dtype == expected.dtype
        assert "pred_anomaly" not in theirs and ours.seg_logits.data.std() > 0.01


@pytest.mark.parametrize("head", ["plain", "lgmm"])
def test_loss_is_that_of_the_host(head):
    model, host = build(head, RESNET).train(), build(head, RESNET, "EncoderDecoder").train()
    labels = torch.randint(0, C, (2, 1, 16, 24))
    losses = []
    for candidate in (model, host):
        torch.manual_seed(1)
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
        losses.append(candidate(torch.stack([image((16, 24))] * 2), samples, mode="loss"))
    assert losses[0].keys() == losses[1].keys()
    for name, value in losses[0].items():
        torch.testing.assert_close(value, losses[1][name], rtol=0, atol=0)


@pytest.mark.parametrize("head", ["plain", "lgmm"])
class TestGeometry:
    """Scores are maps of the class scores, so all that the host does to these reaches them."""

    def scores(self, head):
        return POST_HOC if head == "plain" else [*MIXTURE, *POST_HOC]

    def test_slide_equals_whole_on_one_window(self, head):
        window = dict(mode="slide", crop_size=(16, 24), stride=(8, 8))
        results = [
            maps(predict(build(head, RESNET, test_cfg=cfg, score=POST_HOC), image((16, 24)))[0])
            for cfg in (window, dict(mode="whole"))
        ]
        torch.testing.assert_close(*results)

    def test_overlapping_windows(self, head):
        window = dict(mode="slide", crop_size=(12, 12), stride=(7, 9))
        results = [
            maps(predict(build(head, test_cfg=cfg, score=self.scores(head)), image((30, 41)))[0])
            for cfg in (window, dict(mode="whole"))
        ]
        torch.testing.assert_close(*results)

    @pytest.mark.parametrize(("direction", "axis"), [("horizontal", 2), ("vertical", 1)])
    def test_flip_is_undone(self, head, direction, axis):
        model = build(head, score=self.scores(head))
        picture = image((9, 14))
        flipped = predict(model, picture.flip(axis), flip=True, flip_direction=direction)
        torch.testing.assert_close(maps(flipped[0]), maps(predict(model, picture)[0]))

    @pytest.mark.parametrize("mode", ["whole", "slide"])
    def test_padding_never_leaks(self, head, mode):
        test_cfg = dict(mode=mode, crop_size=(16, 16), stride=(10, 10))
        kwargs = dict(test_cfg=test_cfg, score=self.scores(head))
        padding = dict(type="SegDataPreProcessor", pad_val=50, test_cfg=dict(size_divisor=32))
        model, padded = build(head, **kwargs), build(head, data_preprocessor=padding, **kwargs)
        picture = image((20, 33))
        # The resize after it must not see the padding either.
        for ori_shape in ((20, 33), (41, 70)):
            seen = predict(padded, picture, ori_shape=ori_shape)[0]
            expected = predict(model, picture, ori_shape=ori_shape)[0]
            assert seen.metainfo["pad_shape"] == (32, 64)
            torch.testing.assert_close(maps(seen), maps(expected))

    def test_padding_on_all_sides(self, head):
        model = build(head, score=self.scores(head))
        picture = image((10, 12))
        padded = nn.functional.pad(picture, (3, 5, 2, 4), value=50)
        seen = predict(model, padded, ori_shape=(10, 12), padding_size=[3, 5, 2, 4])
        torch.testing.assert_close(maps(seen[0]), maps(predict(model, picture)[0]))

    def test_scores_are_taken_after_the_resize(self, head):
        model = build(head, score=self.scores(head))
        picture = image((8, 10))
        (sample,) = predict(model, picture, ori_shape=(31, 37))
        small = predict(model, picture)[0]
        resized = nn.functional.interpolate(small.seg_logits.data[None], (31, 37), mode="bilinear")
        torch.testing.assert_close(sample.seg_logits.data, resized[0])
        for name in model.score_names:
            expected = reference(name, resized[0])
            np.testing.assert_allclose(
                sample.pred_anomaly.get(name)[0], expected, rtol=1e-4, atol=1e-4
            )

    def test_batch_of_images_of_different_original_shape(self, head):
        model = build(head, RESNET, score=self.scores(head))
        pictures = [image((16, 24)), image((16, 24), 1)]
        shapes = [(20, 30), (33, 17)]
        samples = [
            SegDataSample(metainfo=dict(img_shape=(16, 24), ori_shape=shape)) for shape in shapes
        ]
        with torch.no_grad():
            batch = model.test_step(dict(inputs=pictures, data_samples=samples))
        for picture, shape, sample in zip(pictures, shapes, batch, strict=True):
            assert sample.pred_anomaly.data.shape == (1, *shape)
            alone = predict(model, picture, ori_shape=shape)[0]
            torch.testing.assert_close(maps(sample), maps(alone), rtol=1e-4, atol=1e-5)


def test_without_data_samples():
    model = build()
    picture = image((6, 8))
    with torch.no_grad():
        (sample,) = model(picture[None], mode="predict")
    torch.testing.assert_close(maps(sample), maps(predict(model, picture)[0]))


def test_half_precision_gives_float32_scores():
    model = build(score=POST_HOC)
    with torch.autocast("cpu", torch.bfloat16):
        (sample,) = predict(model, image((6, 8)))
    assert sample.seg_logits.data.dtype == torch.bfloat16
    for name in POST_HOC:
        value = sample.pred_anomaly.get(name)
        assert value.dtype == torch.float32
        np.testing.assert_allclose(
            value[0], reference(name, sample.seg_logits.data), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("head", ["plain", "lgmm"])
def test_reject_threshold(head):
    model = build(head, score=["energy", "msp"])
    picture = image((16, 24))
    (before,) = predict(model, picture)
    assert "pred_open_set" not in before
    # At the value of a pixel: the score must lie above, not at, the threshold.
    threshold = before.pred_anomaly.energy.flatten().sort().values[200].item()
    model = build(head, score=["energy", "msp"], reject_threshold=threshold)
    (sample,) = predict(model, picture)
    rejected = sample.pred_anomaly.energy > threshold
    assert rejected.sum() == 16 * 24 - 201
    expected = torch.where(rejected, 254, before.pred_sem_seg.data)
    assert torch.equal(sample.pred_open_set.data, expected)
    assert sample.pred_open_set.data.dtype == torch.int64
    assert torch.equal(sample.pred_sem_seg.data, before.pred_sem_seg.data)


def test_threshold_zero_counts():
    (sample,) = predict(build(score="max_logit", reject_threshold=0.0), image((16, 24)))
    assert torch.equal(sample.pred_open_set.data == 254, sample.pred_anomaly.data > 0)


@pytest.mark.parametrize(("head", "default"), [("plain", "msp"), ("lgmm", "likelihood")])
def test_default_score(head, default):
    model = build(head)
    assert model.score_names == (default,)
    (sample,) = predict(model, image((6, 8)))
    expected = reference(default, sample.seg_logits.data)
    np.testing.assert_allclose(sample.pred_anomaly.data[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("score", ["likelihood", ["msp", "mps"], []])
def test_unknown_score(score):
    with pytest.raises(InputError, match="choose from msp, max_logit, entropy, energy"):
        build(score=score)


def test_unknown_score_lists_those_of_the_method():
    with pytest.raises(InputError, match="score max is not .* choose from likelihood, likelihood_"):
        build("lgmm", score=["msp", "max"])


def test_binary_head():
    head = dict(PIXEL_HEAD, type="FCNHead", num_classes=2, out_channels=1, threshold=0.5)
    with pytest.raises(InputError, match="set out_channels=num_classes"):
        build(decode_head=head)
