"""Tests of the linear classifier: softmax, and DOC with the one-vs-rest loss."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmosr.methods import LinearClassifier, MOvRLoss
from mmosr.registry import MODELS

from .contract import ClassifierContract
from .loss_contract import LossContract


class TestContract(ClassifierContract):
    def make(self):
        return LinearClassifier(self.in_channels, self.num_classes)

    def near_and_far(self, classifier):
        with torch.no_grad():
            classifier.projection.weight.copy_(torch.eye(self.num_classes, self.in_channels))
        near, far = 9 * torch.eye(self.in_channels)[[0, -1]].unsqueeze(1)
        return {name: (near, far) for name in ("doc", "msp", "one_vs_rest")}


class TestDOCLoss(LossContract):
    """Shu et al., 2017: a sum of binary cross-entropies, one per class."""

    signed = True

    def make(self, **settings):
        return MOvRLoss(margin=0.0, scale=None, **settings)

    def reference(self, class_scores, labels):
        target = np.eye(class_scores.shape[1])[labels]
        terms = np.maximum(class_scores, 0) - class_scores * target
        return (terms + np.log1p(np.exp(-np.abs(class_scores)))).sum(1)


def test_doc_is_a_sum_of_binary_cross_entropies():
    model, features = LinearClassifier(6, 4), 5 * torch.randn(30, 6)
    labels = torch.arange(30).remainder(4)
    logits = model(features)
    given = MOvRLoss(margin=0.0, scale=None)(logits, labels)
    target = F.one_hot(labels, 4).float()
    expected = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / 30
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("shape", [(30,), (2, 5, 4), (2, 3, 2, 2)])
def test_class_scores_and_scores_against_numpy(shape):
    model = LinearClassifier(6, 4)
    maps = 3 * torch.randn(shape[0], 6, *shape[1:])
    weight, bias = (p.detach().double().numpy() for p in model.projection.parameters())
    logits = maps.movedim(1, -1).double().numpy() @ weight.T + bias
    class_scores = model(maps).detach()
    np.testing.assert_allclose(class_scores.movedim(1, -1), logits, rtol=0, atol=1e-5)
    prob = 1 / (1 + np.exp(-logits))
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    best = logits.argmax(-1)[..., None] == np.arange(4)
    expected = {
        "doc": 1 - prob.max(-1),
        "msp": 1 - softmax.max(-1),
        "one_vs_rest": -np.log(np.where(best, prob, 1 - prob)).sum(-1),
    }
    assert list(model.scores) == list(expected)
    for name, value in expected.items():
        given = model.scores[name](class_scores)
        np.testing.assert_allclose(given, value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_confident_samples_keep_their_order():
    """``1 - sigmoid`` would be 0 for all of them in float32."""
    logits = torch.zeros(60, 4)
    logits[:, 2] = torch.linspace(20, 80, 60)
    score = LinearClassifier(6, 4).scores["doc"](logits)
    assert (1 - torch.sigmoid(logits).amax(1) == 0).all()
    assert (score > 0).all() and (score[1:] < score[:-1]).all()
    expected = np.exp(-logits[:, 2].double().numpy())
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_registered():
    model = MODELS.build(dict(type="mmosr.LinearClassifier", in_channels=3, num_classes=2))
    assert isinstance(model, LinearClassifier)
