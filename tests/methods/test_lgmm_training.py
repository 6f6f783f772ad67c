"""Tests of how L-GMM learns: who receives gradient, what enters the memory, what is found."""

import copy

import pytest
import torch
import torch.nn.functional as F

from mmosr.methods import GaussianMixtureClassifier

from .lgmm_reference import Reference, fill_memory, make_classifier


def make_batch(seed=5):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 6, 4, 5, generator=generator)
    labels = torch.randint(3, (2, 4, 5), generator=generator)
    labels[1, 3] = 255
    return features, labels


def discriminative(model, embedding, labels):
    return F.cross_entropy(model.class_scores(embedding), labels, ignore_index=255)


def generative(model, embedding, labels):
    torch.manual_seed(11)
    losses = model.loss(embedding, labels)
    return losses["loss_mle"] + losses["loss_one"] + losses["loss_avg"]


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters()}


def is_zero(grad):
    return grad is None or not grad.any()


THETA = ("mixture.means", "mixture.rho")
PHI = ("projection.weight", "projection.bias")


@pytest.mark.parametrize("normalization", ["batch_l2", "layer", "l2", "batch", "none"])
class TestCollaboration:
    @pytest.fixture
    def model(self, normalization):
        model = make_classifier(normalization=normalization)
        fill_memory(model)
        return model

    def test_encoder_learns_from_the_posterior_only(self, model):
        features, labels = make_batch()
        features.requires_grad_()
        discriminative(model, model.embed(features), labels).backward()
        grads = gradients(model)
        assert all(is_zero(grads[name]) for name in THETA)
        assert grads["projection.weight"].any() and features.grad.any()

    def test_density_learns_from_the_likelihood_only(self, model):
        features, labels = make_batch()
        features.requires_grad_()
        generative(model, model.embed(features), labels).backward()
        grads = gradients(model)
        assert all(grads[name].any() for name in THETA)
        assert all(is_zero(grads[name]) for name in PHI) and is_zero(features.grad)

    def test_each_term_reaches_theta_alone(self, model):
        features, labels = make_batch()
        for name in ("loss_mle", "loss_one", "loss_avg"):
            model.zero_grad(set_to_none=True)
            model.loss(model.embed(features), labels)[name].backward()
            grads = gradients(model)
            assert all(grads[theta].any() for theta in THETA), name
            assert all(is_zero(grads[phi]) for phi in PHI), name

    def test_one_backward_equals_two(self, model):
        features, labels = make_batch()
        apart, together = copy.deepcopy(model), copy.deepcopy(model)
        embedding = apart.embed(features)
        discriminative(apart, embedding, labels).backward(retain_graph=True)
        generative(apart, embedding, labels).backward()
        embedding = together.embed(features)
        total = discriminative(together, embedding, labels)
        (total + generative(together, embedding, labels)).backward()
        for name, grad in gradients(together).items():
            torch.testing.assert_close(grad, gradients(apart)[name], rtol=1e-6, atol=1e-8)


class TestLabels:
    @pytest.fixture
    def model(self):
        return make_classifier(loss_one_weight=1.0, loss_avg_weight=1.0).eval()

    def test_unknown_and_negative_labels_are_left_out(self, model):
        features, labels = make_batch()
        embedding = model.embed(features)
        expected = generative(model, embedding, labels)
        for other in (254, -1, 3, 1000):
            given = labels.masked_fill(labels == 255, other)
            assert torch.equal(generative(model, embedding, given), expected)

    def test_ignore_index_may_be_a_class(self, model):
        features, labels = make_batch()
        embedding = model.embed(features)
        expected = model.loss(embedding, labels.masked_fill(labels == 1, 255))
        given = model.loss(embedding, labels, ignore_index=1)
        for name, value in expected.items():
            torch.testing.assert_close(given[name], value)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
    def test_every_integer_type(self, model, dtype):
        features, labels = make_batch()
        embedding = model.embed(features)
        expected = generative(model, embedding, labels)
        assert torch.equal(generative(model, embedding, labels.to(dtype)), expected)

    def test_absent_class(self, model):
        """A class without samples neither receives gradient nor dilutes the balance."""
        features, labels = make_batch()
        labels[labels == 2] = 0
        z = model.embed(features)
        losses = model.loss(z, labels)
        rows = z.movedim(1, -1).flatten(0, 2)[labels.flatten() < 255]
        expected = Reference(model).losses(rows, labels[labels < 255])
        assert losses["loss_avg"].item() == pytest.approx(expected["avg"], abs=1e-5)
        sum(losses.values()).backward()
        grad = model.mixture.means.grad
        assert grad[0].any() and grad[1].any() and not grad[2].any()

    def test_one_pixel(self):
        model = make_classifier()
        embedding = model.embed(torch.randn(1, 6, 1, 1))
        losses = model.loss(embedding, torch.full((1, 1, 1), 2))
        expected = -Reference(make_classifier()).log_likelihood(embedding.flatten(1))[0, 2] / 5
        assert losses["loss_mle"].item() == pytest.approx(expected, abs=1e-5)
        assert model.memory.counts.sum(1).tolist() == [0, 0, 1]

    def test_all_ignored(self):
        model = make_classifier()
        fill_memory(model)
        before = copy.deepcopy(model.state_dict())
        losses = model.loss(model.embed(torch.randn(2, 6, 3, 3)), torch.full((2, 3, 3), 255))
        assert [losses[f"loss_{name}"].item() for name in ("mle", "one", "avg")] == [0, 0, 0]
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())

    def test_samples_per_class(self):
        """The likelihood is that of a balanced sample: rare classes get their share."""
        model = make_classifier(samples_per_class=4)
        labels = torch.tensor([0] * 50 + [1] * 3)
        z = torch.cat([torch.zeros(50, 5), torch.ones(3, 5)])
        log = Reference(model).log_likelihood(z)
        losses = model.loss(z, labels)
        expected = -(4 * log[0, 0] + 3 * log[-1, 1]) / 7 / 5
        assert losses["loss_mle"].item() == pytest.approx(expected, abs=1e-5)
        assert model.memory.counts.sum(1).tolist() == [4, 3, 0]


