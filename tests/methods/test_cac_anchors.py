"""Tests of the anchors: re-estimated after training, or learnt during it."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmosr.methods import AnchorClassifier, CACLoss, CenterLoss
from mmosr.methods.cac import rejection_score
from mmosr.utils import InputError

# Logits, labels: the third is wrong by its largest logit, class 2 has no sample that is right.
Z = torch.tensor(
    [
        [9.0, 1.0, 0.0, 2.0],
        [7.0, 2.0, 0.0, -2.0],
        [1.0, 8.0, 0.0, 0.0],
        [0.0, 4.0, 1.0, 3.0],
        [0.0, 5.0, 2.0, 0.0],
        [0.1, 0.2, 0.3, 0.6],
    ]
)
LABELS = torch.tensor([0, 0, 0, 1, 2, 3])
MEANS = [[8.0, 1.5, 0.0, 0.0], [0.0, 4.0, 1.0, 3.0], [0.0, 0.0, 10.0, 0.0], [0.1, 0.2, 0.3, 0.6]]


def fit(model: AnchorClassifier, *batches) -> str | None:
    model.begin_fit()
    for z, labels in batches:
        model.update(z, labels)
    return model.end_fit()


def gamma(z: torch.Tensor, anchors) -> np.ndarray:
    """Eq. 8 and 9 in float64."""
    d = np.linalg.norm(z.double().numpy()[:, None] - np.asarray(anchors, dtype=float), axis=2)
    softmin = np.exp(-d) / np.exp(-d).sum(1, keepdims=True)
    return (d * (1 - softmin)).min(1)


class TestReestimated:
    def test_means_of_correctly_classified_samples(self):
        model = AnchorClassifier(5, 4).eval()
        warning = fit(model, (Z, LABELS))
        np.testing.assert_allclose(model.reestimated_anchors, MEANS, rtol=1e-6)
        assert torch.equal(model.anchors, 10 * torch.eye(4))
        assert "classes [2]" in warning and "keep their anchors" in warning

    def test_no_warning_when_every_class_has_a_sample(self):
        right = LABELS.clone()
        right[4] = 1
        right = torch.cat([right, torch.tensor([2])])
        assert (
            fit(AnchorClassifier(5, 4), (torch.cat([Z, Z.new_tensor([[0, 0, 1, 0]])]), right))
            is None
        )

    def test_correct_is_by_the_largest_logit(self):
        """Not by the nearest anchor: that of class 1 is nearest here, its logit not the largest."""
        model = AnchorClassifier(5, 2).eval()
        model.anchors.copy_(torch.tensor([[10.0, 0.0], [3.0, 2.0]]))
        fit(model, (torch.tensor([[4.0, 2.0]]), torch.tensor([0])))
        assert model.reestimated_anchors.tolist() == [[4.0, 2.0], [3.0, 2.0]]

    @pytest.mark.parametrize("sizes", [(1,) * 6, (4, 2), (0, 5, 1)])
    def test_streamed_is_the_same(self, sizes):
        once, streamed = AnchorClassifier(5, 4), AnchorClassifier(5, 4)
        fit(once, (Z, LABELS))
        warning = fit(streamed, *zip(Z.split(sizes), LABELS.split(sizes), strict=True))
        assert torch.equal(streamed.reestimated_anchors, once.reestimated_anchors)
        assert "classes [2]" in warning

    def test_many_samples(self):
        """Sums are float64: in float32 the mean of these would be off in the third digit."""
        z = torch.tensor([[1000.125, 0.0]]).repeat(200_000, 1)
        model = AnchorClassifier(5, 2)
        fit(model, *[(z, torch.zeros(len(z), dtype=torch.long))] * 20)
        assert model.reestimated_anchors[0].tolist() == [1000.125, 0.0]

    def test_a_second_fit_forgets_the_first(self):
        model = AnchorClassifier(5, 4).eval()
        fit(model, (Z, LABELS))
        model.begin_fit()
        with pytest.raises(InputError, match="not fitted"):
            model.class_scores(Z)
        model.update(Z[:1], LABELS[:1])
        model.end_fit()
        expected = torch.cat([Z[:1], 10 * torch.eye(4)[1:]])
        assert torch.equal(model.reestimated_anchors, expected)

    def test_learnt_centres_are_kept_too(self):
        model = AnchorClassifier(5, 4, centres="learnt")
        fit(model, (Z, LABELS))
        assert torch.equal(model.reestimated_anchors[2], model.anchors[2])
        np.testing.assert_allclose(model.reestimated_anchors[0], MEANS[0], rtol=1e-6)

    def test_the_fit_reads_the_embedding(self):
        assert AnchorClassifier.space == "embedding"


class TestWhichAnchors:
    def test_unfitted(self):
        model = AnchorClassifier(5, 4).eval()
        with pytest.raises(InputError, match="the anchors of AnchorClassifier are not fitted"):
            model.class_scores(Z)
        with pytest.raises(InputError, match="not fitted"):
            model.embedding_scores["cac_reestimated"](Z)
        fixed = AnchorClassifier(5, 4, test_anchors="fixed").eval()
        for scores in (model.train().class_scores(Z), fixed.class_scores(Z)):
            assert torch.equal(scores, -torch.cdist(Z, 10 * torch.eye(4)))
        given = model.embedding_scores["cac_fixed"](Z)
        np.testing.assert_allclose(given, gamma(Z, 10 * np.eye(4)), rtol=1e-5)

    @pytest.mark.parametrize("test_anchors", ["fixed", "reestimated"])
    def test_fitted(self, test_anchors):
        model = AnchorClassifier(5, 4, test_anchors=test_anchors)
        fit(model, (Z, LABELS))
        fixed, moved = 10 * np.eye(4), np.array(MEANS)
        of_test = fixed if test_anchors == "fixed" else moved
        for training, anchors in ((True, fixed), (False, of_test)):
            given = model.train(training).class_scores(Z).numpy()
            expected = np.linalg.norm(Z.numpy()[:, None] - anchors, axis=2)
            np.testing.assert_allclose(given, -expected, atol=1e-5)
        assert list(model.scores) == ["cac"]
        z = 5 * torch.randn(50, 4)
        given = model.scores["cac"](model.class_scores(z))
        np.testing.assert_allclose(given, gamma(z, of_test), rtol=1e-4)
        given = {name: score(z) for name, score in model.embedding_scores.items()}
        assert list(given) == ["cac_fixed", "cac_reestimated"]
        np.testing.assert_allclose(given["cac_fixed"], gamma(z, fixed), rtol=1e-4)
        np.testing.assert_allclose(given["cac_reestimated"], gamma(z, moved), rtol=1e-4)

    def test_a_checkpoint_carries_them(self):
        model = AnchorClassifier(5, 4, magnitude=7.0, centres="learnt")
        fit(model, (Z, LABELS))
        state = model.state_dict()
        assert {"anchors", "reestimated_anchors", "fitted"} <= state.keys()
        other = AnchorClassifier(5, 4)
        assert not other.state_dict()["fitted"]
        other.load_state_dict(state)
        assert torch.equal(other.eval().class_scores(Z), model.eval().class_scores(Z))
        assert torch.equal(other.train().class_scores(Z), model.train().class_scores(Z))

    def test_anchors_are_no_parameters(self):
        names = [name for name, _ in AnchorClassifier(5, 4, centres="learnt").named_parameters()]
        assert names == ["projection.weight", "projection.bias"]

    @pytest.mark.parametrize("magnitude", [10.0, 3.5])
    def test_where_they_start(self, magnitude):
        model = AnchorClassifier(5, 4, magnitude=magnitude)
        assert torch.equal(model.anchors, magnitude * torch.eye(4))


class TestLearnt:
    def model(self, **settings) -> AnchorClassifier:
        model = AnchorClassifier(3, 3, centres="learnt", **settings)
        model.anchors.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [5.0, 5.0, 5.0]]))
        return model

    def test_a_step_by_hand(self):
        """Class 0 has two samples, class 1 one, class 2 none; the ignored one does not count."""
        z = torch.tensor([[4.0, 0.0, 0.0], [1.0, 3.0, 0.0], [0.0, -1.0, 4.0], [99.0, 99.0, 99.0]])
        model = self.model(centre_rate=0.5)
        model.loss(z, torch.tensor([0, 0, 1, 255]))
        # 0: sum (c - z) = (-3, -3, 0), over 1 + 2, half of it: (1, 0, 0) + (0.5, 0.5, 0)
        # 1: sum (c - z) = (0, 2, -4), over 1 + 1, half of it: (0, 1, 0) - (0, 0.5, -1)
        expected = [[1.5, 0.5, 0.0], [0.0, 0.5, 1.0], [5.0, 5.0, 5.0]]
        np.testing.assert_allclose(model.anchors, expected, rtol=1e-6)

    def test_maps(self):
        z, labels = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
        labels[0, 0] = 255
        maps, rows = self.model(), self.model()
        maps.loss(z, labels)
        rows.loss(z.movedim(1, -1).flatten(0, -2), labels.flatten())
        torch.testing.assert_close(maps.anchors, rows.anchors)
        assert not torch.equal(maps.anchors, self.model().anchors)

    def test_they_reach_the_means(self):
        model = self.model()
        for _ in range(60):
            model.loss(Z[[0, 1, 3, 4]][:, :3], torch.tensor([0, 0, 1, 2]))
        expected = [[8.0, 1.5, 0.0], [0.0, 4.0, 1.0], [0.0, 5.0, 2.0]]
        np.testing.assert_allclose(model.anchors, expected, atol=1e-5)

    def test_only_training_moves_them(self):
        model, anchored = self.model().eval(), AnchorClassifier(3, 3).train()
        for kept in (model, anchored):
            before = kept.anchors.clone()
            kept.loss(Z[:, :3], torch.tensor([0, 1, 2, 0, 1, 2]))
            assert torch.equal(kept.anchors, before)
        model.train().loss(Z[:, :3], torch.full((6,), 255))
        assert torch.equal(model.anchors, self.model().anchors)

    def test_under_autocast(self):
        """Sums of logits in bfloat16 would move the centres elsewhere."""
        z, labels = 30 + torch.randn(500, 3), torch.randint(3, (500,))
        exact, mixed = self.model(), self.model()
        exact.loss(z, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed.loss(z, labels)
        assert torch.equal(mixed.anchors, exact.anchors)

    @pytest.mark.parametrize("loss", [CACLoss(), CenterLoss(loss_weight=0.01)])
    def test_the_loss_is_that_of_the_centres_before_the_step(self, loss):
        """In the order of a host: class scores, then losses, then the backward pass."""
        model, features = self.model(), torch.randn(5, 3)
        twin, labels = copy.deepcopy(model), torch.tensor([0, 1, 2, 0, 1])
        embedding = model.embed(features)
        total = loss(model.class_scores(embedding), labels)
        (total + model.loss(embedding, labels)["loss_logit_ce"]).backward()
        embedding = twin.eval().embed(features)
        distance = -torch.cdist(embedding, twin.anchors)
        (loss(distance, labels) + F.cross_entropy(embedding, labels)).backward()
        torch.testing.assert_close(model.projection.weight.grad, twin.projection.weight.grad)
        assert not torch.equal(model.anchors, twin.anchors)


class TestCrossEntropyOfTheLogits:
    """Supplement, eq. 11 and 12."""

    def test_by_default_with_learnt_centres_only(self):
        assert AnchorClassifier(5, 4).loss(Z, LABELS) == {}
        assert AnchorClassifier(5, 4, centres="learnt", logit_loss_weight=0.0).loss(Z, LABELS) == {}
        assert list(AnchorClassifier(5, 4, centres="learnt").loss(Z, LABELS)) == ["loss_logit_ce"]

    @pytest.mark.parametrize("weight", [1.0, 0.25])
    def test_value(self, weight):
        labels = LABELS.clone()
        labels[1] = 255
        model = AnchorClassifier(5, 4, logit_loss_weight=weight)
        given = model.loss(Z, labels)["loss_logit_ce"].item()
        rows = [0, 2, 3, 4, 5]
        z = Z.double().numpy()[rows]
        expected = np.log(np.exp(z).sum(1)) - z[np.arange(5), LABELS[rows]]
        assert given == pytest.approx(weight * expected.mean(), rel=1e-6)


def batch(rank: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(10 * step + rank)
    labels = torch.randint(3, (7 + rank,), generator=generator)
    if step == 1 and rank == 1:
        labels.fill_(255)  # this rank has nothing to learn from
    if step == 2 and rank == 0:
        labels[labels == 2] = 255  # a class that only the other rank sees
    return 3 * torch.randn(len(labels), 3, generator=generator), labels


def learn_and_fit(batches) -> dict[str, torch.Tensor]:
    """Learn the centres of the steps' batches, then re-estimate the anchors from them all."""
    torch.manual_seed(0)
    model = AnchorClassifier(3, 3, centres="learnt")
    for z, labels in batches:
        model.loss(z, labels)
    fit(model, *[(z[labels < 255], labels[labels < 255]) for z, labels in batches])
    return {"learnt": model.anchors, "reestimated": model.reestimated_anchors}


def learn_on(rank: int) -> dict[str, np.ndarray]:
    found = learn_and_fit([batch(rank, step) for step in range(4)])
    return {name: value.numpy() for name, value in found.items()}


def test_two_ranks_are_one_process(on_two_ranks):
    found = on_two_ranks(learn_on)
    both = [
        [torch.cat(parts) for parts in zip(batch(0, s), batch(1, s), strict=True)] for s in range(4)
    ]
    expected, alone = learn_and_fit(both), learn_and_fit([batch(0, step) for step in range(4)])
    for name, value in expected.items():
        assert (found[0][name] == found[1][name]).all(), name
        np.testing.assert_allclose(found[0][name], value, rtol=1e-5, atol=1e-6, err_msg=name)
        assert not np.allclose(alone[name], value, rtol=1e-2), "one rank alone must not do"


def test_score_of_the_class_scores_is_that_of_numpy():
    z = 6 * torch.randn(300, 4)
    class_scores = -torch.cdist(z.double(), 10 * torch.eye(4).double())
    expected = gamma(z, 10 * np.eye(4))
    np.testing.assert_allclose(rejection_score(class_scores), expected, rtol=1e-9)
    np.testing.assert_allclose(rejection_score(class_scores.float()), expected, rtol=1e-5)
