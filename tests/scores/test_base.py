"""Tests of building scores from configs, and of what fitted parts share."""

import pytest
import torch

from mmosr.registry import SCORES
from mmosr.scores import SPACES, Fitted, FittedScore, Score, build_score, energy, max_softmax
from mmosr.scores.fitted import class_sums
from mmosr.utils import InputError

NAMES = [
    *("msp", "max_logit", "entropy", "energy", "one_vs_rest", "odin", "odin_fitted"),
    *("sml", "sml_smooth", "kl_matching", "mahalanobis", "mahalanobis_per_class"),
]


def test_all_scores_are_registered():
    assert set(SCORES.module_dict) >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_build_by_name(name):
    for config in (name, dict(type=name), dict(type=name, name="my_score")):
        score = build_score(config, 4, 6)
        assert isinstance(score, Score) and score.num_classes == 4
        assert score.space in ("logits", "features", "inputs")
        assert not score.state_dict()
        if isinstance(score, FittedScore):
            assert score.space in SPACES and score.fit_split in ("train", "val")


def test_formula_with_options():
    logits = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    score = build_score(dict(type="energy", temperature=3.0), 4)
    assert torch.equal(score(logits), energy(logits, temperature=3.0))
    assert torch.equal(build_score("msp", 4)(logits), max_softmax(logits))


def test_config_is_left_alone():
    config = dict(type="energy", name="mine", temperature=3.0)
    build_score(config, 4)
    assert config == dict(type="energy", name="mine", temperature=3.0)


@pytest.mark.parametrize(
    "config, message",
    [
        ("mps", r"no score 'mps': choose from .*max_logit, msp"),
        (dict(temperature=2), "no score 'None'"),
        (dict(type="msp", temperature=2), "score 'msp': .*temperature"),
        (dict(type="mahalanobis", shrink=0.1), "score 'mahalanobis': .*shrink"),
        (dict(type="sml_smooth", width=4), "score 'sml_smooth': .*width"),
        (dict(type="mahalanobis", shrinkage=2), r"score 'mahalanobis': shrinkage must be in"),
        (dict(type="msp", num_classes=3), "score 'msp'"),
    ],
)
def test_wrong_configs_are_explained(config, message):
    with pytest.raises(InputError, match=message) as error:
        build_score(config, 4, 6)
    assert "\n" not in str(error.value)


class TestClassSums:
    def test_by_hand(self):
        rows = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        sums = class_sums(rows, torch.tensor([2, 0, 2]), 3)
        assert sums["count"].tolist() == [1, 0, 2]
        assert sums["total"].tolist() == [[3, 4], [0, 0], [6, 8]]
        assert sums["total"].dtype == torch.float64

    def test_no_rows(self):
        sums = class_sums(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), 3)
        assert sums["count"].tolist() == [0, 0, 0] and not sums["total"].any()


class Mean(Fitted):
    """The smallest fitted part."""

    space = "embedding"

    def __init__(self):
        super().__init__()
        self.register_buffer("fitted", torch.tensor(False))
        self.register_buffer("mean", torch.zeros(2, dtype=torch.float64))

    def accumulate(self, rows, labels):
        return {"total": rows.sum(0), "count": torch.tensor(len(rows))}

    def estimate(self, sums):
        assert set(sums) == {"total", "count"}
        self.mean.copy_(sums["total"] / sums["count"])
        return "look out"


def fit_mean(rank, values):
    part = Mean()
    part.begin_fit()
    for value in values[rank]:
        part.update(torch.full((1, 2), value), torch.zeros(1))
    try:
        return part.end_fit(), part.mean.tolist()
    except InputError as error:
        return str(error), None


class TestFitted:
    def test_one_pass(self):
        assert fit_mean(0, [[1.0, 2.0, 6.0]]) == ("look out", [3.0, 3.0])

    def test_sums_are_float64(self):
        # In float32 2^24 + 1 is 2^24.
        assert fit_mean(0, [[2.0**24, 1.0, 1.0]])[1] == [(2**24 + 2) / 3] * 2

    @pytest.mark.parametrize("value", [float("nan"), float("-inf")])
    def test_values_that_are_not_finite(self, value):
        message, _ = fit_mean(0, [[1.0, value]])
        assert "Mean cannot be fitted: the embedding of the train data hold NaN" in message

    def test_no_batch(self):
        assert "no sample" in fit_mean(0, [[]])[0]

    @pytest.mark.parametrize("values", [([1.0], [2.0, 6.0]), ([], [3.0]), ([3.0], [])])
    def test_two_ranks(self, values, on_two_ranks):
        assert on_two_ranks(fit_mean, values) == [("look out", [3.0, 3.0])] * 2

    def test_both_ranks_raise_alike(self, on_two_ranks):
        for message, mean in on_two_ranks(fit_mean, ([], [])):
            assert "no sample" in message and mean is None
        nan = on_two_ranks(fit_mean, ([1.0], [float("nan")]))
        assert all("NaN" in message for message, _ in nan)