class TestMemory:
    def test_training_counts_the_best_component(self):
        model = make_classifier()
        features, labels = make_batch()
        embedding = model.embed(features)
        joint = Reference(model).log_joint(embedding.movedim(1, -1).flatten(0, 2))
        expected = torch.zeros(3, 3, dtype=torch.long)
        for row, label in zip(joint, labels.flatten().tolist(), strict=True):
            if label < 255:
                expected[label, row[label].argmax()] += 1
        model.loss(embedding, labels)
        assert torch.equal(model.memory.counts, expected)

    def test_the_memory_enters_after_the_loss(self):
        features, labels = make_batch()
        model = make_classifier()
        embedding = model.embed(features)
        assert torch.equal(
            generative(model, embedding, labels), generative(make_classifier(), embedding, labels)
        )
        assert model.memory.counts.any()

    @pytest.mark.parametrize("prior", ["uniform", "count"])
    def test_evaluation_leaves_it_alone(self, prior):
        model = make_classifier(class_prior=prior).eval()
        fill_memory(model)
        before = copy.deepcopy(model.state_dict())
        features, labels = make_batch()
        embedding = model.embed(features)
        model.class_scores(embedding)
        model.loss(embedding, labels)
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())

    def test_counted_prior_counts_every_known_label(self):
        model = make_classifier(class_prior="count", samples_per_class=2)
        labels = torch.tensor([0] * 6 + [2] * 2 + [254, 255, 255])
        for _ in range(2):
            model.loss(torch.randn(11, 5), labels)
        assert model.memory.class_counts.tolist() == [12, 0, 4]
        expected = torch.tensor([13, 1, 5]) / 19
        torch.testing.assert_close(model.log_prior.exp(), expected)

    def test_uniform_prior_counts_nothing(self):
        model = make_classifier()
        model.loss(torch.randn(3, 5), torch.tensor([0, 1, 1]))
        assert not model.memory.class_counts.any()


def make_toy(means, **settings):
    """One class with two components in the plane."""
    model = GaussianMixtureClassifier(
        2, 1, embed_dims=2, num_components=2, normalization="none", **settings
    )
    with torch.no_grad():
        model.mixture.means.copy_(torch.tensor([means]))
    return model


def test_theta_finds_a_known_mixture():
    torch.manual_seed(0)
    truth = torch.tensor([[-1.5, 0.5], [1.0, -1.0]])
    z = torch.cat([truth[0] + 0.7 * torch.randn(600, 2), truth[1] + 0.7 * torch.randn(300, 2)])
    labels = torch.zeros(900, dtype=torch.long)
    model = make_toy([[-1.0, 0.0], [1.0, 0.0]], samples_per_class=900, memory_size=900)
    optimizer = torch.optim.Adam(model.mixture.parameters(), lr=0.1)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(z, labels)["loss_mle"].backward()
        optimizer.step()
    torch.testing.assert_close(model.mixture.means[0], truth, rtol=0, atol=0.1)
    sigma = model.mixture.sigma[0]
    torch.testing.assert_close(sigma, torch.full_like(sigma, 0.7), rtol=0, atol=0.1)
    weights = model.memory.log_weights.exp()[0]
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 1 / 3]), rtol=0, atol=0.05)


def test_balance_revives_a_collapsed_component():
    """Component 1 lies far away and takes nothing: the gradient of L_avg fetches it."""
    torch.manual_seed(0)
    z, labels = 0.3 * torch.randn(200, 2), torch.zeros(200, dtype=torch.long)
    model = make_toy([[0.0, 0.0], [4.0, 0.0]], loss_avg_weight=1.0).eval()
    optimizer = torch.optim.SGD(model.mixture.parameters(), lr=2.0)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.loss(z, labels)["loss_avg"]
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[0] > 0.45  # total collapse is 1/2
    assert values[1] < values[0] and values[-1] < 0.1
