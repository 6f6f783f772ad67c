"""What every open-set classifier must fulfil.

The test class of a method inherits :class:`ClassifierContract` and defines ``make``; all the tests
here run on it::

    class TestContract(ClassifierContract):
        def make(self):
            return MyClassifier(self.in_channels, self.num_classes)

A classifier with fitted statistics is fitted before the tests see it.
"""

import copy
import io

import pytest
import torch
from torch import Tensor

from mmosr.methods import OpenSetClassifier
from mmosr.scores.fitted import Fitted
from mmosr.utils import InputError

IGNORE = 255


def as_rows(maps: Tensor) -> Tensor:
    """``(N, D, *S)`` as ``(N * prod(S), D)``."""
    return maps.movedim(1, -1).flatten(0, -2)


def total_loss(classifier: OpenSetClassifier, embedding: Tensor, labels: Tensor) -> Tensor | None:
    """Sum of the losses, with the same random numbers at every call; None without losses."""
    torch.manual_seed(7)
    losses = classifier.loss(embedding, labels, IGNORE)
    terms = [value for name, value in losses.items() if name.startswith("loss")]
    return sum(terms) if terms else None


def all_scores(classifier: OpenSetClassifier, embedding: Tensor) -> dict[str, Tensor]:
    """Every anomaly score of an embedding by name."""
    class_scores = classifier.class_scores(embedding)
    found = {name: score(class_scores) for name, score in classifier.scores.items()}
    return found | {name: score(embedding) for name, score in classifier.embedding_scores.items()}


