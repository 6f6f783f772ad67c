"""Tests of OpenMax."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from mmosr.scores import OpenMax, build_score
from mmosr.scores.openmax import distances
from mmosr.utils import InputError

from .fitted_contract import CLASSES, SAMPLES, FittedRowContract, fit
from .openmax_reference import KINDS, restated, restated_models, two_classes


def fit_shuffled(rank: int, shares: list[list[int]]) -> dict:
    """Statistics of a share of :meth:`TestOpenMax.rows`, in batches of 7, with the other rank."""
    rows, labels = TestOpenMax().rows()
    score = OpenMax(CLASSES)
    score.begin_fit()
    for part in torch.tensor(shares[rank], dtype=torch.long).split(7):
        score.update(rows[part], labels[part])
    score.end_fit()
    return {name: value.numpy() for name, value in score.statistics().items()}


class TestOpenMax(FittedRowContract):
    name = "openmax"

    @pytest.mark.parametrize("translation", [1.0, 10000.0])
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("alpha", [1, 3, CLASSES])
    def test_restatement(self, kind, alpha, translation):
        options = dict(distance=kind, translation=translation)
        score = OpenMax(CLASSES, tail_size=8, alpha=alpha, **options)
        rows, labels = self.everything()
        fit(score, (rows, labels))
        models = restated_models(rows.double().numpy(), labels.numpy(), 8, kind, translation)
        # Near the means and far from them: w from 0 to 1.
        test = torch.cat([rows, self.maps().movedim(1, -1).flatten(0, -2)])
        expected = np.stack(
            [restated(row, models, alpha, kind, translation) for row in test.double().numpy()]
        )
        odds = expected[:, -1] - logsumexp(expected[:, :-1], axis=1)
        np.testing.assert_allclose(score(test).numpy(), odds, rtol=1e-4, atol=1e-4)
        prob = np.exp(expected - logsumexp(expected, axis=1, keepdims=True))
        found = score.probabilities(test).numpy()
        np.testing.assert_allclose(found, prob, rtol=2e-4, atol=1e-6)
        np.testing.assert_allclose(np.log(found[:, -1] / found[:, :-1].sum(1)), odds, atol=2e-4)

    def test_by_hand(self):
        """Three classes, logits (4, 3, -1), w = (1/2, 1/4, 3/4)."""
        score = OpenMax(3, alpha=10, distance="euclidean", translation=2.0)
        row = torch.tensor([[4.0, 3.0, -1.0]])
        # Means at distance 5, 2, 7; F((d - start + 2) / scale) = 1 - exp(-x^k).
        score.means.copy_(row + torch.tensor([[3.0, 4, 0], [0, 0, -2], [2, 3, 6]]))
        score.tail_starts.copy_(torch.tensor([4.0, 3.0, 5.0]))  # d - start + 2 = 3, 1, 4
        score.shapes.copy_(torch.tensor([1.0, 2.0, 0.5]))
        scales = [3 / math.log(2), 1 / math.log(4 / 3) ** 0.5, 4 / math.log(4) ** 2]
        score.log_scales.copy_(torch.tensor(scales).div(2).log())
        score.usable.fill_(1)
        score.fitted.fill_(True)
        # alpha = 3: r = 1, 2/3, 1/3. Lost: 4/2, 3/4 * 2/3, -3/4 / 3.
        exact = [2.0, 2.5, -0.75, 2.25]
        odds = 2.25 - math.log(sum(math.exp(v) for v in exact[:3]))
        assert score(row).item() == pytest.approx(odds, abs=1e-6)
        total = sum(math.exp(v) for v in exact)
        prob = [math.exp(v) / total for v in exact]
        assert score.probabilities(row)[0].tolist() == pytest.approx(prob, abs=1e-6)
        score.alpha = 1  # only class 0
        odds = 2.0 - math.log(math.exp(2) + math.exp(3) + math.exp(-1))
        assert score(row).item() == pytest.approx(odds, abs=1e-6)
        score.usable[0] = 0
        odds = 0.0 - math.log(math.exp(4) + math.exp(3) + math.exp(-1))
        assert score(row).item() == pytest.approx(odds, abs=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_recovers_known_parameters(self, seed):
        """All distances are Weibull distributed, and all are the tail."""
        size, shape, scale = 4000, 2.0, 3.0
        rows, labels, far = two_classes(seed, size, shape, scale, start=0.0)
        options = dict(distance="euclidean", translation=float(far.min()))
        score = OpenMax(2, tail_size=2 * size, **options)
        fit(score, (rows, labels))
        assert score.means.tolist() == [[20, 0], [0, 20]]
        found = score.translation * score.log_scales.double().exp().numpy()
        # Each distance occurs twice, so that half of the rows count.
        assert score.shapes.tolist() == pytest.approx([shape] * 2, rel=5 * 0.78 / size**0.5)
        assert found.tolist() == pytest.approx([scale] * 2, rel=5 * 1.05 / shape / size**0.5)
        assert score.tail_starts.tolist() == pytest.approx([far.min()] * 2, rel=1e-6)

    def test_the_tail_are_the_largest_distances(self):
        """Nearer samples change nothing."""
        rows, labels, far = two_classes(0, 30, 2.0, 1.0, start=5.0)
        whole, part = (OpenMax(2, tail_size=20, distance="euclidean") for _ in range(2))
        fit(whole, (rows, labels))
        kept = rows.abs().amin(1) >= float(far[-10]) - 1e-4
        assert kept.sum() == 40
        fit(part, (rows[kept], labels[kept]))
        for name, value in whole.statistics().items():
            torch.testing.assert_close(part.statistics()[name], value, rtol=1e-6, atol=1e-12)
        assert whole.tail_starts.tolist() == pytest.approx([far[-10]] * 2, rel=1e-6)

    def test_only_correct_samples_count(self, fitted):
        rows, labels = self.everything()
        correct = rows.argmax(1) == labels
        assert 0 < correct.sum() < SAMPLES
        before = fitted.statistics()
        fit(fitted, (rows[correct], labels[correct]))
        assert all(torch.equal(v, before[n]) for n, v in fitted.statistics().items())

    def test_any_order_gives_the_same_bits(self, fitted, on_two_ranks):
        before = fitted.statistics()
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(3)).tolist()
        for shares in ([order[:40], order[40:]], [order[::-1], []], [[], order]):
            for statistics in on_two_ranks(fit_shuffled, shares):
                assert all((statistics[n] == v.numpy()).all() for n, v in before.items())

    def test_any_order_where_sums_of_float64_depend_on_it(self):
        """2^60 + 1 - 2^60 is 0 or 1 by the order."""
        large, labels = 2.0**60, torch.zeros(4, dtype=torch.long)
        found = []
        for order in itertools.permutations([large, 1.0, -large, 3.0]):
            score = OpenMax(2, distance="euclidean")
            fit(score, (torch.tensor([[2 * large, value] for value in order]), labels))
            found.append(score.statistics())
        for statistics in found[1:]:
            assert all(torch.equal(value, found[0][n]) for n, value in statistics.items())

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_tail_is_that_of_the_distances_of_the_score(self, kind):
        """To the mean in float32, which next to 1000 is off by a hundredth of the rest."""
        generator = torch.Generator().manual_seed(0)
        rows = 1000.03 * torch.tensor([1.0, 0.5]) + 2e-3 * torch.randn(50, 2, generator=generator)
        score = OpenMax(2, distance=kind)
        fit(score, (rows, torch.zeros(50, dtype=torch.long)))
        found = distances(rows.double(), score.means[0].double(), kind).sort().values
        assert score.tail_starts[0].item() == pytest.approx(found[-20].item(), rel=1e-6)

    @pytest.mark.parametrize("kind", KINDS)
    def test_farther_is_more_unknown(self, kind):
        """The first logit stays, so that the softmax hardly moves, and the distance grows."""
        score = OpenMax(3, distance=kind, alpha=1)
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(90) % 3
        rows = 8 * torch.eye(3)[labels] + 0.3 * torch.randn(90, 3, generator=generator)
        fit(score, (rows, labels))
        mean = score.means[0]
        path = mean - torch.linspace(0, 20, 60)[:, None] * torch.tensor([0.0, 0.0, 1.0])
        scores = score(path)
        assert (scores.diff() >= 0).all() and scores[-1] - scores[0] > 8
        # Later w is 1, and the third logit has no weight next to the others.
        assert (scores[:20].diff() > 0).all()
        assert (distances(path, mean, kind).diff() > 0).all()

    def test_saturation_does_not_tie(self, fitted):
        """Where float32 gives the probability of unknown as 1 or as 0."""
        steps = torch.arange(1, 40).float()[:, None]
        far = torch.tensor([[30.0, 30.0, 30.0, 29.0]]) + steps
        near = fitted.means[:1] * (1 + 3 * steps)
        for rows, value, sign in ((far, 1.0, 1), (100 * near, 0.0, 0)):
            prob = fitted.probabilities(rows)
            assert prob.sum(1).sub(1).abs().max() < 1e-6
            if sign:
                assert (prob[:, -1] == value).all()
            assert fitted(rows).isfinite().all()
            assert len(fitted(rows).unique()) == len(rows)
        assert (fitted(far).diff() > 0).all()

    def test_ranks_as_the_probability(self, fitted):
        rows = self.maps().movedim(1, -1).flatten(0, -2)
        prob = fitted.probabilities(rows)[:, -1].double()
        torch.testing.assert_close(fitted(rows).double().sigmoid(), prob, rtol=1e-5, atol=1e-7)

    def test_probabilities_of_maps(self, fitted):
        found = fitted.probabilities(self.maps())
        assert found.shape == (2, CLASSES + 1, 5, 3) and found.dtype == torch.float32
        rows = fitted.probabilities(self.maps().movedim(1, -1).flatten(0, -2))
        torch.testing.assert_close(found.movedim(1, -1).flatten(0, -2), rows)
        with pytest.raises(InputError, match="not fitted"):
            OpenMax(CLASSES).probabilities(self.maps())
        with pytest.raises(InputError, match="got"):
            fitted.probabilities(self.maps()[:, 1:])

    def test_classes_without_a_tail(self):
        """Class 1 has two correct samples, class 2 none, class 3 a point, class 4 four."""
        groups = [(0, 30, 1.0), (1, 2, 1.0), (3, 9, 0.0), (4, 4, 1.0)]
        labels = torch.cat([torch.full((n,), y) for y, n, _ in groups])
        noise = torch.cat([torch.full((n,), s) for _, n, s in groups])[:, None]
        generator = torch.Generator().manual_seed(0)
        rows = 10.1 * torch.eye(5)[labels]
        rows += noise * torch.randn(rows.shape, generator=generator)
        score = OpenMax(5, alpha=1)
        score.begin_fit()
        score.update(rows, labels)
        score.update(torch.eye(5)[:2], torch.tensor([2, 2]))  # class 2, never recognised
        warning = score.end_fit()
        assert "classes [1, 2, 3] have fewer than 3 correct samples, or" in warning
        assert "classes [4] have fewer than tail_size = 20" in warning
        assert score.usable.tolist() == [1, 0, 0, 0, 1]
        assert all(value.isfinite().all() for value in score.statistics().values())
        torch.testing.assert_close(score.means[1], rows[30:32].mean(0))
        # A plain softmax with an additional logit of 0: nothing is revised.
        test = 5 + 20 * torch.eye(5)
        plain = -test.logsumexp(1)
        found = score(test)
        torch.testing.assert_close(found[1:4], plain[1:4])
        assert (found[[0, 4]] > plain[[0, 4]] + 1).all()

    def test_no_class_with_a_tail_is_refused(self):
        rows = torch.randn(30, 3)
        wrong = (rows.argmax(1) + 1) % 3
        with pytest.raises(InputError, match="no class has 3 correctly classified") as error:
            fit(OpenMax(3), (rows, wrong))
        assert "\n" not in str(error.value)
        with pytest.raises(InputError, match="no class has 3"):
            fit(OpenMax(3), (torch.eye(3).repeat(10, 1), torch.arange(3).repeat(10)))

    @pytest.mark.parametrize(
        ("kind", "rows"),
        [
            # Two points are equally far from their mean, which float32 rounds.
            ("euclidean", torch.tensor([[10.1, 1.3], [10.7, -0.9]]).repeat(5, 1)),
            ("eucos", torch.tensor([[10.1, 1.3], [10.1, -1.3]]).repeat(5, 1)),
            # One direction.
            ("cosine", torch.tensor([1.0, 1, 2, 4])[:, None] * torch.tensor([1.1, 0.3, 0.7])),
        ],
    )
    def test_rounding_is_no_tail(self, kind, rows):
        labels = torch.zeros(len(rows), dtype=torch.long)
        with pytest.raises(InputError, match="at distances that differ"):
            fit(OpenMax(rows.shape[1], distance=kind), (rows, labels))

    def test_a_tail_below_the_rounding_of_its_start(self):
        """Distances 1 + 8e-8 ... 1 + 8.4e-8; in float32 all are below the start."""
        off = torch.linspace(4e-4, 4.1e-4, 5)
        signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        rows = torch.cat([signs * torch.stack([torch.ones(()), one]) for one in off])
        rows[:, 0] += 10  # the mean is (10, 0) exactly
        with pytest.raises(InputError, match="at distances that differ"):
            fit(OpenMax(2, distance="euclidean"), (rows, torch.zeros(20, dtype=torch.long)))

    def test_no_warning_without_a_reason(self):
        score = OpenMax(CLASSES, tail_size=8)
        score.begin_fit()
        score.update(*self.everything())
        assert score.end_fit() is None

    def test_memory_is_bounded(self):
        """Three quarters of a row of 16 bytes after the other, until 160 bytes are exceeded."""
        rows, labels = self.everything()
        correct = (rows.argmax(1) == labels).nonzero().flatten()
        score = OpenMax(CLASSES, max_gib=160 / 2**30)
        score.begin_fit()
        score.update(rows[correct[:10]], labels[correct[:10]])
        with pytest.raises(InputError, match="not for pixels") as error:
            score.update(rows[correct[10:11]], labels[correct[10:11]])
        assert "\n" not in str(error.value)

    def test_the_logits_are_let_go(self, fitted):
        assert fitted._correct == []
        with pytest.raises(InputError):
            fit(fitted, self.batch([]))
        assert fitted._correct == []

    def test_statistics_of_other_options_are_refused(self, fitted):
        for options in (dict(distance="cosine"), dict(tail_size=10), dict(translation=1.0)):
            other = OpenMax(CLASSES, **options)
            with pytest.raises(InputError, match="distance='eucos', tail_size=20, translation=10"):
                other.load_statistics(fitted.statistics())
            assert not other.fitted
        other = OpenMax(CLASSES, alpha=2)
        other.load_statistics(fitted.statistics())
        assert other.fitted

    @pytest.mark.parametrize(
        "options",
        [dict(tail_size=2), dict(alpha=0), dict(distance="l1"), dict(translation=0.0)],
    )
    def test_bad_options_are_refused(self, options):
        with pytest.raises(InputError, match=f"'openmax': {next(iter(options))} must be"):
            build_score(dict(type="openmax", **options), CLASSES)


@pytest.mark.parametrize("kind", KINDS)
def test_distances(kind):
    rows, means = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0)).double()
    expected = [KINDS[kind](a, b) for a, b in zip(rows.numpy(), means.numpy(), strict=True)]
    np.testing.assert_allclose(distances(rows, means, kind).numpy(), expected, rtol=1e-12)


def test_cosine_of_zeros():
    zeros, mean = torch.zeros(1, 2), torch.tensor([3.0, 4.0])
    assert distances(zeros, mean, "cosine").tolist() == [1.0]
    assert distances(zeros, mean, "eucos").tolist() == pytest.approx([1.025])
