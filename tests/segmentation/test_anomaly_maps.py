"""Anomaly maps follow the host's geometry, including those carried as extra channels."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from scipy.stats import multivariate_normal
from torch import nn

from mmosr.segmentation.fitting import fit_step
from mmosr.utils import InputError

from .toy import HEADS, MIXTURE, POST_HOC, RESNET, C, build, fit, image, maps, predict, reference

pytestmark = pytest.mark.usefixtures("mmseg_scope")
FITTED = ["sml", "kl_matching", "mahalanobis", "mahalanobis_per_class", "feature_likelihood"]
SLIDE = dict(mode="slide", crop_size=(8, 8), stride=(4, 4))
SCORES = {
    "plain": POST_HOC,
    "lgmm": [*MIXTURE, *POST_HOC],
    "movr": ["movr", "max_cosine"],
    "cac": ["cac", "cac_fixed", "cac_reestimated"],
    "fitted": [*FITTED, "odin", "msp"],
    "one riding": ["mahalanobis"],
}


def ready(head, *args, test_cfg=None, **kwargs):
    """A model with fitted statistics, on whole images."""
    model = build(head, *args, **kwargs)
    fit(model, *(image((32, 24), seed) for seed in range(50, 54)))
    model.test_cfg = ConfigDict(test_cfg or model.test_cfg)
    return model


@pytest.mark.parametrize("head", SCORES)
class TestGeometry:
    """Everything the host does to the class scores also happens to every anomaly map."""

    def test_slide_equals_whole_on_one_window(self, head):
        window = dict(mode="slide", crop_size=(16, 24), stride=(8, 8))
        results = [
            maps(predict(ready(head, RESNET, test_cfg=cfg, score=SCORES[head]), image((16, 24)))[0])
            for cfg in (window, dict(mode="whole"))
        ]
        torch.testing.assert_close(*results)

    def test_overlapping_windows(self, head):
        window = dict(mode="slide", crop_size=(12, 12), stride=(7, 9))
        results = [
            maps(predict(ready(head, test_cfg=cfg, score=SCORES[head]), image((30, 41)))[0])
            for cfg in (window, dict(mode="whole"))
        ]
        torch.testing.assert_close(*results)

    @pytest.mark.parametrize(("direction", "axis"), [("horizontal", 2), ("vertical", 1)])
    def test_flip_is_undone(self, head, direction, axis):
        model = ready(head, score=SCORES[head])
        picture = image((9, 14))
        flipped = predict(model, picture.flip(axis), flip=True, flip_direction=direction)
        torch.testing.assert_close(maps(flipped[0]), maps(predict(model, picture)[0]))

    @pytest.mark.parametrize("mode", ["whole", "slide"])
    def test_padding_never_leaks(self, head, mode):
        test_cfg = dict(mode=mode, crop_size=(16, 16), stride=(10, 10))
        kwargs = dict(test_cfg=test_cfg, score=SCORES[head])
        padding = dict(type="SegDataPreProcessor", pad_val=50, test_cfg=dict(size_divisor=32))
        model, padded = ready(head, **kwargs), ready(head, data_preprocessor=padding, **kwargs)
        picture = image((20, 33))
        # The resize after it must not see the padding either.
        for ori_shape in ((20, 33), (41, 70)):
            seen = predict(padded, picture, ori_shape=ori_shape)[0]
            expected = predict(model, picture, ori_shape=ori_shape)[0]
            assert seen.metainfo["pad_shape"] == (32, 64)
            torch.testing.assert_close(maps(seen), maps(expected))

    def test_padding_on_all_sides(self, head):
        model = ready(head, score=SCORES[head])
        picture = image((10, 12))
        padded = nn.functional.pad(picture, (3, 5, 2, 4), value=50)
        seen = predict(model, padded, ori_shape=(10, 12), padding_size=[3, 5, 2, 4])
        torch.testing.assert_close(maps(seen[0]), maps(predict(model, picture)[0]))

    def test_batch_of_images_of_different_original_shape(self, head):
        model = ready(head, RESNET, score=SCORES[head])
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


@pytest.mark.parametrize("head", ["plain", "lgmm", "movr"])
def test_scores_of_logits_are_taken_after_the_resize(head):
    names = [name for name in SCORES[head] if name in (*POST_HOC, *MIXTURE)] or ["msp"]
    model = build(head, score=names)
    picture = image((8, 10))
    (sample,) = predict(model, picture, ori_shape=(31, 37))
    small = predict(model, picture)[0]
    resized = nn.functional.interpolate(small.seg_logits.data[None], (31, 37), mode="bilinear")
    torch.testing.assert_close(sample.seg_logits.data, resized[0])
    for name in model.score_names:
        expected = reference(name, resized[0])
        np.testing.assert_allclose(sample.pred_anomaly.get(name)[0], expected, rtol=1e-4, atol=1e-4)


class TestRidingScores:
    """Scores of the features, the embedding or the network's input."""

    def test_mahalanobis_by_value(self):
        """Against NumPy, from the features of the network and the pixels it was fitted on."""
        model = build(score="mahalanobis")
        pictures = [image((9, 11), seed) for seed in (3, 4, 5)]
        fit(model, *pictures)
        generator = torch.Generator().manual_seed(0)
        labels = torch.cat(
            [torch.randint(0, C, (1, 9, 11), generator=generator) for _ in pictures]
        ).flatten()
        with torch.no_grad():
            rows = model.backbone(torch.stack(pictures))[0].movedim(1, -1).reshape(-1, 8)
            new = model.backbone(image((6, 7))[None])[0][0].movedim(0, -1)
        rows, new, labels = rows.double().numpy(), new.double().numpy(), labels.numpy()
        means = np.stack([rows[labels == c].mean(0) for c in range(C)])
        residual = rows - means[labels]
        covariance = residual.T @ residual / len(rows)
        shrinkage = model.posthoc_scores["mahalanobis"].shrinkage
        covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 8 * np.eye(8)
        gap = new[..., None, :] - means
        expected = np.einsum("hwcd,de,hwce->hwc", gap, np.linalg.inv(covariance), gap).min(-1)
        (sample,) = predict(model, image((6, 7)))
        np.testing.assert_allclose(sample.pred_anomaly.data[0], expected, rtol=1e-3)

    @pytest.mark.parametrize("head", ["plain", "lgmm"])
    def test_layer_likelihood_by_value(self, head):
        """Against SciPy, on two levels of a ResNet and the features, at the size of the latter."""
        model = build(head, backbone=RESNET, score="layer_likelihood")
        pictures = [image((32, 48), seed) for seed in (3, 4, 5)]
        fit(model, *pictures)
        generator = torch.Generator().manual_seed(0)
        labels = [torch.randint(0, C, (1, 1, 32, 48), generator=generator) for _ in pictures]

        def layers(inputs):
            levels = model.backbone(inputs)
            host = getattr(model.decode_head, "host", model.decode_head)
            features = host._forward_feature(levels)
            size = features.shape[2:]
            maps = [nn.functional.interpolate(x, size, mode="bilinear") for x in levels]
            return torch.cat([*maps, features], 1).movedim(1, -1)

        with torch.no_grad():
            rows, new = layers(torch.stack(pictures)), layers(image((32, 48))[None])[0]
        size = rows.shape[1:3]
        labels = nn.functional.interpolate(torch.cat(labels).float(), size).flatten().numpy()
        assert model.layer_dims == rows.shape[-1] == 8 + 16 + 8
        rows = rows.flatten(0, 2).double().numpy()
        columns = []
        for c in range(C):
            own = rows[labels == c]
            covariance = 0.99 * np.cov(own.T, bias=True) + 0.01 * np.diag(rows.var(0))
            density = multivariate_normal(own.mean(0), covariance)
            columns.append(density.logpdf(new.double().numpy()))
        expected = torch.tensor(-np.max(columns, axis=0))[None, None]
        expected = nn.functional.interpolate(expected, (32, 48), mode="bilinear")[0].numpy()
        (sample,) = predict(model, image((32, 48)))
        found = sample.pred_anomaly.data.numpy()
        if head == "lgmm":  # the map is carried at the size of the class scores
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999
        np.testing.assert_allclose(found, expected, rtol=1e-3)

    def test_a_riding_map_is_resized_as_it_is(self):
        model = ready("cac", score="cac_fixed")
        picture = image((8, 10))
        small = predict(model, picture)[0].pred_anomaly.data
        (sample,) = predict(model, picture, ori_shape=(31, 37))
        expected = nn.functional.interpolate(small[None], (31, 37), mode="bilinear")[0]
        torch.testing.assert_close(sample.pred_anomaly.data, expected)

    def test_both_anchor_sets_in_one_pass(self):
        model = ready("cac", score=["cac", "cac_fixed", "cac_reestimated"])
        (sample,) = predict(model, image((6, 8)))
        scores = sample.pred_anomaly
        # At the image's own size the score of the class scores is that of the embedding.
        torch.testing.assert_close(scores.cac, scores.cac_fixed)
        assert (scores.cac - scores.cac_reestimated).abs().max() > 0.01

    def test_odin_by_value(self):
        model = build(score=[dict(type="odin", epsilon=0.05, temperature=2.0)])
        picture = image((5, 6))

        def logits(inputs):
            return model.decode_head(model.backbone(inputs))

        inputs = picture[None].clone().requires_grad_()
        (logits(inputs) / 2).log_softmax(1).amax(1).sum().backward()
        moved = (picture + 0.05 * inputs.grad[0].sign())[None]
        with torch.no_grad():
            expected = -2 * (C * (logits(moved) / 2).softmax(1).amax(1)).log()
        model.zero_grad(set_to_none=True)
        (sample,) = predict(model, picture)
        torch.testing.assert_close(sample.pred_anomaly.odin, expected, rtol=1e-5, atol=1e-5)
        assert all(parameter.grad is None for parameter in model.parameters())
        # The class scores are those of the unchanged picture.
        torch.testing.assert_close(sample.seg_logits.data, logits(picture[None])[0])

    @pytest.mark.parametrize("name", [*FITTED, "odin_fitted"])
    def test_unfitted_scores_are_refused(self, name):
        with pytest.raises(InputError, match="not fitted: run tools/fit_score.py"):
            predict(build(score=name), image((6, 8)))

    def test_unfitted_anchors_are_refused(self):
        with pytest.raises(InputError, match="not fitted: run tools/fit_score.py"):
            predict(build("cac", score=["cac", "cac_reestimated"]), image((6, 8)))

    @pytest.mark.parametrize("head", ["plain", *HEADS])
    def test_scores_add_nothing_to_the_state_dict(self, head):
        plain = build(head, score="msp").state_dict()
        model = ready(head, score=["msp", *FITTED, "odin", "odin_fitted"])
        assert model.state_dict().keys() == plain.keys()
        assert model.score_statistics().keys() == {*FITTED, "odin_fitted"}
        fresh = build(head, score=["msp", *FITTED, "odin", "odin_fitted"])
        fresh.load_state_dict(model.state_dict(), strict=True)
        fresh.load_score_statistics(model.score_statistics())
        ours, theirs = (predict(m, image((6, 8)))[0] for m in (model, fresh))
        torch.testing.assert_close(maps(ours), maps(theirs), rtol=0, atol=0)

    def test_two_scores_of_one_kind_by_name(self):
        warm = dict(type="energy", temperature=2.0, name="energy_2")
        (sample,) = predict(build(score=["energy", warm]), image((6, 8)))
        expected = -2 * torch.logsumexp(sample.seg_logits.data / 2, 0, keepdim=True)
        torch.testing.assert_close(sample.pred_anomaly.energy_2, expected)
        assert not torch.allclose(sample.pred_anomaly.energy, expected)
        with pytest.raises(InputError, match="different scores"):
            build(score=["energy", dict(type="energy", temperature=2.0)])

    def test_only_some_scores_for_a_while(self):
        model = build(score=["sml", "energy", "mahalanobis"])
        with model.only_scores(["energy"]):
            (sample,) = predict(model, image((6, 8)))
        assert set(sample.pred_anomaly.keys()) == {"data", "energy"}
        with model.only_scores(()):
            (sample,) = predict(model, image((6, 8)))
        assert "pred_anomaly" not in sample
        assert model.active_scores == ("sml", "energy", "mahalanobis")

    def test_rejection_by_a_riding_score(self):
        model = ready("plain", score="mahalanobis")
        before = predict(model, image((16, 24)))[0]
        model.reject_threshold = before.pred_anomaly.data.median().item()
        (sample,) = predict(model, image((16, 24)))
        rejected = before.pred_anomaly.data > model.reject_threshold
        assert torch.equal(sample.pred_open_set.data == 254, rejected)


