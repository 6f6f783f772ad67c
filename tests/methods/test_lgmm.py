"""Tests of the densities, scores and losses of L-GMM by value."""

import math

import numpy as np
import pytest
import torch

from mmosr.methods import GaussianMixtureClassifier, UnitNormalization
from mmosr.methods.unit_normalization import NORMALIZATIONS

from .contract import ClassifierContract
from .lgmm_reference import Reference, fill_memory, make_classifier


class TestContract(ClassifierContract):
    def make(self):
        return GaussianMixtureClassifier(
            self.in_channels, self.num_classes, embed_dims=8, num_components=2
        )

    def near_and_far(self, classifier):
        means = classifier.mixture.means.detach()
        # Where the mixture of a class is, it leads; half way between two classes, none does.
        gap = torch.zeros_like(means)
        gap[:, :, 0] = torch.tensor([-3.0, -1.0, 1.0, 3.0])[:, None]
        with torch.no_grad():
            classifier.mixture.means.copy_(gap)
        centre, middle = gap[0, :1], torch.zeros_like(gap[0, :1])
        return {
            "likelihood": (centre, centre + 10),
            "marginal": (centre, centre + 10),
            "likelihood_ratio": (centre, middle),
            "centred_energy": (centre, middle),
        }


class TestContractCountedPrior(TestContract):
    def make(self):
        return GaussianMixtureClassifier(
            self.in_channels,
            self.num_classes,
            embed_dims=5,
            normalization="layer",
            class_prior="count",
            temperature=1.0,
        )

    def near_and_far(self, classifier):
        return {}


class TestByHand:
    """C = K = D = 2, unit deviations, means on the axes, z at the origin and at (1, 0)."""

    Z = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    MEANS = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]]])
    # Squared distances, by class and component.
    SQUARES = [[[1, 9], [1, 4]], [[0, 4], [2, 5]]]

    def model(self, **settings):
        model = GaussianMixtureClassifier(
            2, 2, embed_dims=2, num_components=2, normalization="none", **settings
        )
        with torch.no_grad():
            model.mixture.means.copy_(self.MEANS)
        # Class 0: 2 of 3 on component 0; class 1: nothing yet. Labels seen: 6 and 2.
        model.memory.update(torch.tensor([0, 0, 0]), torch.tensor([0, 1, 0]), 8)
        model.memory.count_classes(torch.tensor([6, 2]))
        return model.double().eval()

    def densities(self):
        weights = [[3 / 5, 2 / 5], [1 / 2, 1 / 2]]
        return [
            [
                sum(w * math.exp(-q / 2) / (2 * math.pi) for w, q in zip(*pair, strict=True))
                for pair in zip(weights, rows, strict=True)
            ]
            for rows in self.SQUARES
        ]

    def test_densities(self):
        # The first by calculator: (0.6 e^-0.5 + 0.4 e^-4.5) / 2 pi = 0.058627
        assert self.densities()[0][0] == pytest.approx(0.058627, abs=1e-6)
        model = self.model()
        likelihood = model.log_likelihood(model.class_scores(self.Z.double()))
        np.testing.assert_allclose(likelihood.exp().detach(), self.densities(), rtol=1e-6)

    @pytest.mark.parametrize(("prior", "shares"), [("uniform", [0.5, 0.5]), ("count", [0.7, 0.3])])
    def test_posterior_at_temperature_1(self, prior, shares):
        """The softmax of the class scores is eq. 7."""
        model = self.model(temperature=1.0, class_prior=prior)
        joint = np.array(self.densities()) * shares
        expected = joint / joint.sum(1, keepdims=True)
        posterior = model.class_scores(self.Z.double()).softmax(1).detach()
        np.testing.assert_allclose(posterior, expected, rtol=1e-6)

    def test_class_scores_at_temperature_4(self):
        class_scores = self.model(temperature=4.0, class_prior="count").class_scores(self.Z)
        expected = np.log(self.densities()) / 4 + np.log([0.7, 0.3])
        np.testing.assert_allclose(class_scores.detach(), expected, rtol=1e-5)

    @pytest.mark.parametrize("temperature", [1.0, 4.0])
    def test_scores(self, temperature):
        model = self.model(temperature=temperature, class_prior="count")
        class_scores = model.class_scores(self.Z.double())
        log = np.log(self.densities())
        expected = {
            "likelihood": -log.max(1),
            "likelihood_ratio": -(log.max(1) - log.mean(1)),
            "centred_energy": -16 * np.log(np.exp((log - log.mean(1, keepdims=True)) / 16).sum(1)),
            "marginal": -np.log(np.exp(log) @ [0.7, 0.3]),
        }
        assert list(model.scores) == list(expected)
        for name, value in expected.items():
            given = model.scores[name](class_scores).detach()
            np.testing.assert_allclose(given, value, rtol=0, atol=1e-6, err_msg=name)


