"""What every score with fitted statistics must fulfil.

The test class of a score inherits :class:`FittedRowContract` (space of logits or features) and sets
its registered ``name``::

    class TestKLMatching(FittedRowContract):
        name = "kl_matching"

A score of another space inherits :class:`FittedScoreContract` and defines in ``batch`` and
``scores`` how it is called.
"""

import pytest
import torch
from torch import Tensor

from mmosr.registry import SCORES
from mmosr.scores import FittedScore, build_score
from mmosr.utils import InputError

CLASSES, DIMS, SAMPLES = 4, 6, 90


def fit(score: FittedScore, *batches: tuple) -> dict[str, Tensor]:
    """Fit a score; returns the float64 sums over all batches."""
    score.begin_fit()
    for batch in batches:
        score.update(*batch)
    sums = dict(score._sums)
    score.end_fit()
    return sums


def fit_on_rank(rank: int, contract: type, shares: list[list[int]]) -> tuple[dict, dict, str]:
    """Statistics and sums of a share, fitted together with the other rank."""
    contract = contract()
    score = contract.build()
    score.begin_fit()
    if shares[rank]:
        score.update(*contract.batch(shares[rank]))
    estimate, seen = score.estimate, {}
    score.estimate = lambda sums: (seen.update(sums), estimate(sums))[1]
    error = ""
    try:
        score.end_fit()
    except InputError as found:
        error = str(found)
    statistics = {name: value.numpy() for name, value in score.statistics().items()}
    return statistics, {name: value.numpy() for name, value in seen.items()}, error


def assert_close(found: dict, expected: dict, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


class FittedScoreContract:
    """Tests of a :class:`mmosr.scores.FittedScore` of any space."""

    name: str
    options: dict = {}

    def build(self) -> FittedScore:
        return build_score(
            dict(type=self.name, **self.options), CLASSES, DIMS, layer_dims=lambda: DIMS
        )

    def batch(self, indices: list[int]) -> tuple:
        """Arguments of ``update`` for some of the ``SAMPLES`` samples."""
        raise NotImplementedError

    def scores(self, score: FittedScore) -> Tensor:
        """Scores of some inputs that always are the same."""
        raise NotImplementedError

    def everything(self) -> tuple:
        return self.batch(list(range(SAMPLES)))

    @pytest.fixture
    def fitted(self) -> FittedScore:
        score = self.build()
        fit(score, self.everything())
        return score

    def test_registered_and_buildable(self):
        assert type(self.build()) is SCORES.get(self.name)

    def test_larger_scores_are_finite(self, fitted):
        scores = self.scores(fitted)
        assert scores.isfinite().all() and scores.std() > 0

    def test_unfitted_is_refused(self):
        score = self.build()
        with pytest.raises(InputError, match="tools/fit_score.py"):
            self.scores(score)
        assert score.statistics() == {}

    def test_no_key_in_the_state_dict(self, fitted):
        assert fitted.state_dict() == {}

    def test_many_batches_in_any_order(self):
        score = self.build()
        whole = fit(score, self.everything())
        statistics = score.statistics()
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(1)).tolist()
        for cuts in ([30, 60], [1, 2, 80]):
            parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, SAMPLES], strict=True)]
            assert_close(fit(score, *map(self.batch, parts)), whole, 1e-9)
            assert_close(score.statistics(), statistics, 1e-5)

    def test_empty_batch_changes_nothing(self, fitted):
        before = fitted.statistics()
        fit(fitted, self.batch([]), self.everything(), self.batch([]))
        assert_close(fitted.statistics(), before, 0)

    def test_begin_fit_forgets(self, fitted):
        before = fitted.statistics()
        fit(fitted, self.everything())
        assert_close(fitted.statistics(), before, 0)
        fitted.begin_fit()
        with pytest.raises(InputError, match="not fitted"):
            self.scores(fitted)

    @pytest.mark.parametrize("batches", [0, 1])
    def test_no_sample_is_refused(self, batches):
        score = self.build()
        with pytest.raises(InputError, match="no sample") as error:
            fit(score, *[self.batch([])] * batches)
        assert "\n" not in str(error.value)
        with pytest.raises(InputError, match="not fitted"):
            self.scores(score)

    def test_statistics_travel(self, fitted):
        other = self.build()
        other.load_statistics(fitted.statistics())
        assert torch.equal(self.scores(other), self.scores(fitted))
        assert all(value.dtype == torch.float32 for value in fitted.statistics().values())

    def test_statistics_of_another_size_are_refused(self, fitted):
        for name, value in fitted.statistics().items():
            wrong = {**fitted.statistics(), name: torch.zeros(*value.shape, 2)}
            with pytest.raises(InputError, match=f"{name} has shape"):
                self.build().load_statistics(wrong)
        with pytest.raises(InputError, match="found none"):
            self.build().load_statistics({})

    def test_float32_under_autocast(self, fitted):
        statistics, scores = fitted.statistics(), self.scores(fitted)
        other = self.build()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fit(other, self.everything())
            under = self.scores(fitted)
        assert under.dtype == torch.float32
        torch.testing.assert_close(under, scores, rtol=0, atol=0)
        assert_close(other.statistics(), statistics, 0)

    def test_without_gradients(self, fitted):
        assert not list(fitted.parameters())
        assert not any(buffer.requires_grad for buffer in fitted.buffers())
        assert not self.scores(fitted).requires_grad

    @pytest.mark.parametrize("share", [0, 1, 37, SAMPLES])
    def test_two_ranks_fit_what_one_fits(self, share, on_two_ranks):
        score = self.build()
        sums = fit(score, self.everything())
        del sums["rows"]
        shares = [list(range(share)), list(range(share, SAMPLES))]
        ranks = on_two_ranks(fit_on_rank, type(self), shares)
        for statistics, seen, error in ranks:
            assert error == ""
            assert_close({n: torch.as_tensor(v) for n, v in seen.items()}, sums, 1e-9)
            found = {n: torch.as_tensor(v) for n, v in statistics.items()}
            assert_close(found, score.statistics(), 1e-5)
        for name, value in ranks[0][0].items():
            assert (value == ranks[1][0][name]).all(), name

    def test_two_ranks_without_a_sample(self, on_two_ranks):
        for _, _, error in on_two_ranks(fit_on_rank, type(self), [[], []]):
            assert "no sample" in error