class ClassifierContract:
    """Tests of the contract in :class:`~mmosr.methods.OpenSetClassifier`."""

    in_channels = 6
    num_classes = 4

    def make(self) -> OpenSetClassifier:
        """A new classifier with ``in_channels`` and ``num_classes``."""
        raise NotImplementedError

    def near_and_far(self, classifier: OpenSetClassifier) -> dict[str, tuple[Tensor, Tensor]]:
        """By name of the score: embeddings ``(1, D)`` that are clearly known and clearly unknown.

        Such as the centre of a class and a point far from all of them. Empty (the default) if the
        method has no such points.
        """
        return {}

    @pytest.fixture
    def classifier(self) -> OpenSetClassifier:
        """A classifier that has seen some batches, in evaluation mode."""
        torch.manual_seed(0)
        classifier = self.make()
        return self.prepare(classifier)

    def prepare(self, classifier: OpenSetClassifier) -> OpenSetClassifier:
        """Show it some batches, and fit what needs fitting."""
        for _ in range(3):
            classifier.loss(classifier.embed(self.features()), self.labels(), IGNORE)
        if isinstance(classifier, Fitted):
            classifier.begin_fit()
            for _ in range(3):
                features, labels = self.features(), self.labels().flatten()
                rows = features if classifier.space == "features" else classifier.embed(features)
                classifier.update(as_rows(rows)[labels != IGNORE], labels[labels != IGNORE])
            classifier.end_fit()
        return classifier.eval()

    def features(self) -> Tensor:
        """``(2, D, 5, 3)``, exact in bfloat16."""
        features = 2 * torch.randn(2, self.in_channels, 5, 3)
        return features.bfloat16().float()

    def labels(self) -> Tensor:
        labels = torch.randint(self.num_classes, (2, 5, 3))
        labels[0, 0] = IGNORE
        return labels

    def test_it_knows_its_sizes(self, classifier):
        assert classifier.in_channels == self.in_channels
        assert classifier.num_classes == self.num_classes

    @pytest.mark.parametrize("training", [False, True])
    def test_rows_and_maps_agree(self, classifier, training):
        classifier.double().train(training)
        features = self.features().double()
        twin = copy.deepcopy(classifier)
        maps, rows = classifier.embed(features), twin.embed(as_rows(features))
        scores = all_scores(classifier, maps), all_scores(twin, rows)
        maps, rows = classifier.class_scores(maps), twin.class_scores(rows)
        assert maps.shape == (2, self.num_classes, 5, 3)
        torch.testing.assert_close(as_rows(maps), rows, rtol=1e-10, atol=1e-10)
        for name, given in scores[0].items():
            assert given.shape == (2, 5, 3), name
            torch.testing.assert_close(given.flatten(), scores[1][name], rtol=1e-9, atol=1e-9)

    def test_losses_of_rows_and_maps_agree(self, classifier):
        classifier.double()
        embedding, labels = classifier.embed(self.features().double()), self.labels()
        maps = total_loss(classifier, embedding, labels)
        rows = total_loss(classifier, as_rows(embedding), labels.flatten())
        assert (maps is None) == (rows is None)
        if maps is not None:
            torch.testing.assert_close(maps, rows, rtol=1e-9, atol=1e-9)

    def test_float32_under_autocast(self, classifier):
        features = self.features()
        expected = classifier(features)
        expected_scores = all_scores(classifier, classifier.embed(features))
        for given in (features, features.bfloat16()):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                class_scores = classifier(given)
                maps = all_scores(classifier, classifier.embed(given))
            assert class_scores.dtype == torch.float32
            torch.testing.assert_close(class_scores, expected, rtol=1e-5, atol=1e-3)
            for name, value in expected_scores.items():
                assert maps[name].dtype == torch.float32
                torch.testing.assert_close(maps[name], value, rtol=1e-5, atol=1e-3)

    def test_training_under_autocast(self, classifier):
        """The same state after a step as without."""
        embedding, labels = classifier.train().embed(self.features()).detach(), self.labels()
        twin = copy.deepcopy(classifier)
        expected = total_loss(classifier, embedding, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = total_loss(twin, embedding, labels)
        if expected is not None:
            assert loss.dtype == torch.float32
            torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-3)
        for name, value in classifier.state_dict().items():
            torch.testing.assert_close(twin.state_dict()[name], value, msg=name)

    @pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0, 1e4])
    def test_every_score_is_finite(self, classifier, scale):
        embedding = classifier.embed(scale * self.features())
        assert classifier.class_scores(embedding).isfinite().all()
        assert classifier.scores, "a method has at least one score of its own"
        for name, value in all_scores(classifier, embedding).items():
            assert value.isfinite().all(), name

    def test_names_of_the_scores_differ(self, classifier):
        assert not classifier.scores.keys() & classifier.embedding_scores.keys()

    def test_unfitted_it_refuses(self):
        classifier = self.make().eval()
        if not isinstance(classifier, Fitted):
            pytest.skip("nothing is fitted")
        with pytest.raises(InputError, match=f"{type(classifier).__name__} are not fitted"):
            all_scores(classifier, classifier.embed(self.features()))

    def test_a_far_point_is_more_unknown(self, classifier):
        points = self.near_and_far(classifier)
        if not points:
            pytest.skip("near_and_far is not given")
        for name, (near, far) in points.items():
            near, far = all_scores(classifier, near)[name], all_scores(classifier, far)[name]
            assert far.item() > near.item(), name

    def test_ignored_pixels_do_not_enter_the_loss(self, classifier):
        embedding, labels = classifier.embed(self.features()).detach(), self.labels()
        changed = embedding.clone()
        changed[0, :, 0] = 3.0
        before = total_loss(classifier, embedding, labels)
        if before is None:
            pytest.skip("no loss of its own")
        assert total_loss(classifier, changed, labels).item() == before.item()
        changed[1, :, 0] = 3.0  # a labelled row: the loss must notice
        assert total_loss(classifier, changed, labels).item() != before.item()

    def test_one_backward_pass(self, classifier):
        """A host takes the class scores, then the losses, then one backward pass of both."""
        classifier.train()
        embedding = classifier.embed(self.features())
        class_scores = classifier.class_scores(embedding)
        loss = total_loss(classifier, embedding, self.labels())
        total = class_scores.square().mean()
        (total if loss is None else total + loss).backward()
        for name, parameter in classifier.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), name

    def test_everything_ignored(self, classifier):
        classifier.train()
        embedding, labels = classifier.embed(self.features()), self.labels()
        loss = total_loss(classifier, embedding, labels)
        if loss is None:
            pytest.skip("no loss of its own")
        loss.backward()
        reached = [p for p in classifier.parameters() if p.grad is not None]
        assert any(p.grad.abs().sum() > 0 for p in reached)
        classifier.zero_grad(set_to_none=True)

        embedding = classifier.embed(self.features())
        loss = total_loss(classifier, embedding, torch.full_like(labels, IGNORE))
        assert loss.item() == 0
        loss.backward()
        # Distributed training waits for the gradient of every parameter.
        assert all(p.grad is not None and not p.grad.any() for p in reached)

    def test_state_dict_round_trip(self, classifier):
        file = io.BytesIO()
        torch.save(classifier.state_dict(), file)
        file.seek(0)
        torch.manual_seed(99)
        features = self.features()
        assert not torch.equal(self.prepare(self.make())(features), classifier(features))
        other = self.make().eval()
        other.load_state_dict(torch.load(file, weights_only=True), strict=True)
        assert torch.equal(other(features), classifier(features))
        loaded = all_scores(other, other.embed(features))
        for name, expected in all_scores(classifier, classifier.embed(features)).items():
            assert torch.equal(loaded[name], expected), name
        # Training also continues alike, as far as it depends on the state.
        embedding, labels = classifier.embed(features).detach(), self.labels()
        for _ in range(2):
            losses = [total_loss(c.train(), embedding, labels) for c in (classifier, other)]
            assert losses[0] is None or losses[0].item() == losses[1].item()
        for name, value in classifier.state_dict().items():
            assert torch.equal(other.state_dict()[name], value), name

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 1)])
    def test_gradient(self, classifier, shape):
        classifier.double()
        shape = (shape[0], self.in_channels, *shape[1:])
        features = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(classifier, features)