class TestAgainstNumpy:
    @pytest.mark.parametrize("prior", ["uniform", "count"])
    @pytest.mark.parametrize("dims", [2, 16, 128])
    def test_scores(self, dims, prior):
        model = make_classifier(embed_dims=dims, class_prior=prior).eval()
        fill_memory(model)
        with torch.no_grad():
            z = model.embed(torch.randn(30, 6))
            class_scores = model.class_scores(z)
        reference = Reference(model)
        log = reference.log_likelihood(z)
        given = {name: score(class_scores).numpy() for name, score in model.scores.items()}
        tolerance = dict(rtol=0, atol=2e-4)
        np.testing.assert_allclose(given["likelihood"], -log.max(1), **tolerance)
        np.testing.assert_allclose(given["likelihood_ratio"], log.mean(1) - log.max(1), **tolerance)
        centred = log - log.mean(1, keepdims=True)
        soft = -16 * np.logaddexp.reduce(centred / 16, axis=1)
        np.testing.assert_allclose(given["centred_energy"], soft, **tolerance)
        marginal = -np.logaddexp.reduce(log + np.log(reference.prior), axis=1)
        np.testing.assert_allclose(given["marginal"], marginal, **tolerance)

    def test_posterior_at_temperature_1(self):
        model = make_classifier(temperature=1.0, class_prior="count").eval()
        fill_memory(model)
        z = model.embed(torch.randn(30, 6))
        given = model.class_scores(z).softmax(1).detach().numpy()
        np.testing.assert_allclose(given, Reference(model).posterior(z), atol=1e-6)

    @pytest.mark.parametrize("filled", [False, True])
    @pytest.mark.parametrize("components", [1, 2, 4])
    def test_losses(self, components, filled):
        model = make_classifier(
            num_components=components, loss_one_weight=0.3, loss_avg_weight=0.7
        ).eval()
        if filled:
            fill_memory(model)
        z = model.embed(torch.randn(2, 6, 4, 5))
        labels = torch.randint(3, (2, 4, 5))
        labels[0, 0] = 255
        losses = model.loss(z, labels)
        known = labels.flatten() < 255
        expected = Reference(model).losses(
            z.movedim(1, -1).flatten(0, 2)[known], labels[labels < 255]
        )
        assert losses["loss_mle"].item() == pytest.approx(expected["mle"], abs=1e-5)
        assert losses["loss_one"].item() == pytest.approx(0.3 * expected["one"], abs=1e-5)
        assert losses["loss_avg"].item() == pytest.approx(0.7 * expected["avg"], abs=1e-5)

    def test_component_usage(self):
        model = make_classifier(num_components=2).eval()
        model.memory.update(torch.tensor([0] * 6), torch.tensor([0] * 6), 9)
        usage = model.loss(torch.randn(1, 5), torch.tensor([0]))["component_usage"].item()
        # Weights 7/8 and 1/8 in one class, uniform in two; entropies over log 2.
        entropy = -(7 / 8 * math.log(7 / 8) + 1 / 8 * math.log(1 / 8)) / math.log(2)
        assert usage == pytest.approx((entropy + 2) / 3, abs=1e-6)

    def test_autocast_changes_nothing(self):
        model = make_classifier(embed_dims=128)
        features, labels = torch.randn(2, 6, 4, 4), torch.randint(3, (2, 4, 4))

        def run():
            torch.manual_seed(3)
            embedding = model.embed(features)
            class_scores = model.class_scores(embedding)
            scores = [score(class_scores) for score in model.scores.values()]
            return [*scores, *model.eval().loss(embedding, labels).values()]

        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = run()
        for given, expected in zip(mixed, run(), strict=True):
            assert given.dtype == torch.float32
            assert (given - expected).abs().max().item() < 1e-3


