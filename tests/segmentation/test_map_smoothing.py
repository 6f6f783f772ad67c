"""The options of maps that every score of a segmentor has."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.structures import SegDataSample
from torch import nn

from mmosr.scored_model import set_scores
from mmosr.scores.map_smoothing import dilated_smoothing, suppress_boundaries
from mmosr.segmentation import OpenSetTTAModel
from mmosr.utils import InputError

from .toy import RESNET, build, fit, image, predict

pytestmark = pytest.mark.usefixtures("mmseg_scope")
SIZE, SHAPES = (24, 32), [(48, 60), (70, 51)]


def picture(seed=0):
    """Large soft regions: if classes changed at every pixel nothing would be suppressed."""
    return nn.functional.interpolate(image((3, 4), seed)[None], SIZE, mode="bilinear")[0]


def entries(kind, **options):
    """A score unchanged, suppressed, smoothed, and both."""
    suppressed = dict(type=kind, name="suppressed", boundary_suppression=True, **options)
    return [
        dict(type=kind, name="raw", **options),
        suppressed,
        dict(type=kind, name="smooth", smoothing=True, **options),
        dict(suppressed, name="both", smoothing=True),
    ]


def ready(head, score, **kwargs):
    model = build(head, score=score, **kwargs)
    return fit(model, *(picture(seed) for seed in range(50, 54))) if model.fitted_parts() else model


def predict_batch(model):
    """Two images in one batch, each resized to another shape."""
    samples = [SegDataSample(metainfo=dict(img_shape=SIZE, ori_shape=shape)) for shape in SHAPES]
    with torch.no_grad():
        return model.test_step(dict(inputs=[picture(0), picture(1)], data_samples=samples))


@pytest.mark.parametrize(
    ("head", "kind", "space"),
    [
        ("lgmm", "likelihood_ratio", "logits"),
        ("movr", "movr", "logits"),
        ("plain", "energy", "logits"),
        ("plain", "sml", "logits"),
        ("cac", "cac_fixed", "embedding"),
        ("cac", "cac_reestimated", "embedding"),
        ("plain", "mahalanobis", "features"),
        ("lgmm", "odin", "inputs"),
    ],
)
@pytest.mark.parametrize("mode", ["whole", "slide"])
class TestEveryScore:
    def test_finished_map_with_the_predicted_classes(self, head, kind, space, mode):
        test_cfg = dict(mode=mode, crop_size=(20, 20), stride=(10, 10))
        model = ready(head, entries(kind))
        model.test_cfg = ConfigDict(test_cfg)
        assert {model.score_space(name) for name in model.score_names} == {space}
        for sample, shape in zip(predict_batch(model), SHAPES, strict=True):
            maps = sample.pred_anomaly
            assert set(maps.keys()) == {"data", "raw", "suppressed", "smooth", "both"}
            labels = sample.seg_logits.data.argmax(0, keepdim=True)
            assert torch.equal(labels, sample.pred_sem_seg.data) and labels.shape == (1, *shape)
            suppressed = suppress_boundaries(maps.raw, labels)
            assert (suppressed != maps.raw).float().mean() > 0.05
            assert torch.equal(maps.suppressed, suppressed)
            assert torch.equal(maps.smooth, dilated_smoothing(maps.raw))
            assert torch.equal(maps.both, dilated_smoothing(suppressed))
            assert maps.both.dtype == torch.float32

    def test_the_map_is_that_of_the_bare_name(self, head, kind, space, mode):
        names = [kind, dict(type=kind, name="suppressed", boundary_suppression=True)]
        for sample in predict_batch(ready(head, names, test_cfg=dict(mode="whole"))):
            raw, labels = sample.pred_anomaly.get(kind), sample.pred_sem_seg.data
            expected = suppress_boundaries(raw, labels)
            assert torch.equal(sample.pred_anomaly.suppressed, expected)
            assert torch.equal(sample.pred_anomaly.data, raw)


def test_options_of_the_formula_and_of_the_map():
    model = build(score=entries("energy", temperature=2.0))
    (sample,) = predict(model, picture())
    raw = -2 * torch.logsumexp(sample.seg_logits.data / 2, 0, keepdim=True)
    torch.testing.assert_close(sample.pred_anomaly.raw, raw)
    expected = suppress_boundaries(sample.pred_anomaly.raw, sample.pred_sem_seg.data)
    assert torch.equal(sample.pred_anomaly.suppressed, expected)


def test_the_flip_is_undone_first():
    model = build("cac", RESNET, score=entries("cac_fixed"))
    (sample,) = predict(model, picture().flip(2), flip=True, flip_direction="horizontal")
    expected = suppress_boundaries(sample.pred_anomaly.raw, sample.pred_sem_seg.data)
    assert torch.equal(sample.pred_anomaly.suppressed, expected)


def test_rejection_by_a_suppressed_score():
    score = [
        dict(type="likelihood", boundary_suppression=True),
        dict(type="likelihood", name="raw"),
    ]
    model = build("lgmm", score=score)
    threshold = predict(model, picture())[0].pred_anomaly.data.median().item()
    model.reject_threshold = threshold
    (sample,) = predict(model, picture())
    rejected = sample.pred_anomaly.likelihood > threshold
    assert torch.equal(sample.pred_open_set.data == 254, rejected)
    assert not torch.equal(sample.pred_anomaly.raw > threshold, rejected)


class TestFittedScores:
    NAMES = [
        "sml_smooth",
        dict(type="sml", name="twin", boundary_suppression=True, smoothing=True),
        dict(type="sml_smooth", name="bare", boundary_suppression=False, smoothing=False),
        "sml",
    ]

    def test_sml_smooth(self):
        model = ready("plain", self.NAMES)
        for sample in predict_batch(model):
            maps, labels = sample.pred_anomaly, sample.pred_sem_seg.data
            expected = dilated_smoothing(suppress_boundaries(maps.sml, labels))
            assert torch.equal(maps.sml_smooth, expected) and torch.equal(maps.twin, expected)
            assert torch.equal(maps.bare, maps.sml) and not torch.equal(maps.sml, expected)

    def test_statistics_by_the_name_of_the_entry(self):
        statistics = ready("plain", self.NAMES).score_statistics()
        assert statistics.keys() == {"sml_smooth", "twin", "bare", "sml"}
        fresh = build("plain", score=["sml_smooth", "sml"])
        fresh.load_score_statistics({"sml_smooth": statistics["twin"]})
        assert fresh.posthoc_scores["sml_smooth"].fitted
        assert not fresh.posthoc_scores["sml"].fitted


def test_the_views_of_test_time_augmentation_are_suppressed_one_by_one():
    model = build("lgmm", RESNET, score=entries("likelihood_ratio"))
    (first,) = predict(model, picture())
    (second,) = predict(model, picture().flip(2), flip=True, flip_direction="horizontal")
    maps = [
        suppress_boundaries(view.pred_anomaly.raw, view.pred_sem_seg.data)
        for view in (first, second)
    ]
    assert not torch.equal(first.pred_sem_seg.data, second.pred_sem_seg.data)
    for view in (first, second):
        view.set_metainfo(dict(img_path="a.png"))
    (sample,) = OpenSetTTAModel(module=model).merge_preds([[first, second]])
    assert torch.equal(sample.pred_anomaly.suppressed, torch.stack(maps).mean(0))


@pytest.mark.parametrize(
    ("head", "score", "message"),
    [
        (
            "lgmm",
            dict(type="likelihood", temperature=2),
            "own and has no option temperature: choose",
        ),
        ("plain", dict(type="energy", boundary_width=2), "score 'energy': .*boundary_width"),
        ("lgmm", dict(type="likelihood", smoothing="yes"), "'likelihood': smoothing is True or"),
        ("plain", dict(type="sml", boundary_suppression=3), "'sml': boundary_suppression is True"),
        ("lgmm", [dict(type="likelihood", smoothing=True), "likelihood"], "different scores"),
    ],
)
def test_refused(head, score, message):
    with pytest.raises(InputError, match=message) as error:
        build(head, score=score)
    assert "\n" not in str(error.value)


class TestChoosingByName:
    """``--scores`` only takes names: those of the config's own entries refer to them."""

    SMOOTH = dict(type="energy", name="energy_smooth", boundary_suppression=True, smoothing=True)

    def config(self, score):
        return ConfigDict(type="mmosr.OpenSetEncoderDecoder", score=score)

    def test_entries_of_the_config(self):
        cfg = self.config(["msp", self.SMOOTH])
        set_scores(cfg, ["entropy", "energy_smooth", "energy"])
        assert cfg.score == ["entropy", self.SMOOTH, "energy"]

    @pytest.mark.parametrize("before", [SMOOTH, [SMOOTH]])
    def test_one_alone(self, before):
        cfg = self.config(before)
        set_scores(cfg, "energy_smooth")
        assert cfg.score == self.SMOOTH
        set_scores(cfg, "energy")
        assert cfg.score == "energy"

    def test_dicts_are_taken_as_they_are(self):
        cfg = self.config(self.SMOOTH)
        other = dict(type="msp", name="energy_smooth")
        set_scores(cfg, [other])
        assert cfg.score == [other]
