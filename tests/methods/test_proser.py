"""Placeholders: the losses against cross-entropies spelled out, the scores, and the pairs."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from mmosr.methods import PlaceholderClassifier
from mmosr.methods.proser import MixedPairs
from mmosr.registry import MODELS

from .contract import ClassifierContract

C, M = 4, 3


class TestContract(ClassifierContract):
    def make(self):
        return PlaceholderClassifier(self.in_channels, self.num_classes, num_placeholders=M)

    def near_and_far(self, classifier):
        near = torch.tensor([[9.0, 0, 0, 0, -1, -2, -3]])
        far = torch.tensor([[1.0, 1, 1, 1, -9, 2, -9]])
        return {name: (near, far) for name in ("proser", "proser_margin", "msp")}


class TestContractOfOnePlaceholder(TestContract):
    def make(self):
        return PlaceholderClassifier(self.in_channels, self.num_classes)


def logits_and_labels(count=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, C + M, generator=generator, dtype=torch.float64)
    return logits, torch.arange(count) % C


def cross_entropy(logits: list[float], target: int) -> float:
    """To the letter, over a list."""
    return math.log(sum(math.exp(value) for value in logits)) - logits[target]


def augmented(row) -> list[float]:
    """The C + 1 logits of the paper."""
    values = row.tolist()
    return [*values[:C], max(values[C:])]


class TestLoss:
    @pytest.mark.parametrize("beta", [1.0, 0.3])
    def test_against_the_cross_entropies_of_the_paper(self, beta):
        logits, labels = logits_and_labels()
        classifier = PlaceholderClassifier(2, C, M, placeholder_weight=beta)
        losses = classifier.loss(logits, labels)
        first = second = 0.0
        for row, label in zip(logits, labels.tolist(), strict=True):
            outputs = augmented(row)
            first += cross_entropy(outputs, label) / len(labels)
            del outputs[label]
            second += cross_entropy(outputs, C - 1) / len(labels)
        host = F.cross_entropy(classifier.class_scores(logits), labels)
        assert losses.keys() == {"loss_known", "loss_placeholder"}
        assert (host + losses["loss_known"]).item() == pytest.approx(first, rel=1e-12)
        assert losses["loss_placeholder"].item() == pytest.approx(beta * second, rel=1e-12)

    def test_of_data_placeholders(self):
        logits, _ = logits_and_labels()
        kept = torch.arange(len(logits)) % 3 != 0
        expected = [cross_entropy(augmented(row), C) for row in logits[kept]]
        found = PlaceholderClassifier(2, C, M).unknown_loss(logits, kept)
        assert found.item() == pytest.approx(np.mean(expected), rel=1e-12)

    def test_no_data_placeholder(self):
        logits = logits_and_labels()[0].requires_grad_()
        kept = torch.zeros(len(logits), dtype=torch.bool)
        for rows in (slice(None), slice(0)):
            logits.grad = None
            loss = PlaceholderClassifier(2, C, M).unknown_loss(logits[rows], kept[rows])
            loss.backward()
            assert loss.item() == 0 and (logits.grad == 0).all()

    def test_extreme_logits(self):
        """The losses grow like the logits where an exponential has no digits left."""
        classifier = PlaceholderClassifier(2, C)
        logits = torch.tensor([[0.0, 300.0, 0.0, 0.0, 900.0], [0.0, 0.0, 0.0, 0.0, -500.0]])
        losses = classifier.loss(logits, torch.tensor([1, 0]))
        torch.testing.assert_close(losses["loss_known"], torch.tensor(600.0 / 2))
        expected = torch.tensor((500.0 + math.log(3)) / 2)
        torch.testing.assert_close(losses["loss_placeholder"], expected)
        unknown = classifier.unknown_loss(logits, torch.tensor([False, True]))
        torch.testing.assert_close(unknown, torch.tensor(500.0 + math.log(4)))

    def test_what_the_gradients_reach(self):
        logits, labels = logits_and_labels()
        logits.requires_grad_()
        classifier = PlaceholderClassifier(2, C, M)
        losses = classifier.loss(logits, labels)
        winner = F.one_hot(logits[:, C:].argmax(1), M).bool()
        own = F.one_hot(labels, C).bool()
        (known,) = torch.autograd.grad(losses["loss_known"], logits, retain_graph=True)
        assert (known[:, :C] < 0).all() and (known[:, C:][winner] > 0).all()
        (second,) = torch.autograd.grad(losses["loss_placeholder"], logits)
        # The placeholder comes second: it is not to beat the class of the sample itself.
        assert (second[:, :C][own] == 0).all() and (second[:, :C][~own] > 0).all()
        assert (second[:, C:][winner] < 0).all()
        (unknown,) = torch.autograd.grad(classifier.unknown_loss(logits, labels != 2), logits)
        counts = labels != 2
        assert (unknown[counts][:, :C] > 0).all() and (unknown[:, C:][winner][counts] < 0).all()
        assert (unknown[~counts] == 0).all()
        for gradient in (known, second, unknown):
            assert (gradient[:, C:][~winner] == 0).all()

    def test_gradient(self):
        logits, labels = logits_and_labels()
        labels[1] = 255
        classifier = PlaceholderClassifier(2, C, M, placeholder_weight=0.4)

        def total(logits):
            losses = classifier.loss(logits, labels)
            return *losses.values(), classifier.unknown_loss(logits, labels != 3)

        assert torch.autograd.gradcheck(total, logits.requires_grad_())

    def test_placeholders_learn_to_come_second(self):
        torch.manual_seed(0)
        classifier = PlaceholderClassifier(C, C, M)
        optimizer = torch.optim.Adam(classifier.parameters(), lr=0.05)
        features, labels = 3 * torch.eye(C), torch.arange(C)
        for _ in range(300):
            embedding = classifier.embed(features)
            loss = F.cross_entropy(classifier.class_scores(embedding), labels)
            loss = loss + sum(classifier.loss(embedding, labels).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for row, label in zip(classifier.embed(features), labels, strict=True):
            order = np.argsort(augmented(row))[::-1]
            assert order[:2].tolist() == [label, C]


class TestScores:
    def test_the_probability_of_the_placeholder(self):
        logits, _ = logits_and_labels(200)
        classifier = PlaceholderClassifier(2, C, M)
        score = classifier.embedding_scores["proser"](logits)
        outputs = torch.tensor([augmented(row) for row in logits], dtype=torch.float64)
        probability = outputs.softmax(1)[:, -1]
        torch.testing.assert_close(score.sigmoid(), probability)
        assert torch.equal(score.argsort(), probability.argsort())

    def test_it_does_not_saturate(self):
        """Where float32 rounds the probability to 0 or to 1, the order is still that of p."""
        classifier = PlaceholderClassifier(2, C)
        for low, high in ((30.0, 90.0), (-300.0, -150.0)):
            logits = torch.zeros(50, C + 1)
            logits[:, C] = torch.linspace(low, high, 50)
            probability = logits.softmax(1)[:, -1]
            assert len(probability.unique()) == 1
            score = classifier.embedding_scores["proser"](logits)
            assert (score[1:] > score[:-1]).all()

    def test_the_margin_is_the_decision_of_the_paper(self):
        logits, _ = logits_and_labels(200)
        margin = PlaceholderClassifier(2, C, M).embedding_scores["proser_margin"](logits)
        rejected = [np.argmax(augmented(row)) == C for row in logits]
        assert (margin > 0).tolist() == rejected and 0 < sum(rejected) < 200

    def test_a_bias_on_the_placeholders_shifts_the_scores(self):
        """So a threshold replaces the calibration of the paper."""
        torch.manual_seed(0)
        classifier, features = PlaceholderClassifier(5, C, M), torch.randn(50, 5)
        before = {n: s(classifier.embed(features)) for n, s in classifier.embedding_scores.items()}
        with torch.no_grad():
            classifier.placeholders.bias += 1.5
        assert list(before) == ["proser", "proser_margin"]
        for name, score in classifier.embedding_scores.items():
            torch.testing.assert_close(score(classifier.embed(features)), before[name] + 1.5)

    def test_msp_is_over_the_known_classes(self):
        logits, _ = logits_and_labels()
        classifier = PlaceholderClassifier(2, C, M)
        assert list(classifier.scores) == ["msp"]
        found = classifier.scores["msp"](classifier.class_scores(logits))
        torch.testing.assert_close(found, 1 - logits[:, :C].softmax(1).amax(1))


def test_logits_are_those_of_two_linear_layers():
    torch.manual_seed(0)
    classifier, features = PlaceholderClassifier(5, C, M), torch.randn(7, 5)
    weight = torch.cat([classifier.projection.weight, classifier.placeholders.weight])
    bias = torch.cat([classifier.projection.bias, classifier.placeholders.bias])
    torch.testing.assert_close(classifier.embed(features), features @ weight.T + bias)
    torch.testing.assert_close(classifier(features), features @ weight[:C].T + bias[:C])


class TestPairs:
    LABELS = torch.tensor([0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3])

    def test_never_of_one_class(self):
        met = torch.zeros(len(self.LABELS), len(self.LABELS), dtype=torch.bool)
        torch.manual_seed(0)
        for _ in range(600):
            pairs = MixedPairs.sample(self.LABELS, 1.0)
            index = torch.arange(len(self.LABELS))
            assert (self.LABELS[index] != self.LABELS[pairs.partner])[pairs.mixed].all()
            assert torch.equal(pairs.partner[~pairs.mixed], index[~pairs.mixed])
            partners = pairs.partner[pairs.mixed].tolist()
            assert len(set(partners)) == len(partners)  # a permutation
            met[index[pairs.mixed], partners] = True
        # Every image of another class is paired at some point.
        assert torch.equal(met, self.LABELS[:, None] != self.LABELS)

    @pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
    def test_share_is_drawn_from_a_beta_distribution(self, alpha):
        torch.manual_seed(0)
        shares = [MixedPairs.sample(self.LABELS, alpha).share for _ in range(2000)]
        assert stats.kstest(shares, "beta", (alpha, alpha)).pvalue > 0.01

    @pytest.mark.parametrize("shape", [(), (2, 3)])
    def test_mix(self, shape):
        pairs = MixedPairs(torch.tensor([2, 1, 0, 0]), 0.3)
        hidden = torch.randn(4, 5, *shape)
        assert pairs.mixed.tolist() == [True, False, True, True]
        found = pairs.mix(hidden)
        for index, partner in enumerate((2, 1, 0, 0)):
            expected = 0.3 * hidden[index] + 0.7 * hidden[partner]
            torch.testing.assert_close(found[index], expected)
        assert torch.equal(found[1], hidden[1])

    def test_one_class(self):
        pairs = MixedPairs.sample(torch.full((6,), 2), 1.0)
        hidden = torch.randn(6, 5)
        assert not pairs.mixed.any() and torch.equal(pairs.mix(hidden), hidden)

    @pytest.mark.parametrize("count", [0, 1])
    def test_too_few(self, count):
        pairs = MixedPairs.sample(torch.zeros(count, dtype=torch.long), 1.0)
        assert pairs.mixed.tolist() == [False] * count
        assert pairs.mix(torch.ones(count, 5)).shape == (count, 5)

    def test_the_seed_decides(self):
        drawn = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            drawn.append(MixedPairs.sample(self.LABELS, 1.0))
        assert drawn[0].share == drawn[1].share != drawn[2].share
        assert torch.equal(drawn[0].partner, drawn[1].partner)
        assert not torch.equal(drawn[0].partner, drawn[2].partner)


def test_registered():
    kind = MODELS.build(dict(type="mmosr.PlaceholderClassifier", in_channels=3, num_classes=2))
    assert kind.placeholders.out_features == 1 and kind.placeholder_weight == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(num_placeholders=0), "num_placeholders must be 1 or above, got 0"),
        (dict(placeholder_weight=-1.0), "placeholder_weight must be 0 or above, got -1.0"),
    ],
)
def test_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        PlaceholderClassifier(4, 3, **settings)