class TestNormalization:
    @pytest.mark.parametrize("shape", [(64, 16), (2, 16, 6, 7)])
    @pytest.mark.parametrize("mode", ["batch_l2", "layer", "l2"])
    def test_unit_mean_square(self, mode, shape):
        z = UnitNormalization(16, mode)(5 + 3 * torch.randn(shape))
        square = z.square().mean(1)
        torch.testing.assert_close(square, torch.ones_like(square), rtol=0, atol=1e-3)

    @pytest.mark.parametrize("shape", [(64, 16), (2, 16, 6, 7)])
    def test_batch(self, shape):
        z = UnitNormalization(16, "batch")(5 + 3 * torch.randn(shape))
        rows = z.movedim(1, 0).flatten(1)
        torch.testing.assert_close(rows.mean(1), torch.zeros(16), rtol=0, atol=1e-5)
        torch.testing.assert_close(rows.var(1, unbiased=False), torch.ones(16), rtol=0, atol=1e-4)

    def test_layer_has_zero_mean(self):
        z = UnitNormalization(16, "layer")(5 + torch.randn(2, 16, 3, 3))
        torch.testing.assert_close(z.mean(1), torch.zeros(2, 3, 3), rtol=0, atol=1e-5)

    def test_l2_keeps_the_direction(self):
        z = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
        expected = torch.tensor([[1.2, 1.6, 0.0, 0.0]])
        torch.testing.assert_close(UnitNormalization(4, "l2")(z), expected)

    def test_batch_l2_is_batch_then_l2(self):
        z = 5 + 3 * torch.randn(64, 16)
        whitened = (z - z.mean(0)) / z.std(0, unbiased=False)
        expected = whitened / whitened.norm(dim=1, keepdim=True) * 4
        torch.testing.assert_close(
            UnitNormalization(16, "batch_l2")(z), expected, rtol=0, atol=1e-4
        )

    @pytest.mark.parametrize("shape", [(1, 16), (1, 16, 1, 1)])
    @pytest.mark.parametrize("mode", ["batch", "batch_l2"])
    def test_one_value_a_channel_takes_the_running_statistics(self, mode, shape):
        """PyTorch rejects such a batch, but an epoch may end with one image."""
        norm = UnitNormalization(16, mode)
        norm(5 + 3 * torch.randn(64, 16))
        before = {name: value.clone() for name, value in norm.state_dict().items()}
        z = torch.randn(shape)
        given = norm(z)
        assert given.shape == shape
        for name, value in norm.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert torch.equal(given, norm.eval()(z))
        mean, var = before["batch_norm.running_mean"], before["batch_norm.running_var"]
        rows = (z.flatten() - mean) / (var + 1e-5).sqrt()
        if mode == "batch_l2":
            rows = 4 * rows / rows.norm()
        torch.testing.assert_close(given.flatten(), rows)

    def test_none(self):
        z = torch.randn(3, 4)
        assert torch.equal(UnitNormalization(4, "none")(z), z)

    @pytest.mark.parametrize("mode", NORMALIZATIONS)
    def test_nothing_is_learnt(self, mode):
        assert not list(UnitNormalization(4, mode).parameters())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"normalization": "instance"}, "normalization must be one of .*'instance'"),
        ({"class_prior": "learnt"}, "class_prior must be 'uniform' or 'count', got 'learnt'"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"samples_per_class": 0}, "samples_per_class must be at least 1, got 0"),
        ({"embed_dims": 0}, "embed_dims must be at least 1, got 0"),
        ({"num_components": 0}, "num_components must be at least 1, got 0"),
        ({"memory_smoothing": 0.0}, "smoothing must be above 0"),
        ({"memory_size": 0}, "size must be at least 1, got 0"),
        ({"min_sigma": 1.0}, "min_sigma must lie between 0 and init_sigma=1.0, got 1.0"),
    ],
)
def test_arguments(setting, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureClassifier(6, 3, **setting)