class TestFitting:
    """Only labelled pixels of known classes count, at the resolution where the score works."""

    def fit_on(self, label, **kwargs):
        model = build(**kwargs)
        parts = model.fitted_parts()
        for part in parts.values():
            part.begin_fit()
        size = (8, 12)
        sample = SegDataSample(
            metainfo=dict(img_shape=size, ori_shape=size), gt_sem_seg=PixelData(data=label[None])
        )
        fit_step(model, dict(inputs=[image(size)], data_samples=[sample]), parts)
        for part in parts.values():
            part.end_fit()
        return model

    @pytest.mark.parametrize("test_cfg", [dict(mode="whole"), SLIDE], ids=["whole", "slide"])
    @pytest.mark.parametrize("dropped", [254, 255, 200])
    def test_unknown_and_unlabelled_pixels_are_left_out(self, dropped, test_cfg):
        labels = torch.randint(0, C, (8, 12), generator=torch.Generator().manual_seed(1))
        labels[:4] = dropped
        score = ["sml", "kl_matching", "mahalanobis", "odin_fitted"]
        model = self.fit_on(labels, score=score, test_cfg=test_cfg)
        with torch.no_grad():
            features = model.backbone(image((8, 12))[None])[0]
            logits = model.decode_head(model.backbone(image((8, 12))[None]))[0]
        statistics = model.score_statistics()
        centre = features[0, :, 4:].flatten(1).mean(1)
        torch.testing.assert_close(statistics["mahalanobis"]["centres"][0], centre)
        kept = logits[:, 4:].flatten(1)
        predicted = kept.argmax(0)
        assert len(predicted.unique()) > 1
        for c in predicted.unique().tolist():
            mean = kept.softmax(0)[:, predicted == c].mean(1)
            torch.testing.assert_close(statistics["kl_matching"]["log_templates"][c].exp(), mean)
            top = kept.amax(0)[predicted == c].mean()
            if (predicted == c).sum() > 1:
                torch.testing.assert_close(statistics["sml"]["means"][c], top)

    def test_padding_is_left_out(self):
        padding = dict(type="SegDataPreProcessor", pad_val=50, test_cfg=dict(size_divisor=32))
        labels = torch.randint(0, C, (8, 12), generator=torch.Generator().manual_seed(1))
        score = ["sml", "mahalanobis", "kl_matching"]
        padded = self.fit_on(labels, score=score, data_preprocessor=padding)
        expected = self.fit_on(labels, score=score).score_statistics()
        for name, values in padded.score_statistics().items():
            for key, value in values.items():
                torch.testing.assert_close(value, expected[name][key], rtol=1e-3, atol=1e-4)

    def test_images_without_labels(self):
        model = build(score="sml")
        sample = SegDataSample(metainfo=dict(img_shape=(8, 8), ori_shape=(8, 8), img_path="a.png"))
        data = dict(inputs=[image((8, 8))], data_samples=[sample])
        with pytest.raises(InputError, match=r"a\.png has no labels"):
            fit_step(model, data, model.fitted_parts())

    def test_labels_of_another_size(self):
        model = build(score="sml")
        sample = SegDataSample(
            metainfo=dict(img_shape=(8, 8), ori_shape=(8, 8), img_path="a.png"),
            gt_sem_seg=PixelData(data=torch.zeros(1, 4, 4, dtype=torch.long)),
        )
        data = dict(inputs=[image((8, 8))], data_samples=[sample])
        with pytest.raises(InputError, match=r"a\.png: labels of size \(4, 4\)"):
            fit_step(model, data, model.fitted_parts())
