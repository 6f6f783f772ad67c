"""M2IOSR: losses by value, predictions, scores and configs."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from mmosr.utils import InputError

from .m2iosr_toy import FIRST, INFORMATION, SECOND, SGD, SIZE, C, J, batch, build, parts, stacked
from .toy import fit, images, labelled, predict, random_labels

CONFIG = Path(__file__).parents[2] / "configs" / "m2iosr_vgg13_cifar10.py"
pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


class TestFirstPhase:
    @pytest.mark.parametrize("sample_latent", [True, False])
    def test_losses_by_value(self, sample_latent):
        weights = dict(global_weight=0.4, local_weight=0.9, scale_weights=(0.2, 0.5, 0.3))
        model = build(
            information={**INFORMATION, **weights}, kl_weight=0.25, sample_latent=sample_latent
        )
        data = batch()
        inputs, labels = stacked(data)
        torch.manual_seed(7)
        found = model(inputs, data["data_samples"], mode="max_min")
        wide, narrow, top = model.backbone.maps(inputs)
        mean = model.backbone.latent(top)
        deviation = (0.5 * model.gaussians.log_variance(top)).exp()
        torch.manual_seed(7)
        latent = mean + deviation * torch.randn(6, J) if sample_latent else mean
        estimates = model.information(wide, narrow, latent)
        local = 0.2 * estimates["1t16"] + 0.5 * estimates["1t4"] + 0.3 * estimates["4t4"]
        expected = -(0.4 * estimates["global"] + 0.9 * local)
        torch.testing.assert_close(found["loss_information"], expected)
        layer = model.gaussians.class_mean
        prior = F.one_hot(labels, C).float() @ layer.weight.T + layer.bias
        kl = kl_divergence(Normal(mean, deviation), Normal(prior, 1.0)).sum(1).mean()
        torch.testing.assert_close(found["loss_kl"], 0.25 * kl)
        torch.testing.assert_close(found["kl"], kl)
        for name, value in estimates.items():
            torch.testing.assert_close(found[f"mi_{name}"], value)
        logged = {"kl", "mi_global", "mi_1t16", "mi_1t4", "mi_4t4"}
        assert found.keys() == {"loss_information", "loss_kl", *logged}
        assert not any(found[name].requires_grad for name in logged)

    @pytest.mark.parametrize(("phase", "moved"), [("max_min", FIRST), ("classification", SECOND)])
    def test_gradients(self, phase, moved):
        model, data = build(), batch()
        losses = model(stacked(data)[0], data["data_samples"], mode=phase)
        model.parse_losses(losses)[0].backward()
        for name, parameter in model.named_parameters():
            if parts(model)[name] in moved:
                before_norm = name == "backbone.first.0.bias"  # which takes it away
                assert before_norm or parameter.grad.abs().sum() > 1e-6, name
            else:
                assert parameter.grad is None, name

    def test_second_phase_is_the_cross_entropy_of_the_mean(self):
        model, data = build(), batch()
        inputs, labels = stacked(data)
        loss = model(inputs, data["data_samples"], mode="classification")["loss"]
        logits = model.head.fc(model.backbone(inputs)[2])
        torch.testing.assert_close(loss, F.cross_entropy(logits, labels))

    def test_one_image_is_refused(self):
        with pytest.raises(InputError, match="2 or more images in a batch"):
            build().eval().max_min_loss(images(1, (SIZE, SIZE)), labelled(torch.tensor([0])))

    @pytest.mark.parametrize("label", [-1, C])
    def test_unknown_images_never_reach_training(self, label):
        model = build()
        wrapper = build_optim_wrapper(model, dict(optimizer=SGD))
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(InputError, match=f"2.png has label {label}, but .* are 0 to 3"):
            model.train_step(batch(labels=torch.tensor([0, 1, label, 2, 3, 0])), wrapper)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


class TestModel:
    def test_prediction_and_score(self):
        model = build().eval()
        inputs = images(6, (SIZE, SIZE))
        logits = model.head.fc(model.backbone(inputs)[2])
        assert torch.equal(model(inputs), logits)
        for sample, row in zip(predict(model, inputs), logits.softmax(1), strict=True):
            torch.testing.assert_close(sample.pred_score, row)
            assert sample.pred_label.tolist() == [row.argmax().item()]
            assert list(sample.anomaly_scores) == ["msp"]
            torch.testing.assert_close(sample.anomaly_score, 1 - row.max())

    def test_post_hoc_scores(self):
        model = build(score=["energy", "mahalanobis"]).eval()
        seen, labels = images(40, (SIZE, SIZE), seed=3), random_labels(40, C)
        fit(model, (seen, labels))
        inputs = images(6, (SIZE, SIZE))
        with torch.no_grad():
            new, rows = (model.backbone(x)[2].double().numpy() for x in (inputs, seen))
            energy = -model(inputs).logsumexp(1)
        means = np.stack([rows[labels.numpy() == c].mean(0) for c in range(C)])
        residual = rows - means[labels.numpy()]
        covariance = residual.T @ residual / len(rows)
        covariance = 0.999 * covariance + 0.001 * np.trace(covariance) / J * np.eye(J)
        gap = new[:, None] - means
        expected = np.einsum("ncd,de,nce->nc", gap, np.linalg.inv(covariance), gap).min(1)
        for index, sample in enumerate(predict(model, inputs)):
            torch.testing.assert_close(sample.anomaly_score, energy[index])
            found = sample.anomaly_scores["mahalanobis"].item()
            np.testing.assert_allclose(found, expected[index], rtol=1e-3)

    def test_other_backbones_are_refused(self):
        with pytest.raises(InputError, match="OSRCINet has none: use mmosr.CROSRVGG13"):
            build(backbone=dict(type="mmosr.OSRCINet"))

    def test_mixing_augmentations_are_refused(self):
        augments = dict(augments=[dict(type="Mixup", alpha=0.8)])
        with pytest.raises(InputError, match="M2IOSR needs one class per image: remove MixUp"):
            build(
                train_cfg=augments,
                data_preprocessor=dict(num_classes=C),
            )

    def test_negative_kl_weight(self):
        with pytest.raises(ValueError, match="kl_weight must be 0 or above, got -1"):
            build(kl_weight=-1)

    def test_config(self):
        model = MODELS.build(Config.fromfile(CONFIG).model)

        def count(*modules):
            return sum(p.numel() for module in modules for p in module.parameters())

        # Table 7, 9,428k for softmax and 9,444k for M2IOSR, counts a bias of each convolution,
        # which has no effect before a batch norm, and no discriminators.
        softmax = count(model.backbone, model.head) + 2 * (64 + 128 + 256 + 512 + 512)
        assert round(softmax / 1000) == 9428
        assert round((softmax + count(model.gaussians.log_variance)) / 1000) == 9444
        model.init_weights()
        inputs, samples = images(3, (32, 32)), labelled(torch.tensor([1, 0, 9]))
        losses = model.train()(inputs, samples, mode="max_min")
        model.parse_losses(losses)[0].backward()
        assert all(p.grad is not None for p in model.information.parameters())
