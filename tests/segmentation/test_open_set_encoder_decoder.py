"""Anomaly maps of a whole segmentor by value."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import distributions, nn

from mmosr.utils import InputError

from .toy import (
    MIXTURE,
    PIXEL_HEAD,
    PIXELS,
    POST_HOC,
    RESNET,
    C,
    build,
    image,
    maps,
    predict,
    reference,
)

pytestmark = pytest.mark.usefixtures("mmseg_scope")


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
    # Equal to the score of a pixel: it must be above, not at, the threshold.
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
