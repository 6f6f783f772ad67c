"""Anomaly scores of whole image classifiers by value."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from mmosr.registry import MODELS
from mmosr.scored_model import set_scores
from mmosr.utils import InputError
from tests.segmentation.toy import MIXTURE, POST_HOC, reference

from .toy import (
    HEADS,
    OPEN_SET,
    C,
    build,
    features_of,
    fit,
    images,
    labelled,
    predict,
    random_labels,
)

# Plain heads of mmpretrain by name: what is set, and the layout of the features they take.
PLAIN = dict(
    linear=(dict(type="LinearClsHead"), "rows"),
    transformer=(dict(type="VisionTransformerClsHead"), "tokens"),
    transformer_hidden=(dict(type="VisionTransformerClsHead", hidden_dim=5), "tokens"),
    stacked=(dict(type="StackedLinearClsHead", mid_channels=[7, 5]), "rows"),
    arcface=(dict(type="ArcFaceClsHead", scale=8.0), "rows"),
    vig=(dict(type="VigClsHead", hidden_dim=7), "rows"),
    levit=(dict(type="LeViTClsHead", distillation=False), "rows"),
    efficientformer=(dict(type="EfficientFormerClsHead", distillation=False), "rows"),
)


def scores_of(samples, name):
    return torch.stack([sample.anomaly_scores[name] for sample in samples])


@pytest.fixture(params=PLAIN)
def plain(request):
    return PLAIN[request.param]


class TestPlainHeads:
    """Post-hoc scores of mmpretrain's own heads, from logits and features caught by hooks."""

    def test_scores_of_logits(self, plain):
        head, layout = plain
        model = build(head, layout, score=POST_HOC)
        samples = predict(model, images())
        with torch.no_grad():
            logits = model.head(model.backbone(images()))
        assert logits.shape == (6, C)
        for name in POST_HOC:
            found = scores_of(samples, name)
            assert found.shape == (6,) and found.dtype == torch.float32
            np.testing.assert_allclose(found, reference(name, logits.T), rtol=1e-4, atol=1e-6)
        for sample, row in zip(samples, logits, strict=True):
            assert list(sample.anomaly_scores) == POST_HOC
            assert sample.anomaly_score is sample.anomaly_scores["msp"]
            torch.testing.assert_close(sample.pred_score, row.softmax(0))
            assert sample.pred_label.tolist() == [row.argmax().item()]

    def test_features_are_what_enters_the_last_layer(self, plain):
        head, layout = plain
        model = build(head, layout, score=["mahalanobis", "msp"])
        labels = random_labels(40)
        fit(model, (images(40, seed=3), labels))
        with torch.no_grad(), model.catch() as caught:
            model.head(model.backbone(images(40, seed=3)))
            model.head(model.backbone(images()))
            rows, new = (features.double().numpy() for features in caught.features)
            if head["type"] != "ArcFaceClsHead":
                layer = model.last_layer
                torch.testing.assert_close(layer(caught.features[1]), caught.logits[1])
        if layout == "rows" and head["type"] in ("LinearClsHead", "ArcFaceClsHead"):
            np.testing.assert_allclose(new, features_of(model, images()), rtol=1e-6)
        labels = labels.numpy()
        means = np.stack([rows[labels == c].mean(0) for c in range(C)])
        residual = rows - means[labels]
        dims = rows.shape[1]
        assert model.feature_dims == dims
        covariance = residual.T @ residual / len(rows)
        covariance = 0.999 * covariance + 0.001 * np.trace(covariance) / dims * np.eye(dims)
        gap = new[:, None] - means
        expected = np.einsum("ncd,de,nce->nc", gap, np.linalg.inv(covariance), gap).min(1)
        found = scores_of(predict(model, images()), "mahalanobis")
        np.testing.assert_allclose(found, expected, rtol=1e-3)

    def test_odin(self, plain):
        head, layout = plain
        model = build(head, layout, score=[dict(type="odin", epsilon=0.05, temperature=2.0)])

        def logits(inputs):
            return model.head(model.backbone(inputs))

        inputs = images().requires_grad_()
        (logits(inputs) / 2).log_softmax(1).amax(1).sum().backward()
        with torch.no_grad():
            moved = images() + 0.05 * inputs.grad.sign()
            expected = -2 * (C * (logits(moved) / 2).softmax(1).amax(1)).log()
        model.zero_grad(set_to_none=True)
        found = scores_of(predict(model, images()), "odin")
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_predictions_and_losses_are_those_of_the_host(self, plain):
        head, layout = plain
        model = build(head, layout, score=POST_HOC, reject_threshold=0.3)
        host = build(head, layout, type="ImageClassifier", seed=5)
        host.load_state_dict(model.state_dict(), strict=True)
        for ours, theirs in zip(predict(model, images()), predict(host, images()), strict=True):
            assert torch.equal(ours.pred_score, theirs.pred_score)
            assert torch.equal(ours.pred_label, theirs.pred_label)
            assert "anomaly_score" not in theirs
        samples = labelled(random_labels(6))
        ours, theirs = (m(images(), samples, mode="loss") for m in (model, host))
        assert ours.keys() == theirs.keys() and torch.equal(ours["loss"], theirs["loss"])