class FittedRowContract(FittedScoreContract):
    """Tests of a fitted score of logits ``(N, C, *S)`` or features ``(N, D, *S)``."""

    def channels(self) -> int:
        return CLASSES if SCORES.get(self.name).space == "logits" else DIMS

    def rows(self) -> tuple[Tensor, Tensor]:
        """Rows ``(SAMPLES, C or D)`` in float32 around a mean of each label, and the labels."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(SAMPLES) % CLASSES
        means = 3 * torch.eye(CLASSES, self.channels())
        rows = means[labels] + torch.randn(SAMPLES, self.channels(), generator=generator)
        return rows, labels

    def maps(self) -> Tensor:
        """``(2, C or D, 5, 3)``."""
        generator = torch.Generator().manual_seed(2)
        return 3 * torch.randn(2, self.channels(), 5, 3, generator=generator)

    def batch(self, indices: list[int]) -> tuple:
        rows, labels = self.rows()
        return rows[indices], labels[indices]

    def scores(self, score: FittedScore) -> Tensor:
        return score(self.maps())

    def test_rows_and_maps_agree(self, fitted):
        maps = self.maps()
        scores = fitted(maps)
        assert scores.shape == (2, 5, 3)
        rows = fitted(maps.movedim(1, -1).flatten(0, -2))
        torch.testing.assert_close(scores.flatten(), rows)
        torch.testing.assert_close(fitted(maps.flatten(2)), scores.flatten(1))

    def test_half_precision_maps(self, fitted):
        maps = self.maps().half()
        scores = fitted(maps)
        assert scores.dtype == torch.float32
        assert torch.equal(scores, fitted(maps.float()))

    def test_input_is_left_alone(self, fitted):
        maps = self.maps()
        before = maps.clone()
        fitted(maps)
        assert torch.equal(maps, before)

    def test_rows_with_gradients(self, fitted):
        rows, labels = self.everything()
        before = fitted.statistics()
        fit(fitted, (rows.requires_grad_(), labels))
        assert_close(fitted.statistics(), before, 0)
        assert not fitted(rows).requires_grad and rows.grad is None

    def test_wrong_shapes_are_refused(self, fitted):
        rows, labels = self.everything()
        channels = self.channels()
        for wrong in (rows[:, :-1], rows[0], torch.zeros(2, 3, channels)):
            with pytest.raises(InputError, match=rf"\(N, {channels}, ...\), got"):
                fitted(wrong)
        for wrong in ((rows[:, :-1], labels), (rows[1:], labels), (self.maps(), labels[:2])):
            with pytest.raises(InputError, match="got"):
                fit(fitted, wrong)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_finite_are_refused(self, value):
        rows, labels = self.everything()
        rows[3] = value
        with pytest.raises(InputError, match="NaN or infinite"):
            fit(self.build(), (rows, labels))