class TestMethodHeads:
    def test_l_gmm_is_the_density_of_the_mixture(self):
        model = build("lgmm", score=[*MIXTURE, "energy"])
        classifier = model.classifier
        classifier.memory.counts.copy_(torch.randint(0, 9, (C, 2)))
        samples = predict(model, images())
        with torch.no_grad():
            z = classifier.embed(features_of(model, images()))
            mixture = classifier.mixture
            normal = torch.distributions.Normal(mixture.means, mixture.sigma)
            density = torch.distributions.MixtureSameFamily(
                torch.distributions.Categorical(logits=(classifier.memory.counts + 1.0).log()),
                torch.distributions.Independent(normal, 1),
            ).log_prob(z[:, None, None].squeeze(1))  # (N, C)
        close = dict(rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(scores_of(samples, "likelihood"), -density.amax(1), **close)
        ratio = density.mean(1) - density.amax(1)
        torch.testing.assert_close(scores_of(samples, "likelihood_ratio"), ratio, **close)
        marginal = -torch.logsumexp(density - np.log(C), 1)
        torch.testing.assert_close(scores_of(samples, "marginal"), marginal, **close)
        posterior = (density / 3).softmax(1)  # temperature 3, uniform prior
        for sample, row in zip(samples, posterior, strict=True):
            torch.testing.assert_close(sample.pred_score, row, **close)
            assert sample.anomaly_score is sample.anomaly_scores["likelihood"]

    def test_cac_against_the_formulas(self):
        model = build("cac", score=["cac", "cac_fixed", "cac_reestimated"])
        fit(model, (images(40, seed=3), random_labels(40)))
        samples = predict(model, images())
        with torch.no_grad():
            z = model.classifier.projection(features_of(model, images())).double().numpy()
        found = dict(
            cac=model.classifier.reestimated_anchors,
            cac_fixed=10 * torch.eye(C),
            cac_reestimated=model.classifier.reestimated_anchors,
        )
        assert not torch.allclose(found["cac"], found["cac_fixed"])
        for name, anchors in found.items():
            d = np.linalg.norm(z[:, None] - anchors.double().numpy(), axis=2)
            gamma = d * (1 - softmax(-d, 1))
            np.testing.assert_allclose(scores_of(samples, name), gamma.min(1), rtol=1e-4, atol=1e-5)
            if name == "cac":
                labels = [sample.pred_label.item() for sample in samples]
                assert labels == gamma.argmin(1).tolist() == d.argmin(1).tolist()
                assert len(set(labels)) > 1

    def test_m_ovr_against_the_formula(self):
        model = build("movr")
        samples = predict(model, images())
        f = features_of(model, images()).double()
        cosine = (
            torch.nn.functional.normalize(f)
            @ torch.nn.functional.normalize(model.classifier.prototypes.detach().double()).T
        )
        p = torch.sigmoid(32 * cosine)
        best = p.argmax(1)
        others = torch.ones_like(p).scatter(1, best[:, None], 0)
        expected = -p.amax(1).log() - (others * torch.log1p(-p)).sum(1)
        np.testing.assert_allclose(scores_of(samples, "movr"), expected, rtol=1e-3, atol=1e-5)
        assert [sample.pred_label.item() for sample in samples] == best.tolist()

    @pytest.mark.parametrize(
        ("head", "name"),
        [("lgmm", "likelihood"), ("cac", "cac"), ("movr", "movr"), ("plain", "msp")],
    )
    def test_default_score(self, head, name):
        assert build(head).score_names == (name,)

    @pytest.mark.parametrize("head", ["plain", *HEADS])
    def test_scores_add_nothing_to_the_state_dict(self, head):
        names = ["msp", "sml", "kl_matching", "mahalanobis", "odin", "odin_fitted"]
        model = fit(build(head, score=names), (images(40, seed=3), random_labels(40)))
        assert model.state_dict().keys() == build(head, score="msp").state_dict().keys()
        fresh = build(head, score=names)
        fresh.load_state_dict(model.state_dict(), strict=True)
        fresh.load_score_statistics(model.score_statistics())
        for ours, theirs in zip(predict(model, images()), predict(fresh, images()), strict=True):
            assert ours.anomaly_scores == theirs.anomaly_scores and len(ours.anomaly_scores) == 6


class TestUse:
    def test_rejection(self):
        before = predict(build(score=["energy", "msp"]), images())
        assert "pred_open_set" not in before[0]
        values = scores_of(before, "energy")
        # Equal to the score of an image: it must be above, not at, the threshold.
        threshold = values.sort().values[2].item()
        samples = predict(build(score=["energy", "msp"], reject_threshold=threshold), images())
        for sample, twin, value in zip(samples, before, values, strict=True):
            assert torch.equal(sample.pred_label, twin.pred_label)
            expected = [-1] if value > threshold else twin.pred_label.tolist()
            assert sample.pred_open_set.tolist() == expected
        assert sum(sample.pred_open_set.item() == -1 for sample in samples) == 3

    def test_half_precision_gives_float32_scores(self):
        model = build(score=POST_HOC)
        with torch.autocast("cpu", torch.bfloat16):
            samples = predict(model, images())
            logits = model.head(model.backbone(images())).detach()
        assert logits.dtype == torch.bfloat16
        for name in POST_HOC:
            found = scores_of(samples, name)
            assert found.dtype == torch.float32
            np.testing.assert_allclose(found, reference(name, logits.T), rtol=1e-5, atol=1e-6)

    def test_without_data_samples(self):
        model = build(score="energy")
        with torch.no_grad():
            alone = model(images(), mode="predict")
        assert [s.anomaly_score for s in alone] == [
            s.anomaly_score for s in predict(model, images())
        ]

    def test_only_some_scores_for_a_while(self):
        model = build(score=["sml", "energy"])
        with model.only_scores(["energy"]):
            assert list(predict(model, images())[0].anomaly_scores) == ["energy"]
        with model.only_scores(()):
            assert "anomaly_score" not in predict(model, images())[0]
        with pytest.raises(InputError, match="not fitted: run tools/fit_score.py"):
            predict(model, images())

    def test_unfitted_anchors_are_refused(self):
        with pytest.raises(InputError, match="not fitted: run tools/fit_score.py"):
            predict(build("cac"), images())

    def test_any_score_for_a_host_config(self):
        model_cfg = dict(
            type="ImageClassifier",
            backbone=dict(type="mmosr.TestImageBackbone"),
            head=dict(type="LinearClsHead", **OPEN_SET),
        )
        build()  # sets the scope
        set_scores(model_cfg, ["energy"])
        assert model_cfg["type"] == "mmosr.OpenSetImageClassifier"
        assert MODELS.build(model_cfg).score_names == ("energy",)


@pytest.mark.parametrize(
    ("head", "score"),
    [
        ("plain", "sml_smooth"),
        ("plain", dict(type="mahalanobis", smoothing=True)),
        ("lgmm", dict(type="likelihood", boundary_suppression=True)),
    ],
)
def test_options_of_maps_are_refused(head, score):
    with pytest.raises(
        InputError, match="need maps, and OpenSetImageClassifier gives one"
    ) as error:
        build(head, score=score)
    assert "\n" not in str(error.value)


class TestRefusedHeads:
    @pytest.mark.parametrize(
        "head",
        [
            dict(type="MultiLabelLinearClsHead"),
            dict(type="CSRAClsHead", num_heads=1, lam=0.1),
        ],
    )
    def test_no_softmax_over_classes(self, head):
        with pytest.raises(InputError, match=f"head {head['type']} gives no softmax over classes"):
            build(head)

    def test_no_head(self):
        cfg = dict(type="mmosr.OpenSetImageClassifier", backbone=dict(type="ResNet", depth=18))
        with pytest.raises(InputError, match="head none gives no softmax"):
            MODELS.build(cfg)

    def test_logits_of_two_layers(self):
        head = dict(type="DeiTClsHead")
        samples = predict(build(head, "two tokens", score="energy"), images())
        assert scores_of(samples, "energy").std() > 0
        for name in ("mahalanobis", dict(type="mahalanobis", name="other")):
            with pytest.raises(InputError, match="score mahalanobis .* DeiTClsHead does not end"):
                build(head, "two tokens", score=["msp", name])
        with pytest.raises(InputError, match="rotation_head .* DeiTClsHead does not end"):
            build(head, "two tokens", rotation_head=dict(type="mmosr.RotationHead"))

    @pytest.mark.parametrize("score", ["likelihood", ["msp", "mps"], []])
    def test_unknown_score(self, score):
        with pytest.raises(InputError, match="choose from msp, max_logit, entropy, energy"):
            build(score=score)
