"""The bookkeeping of scores, on a host that is not a network."""

import pytest
import torch
from torch import nn

from mmosr.methods import AnchorClassifier, LinearClassifier
from mmosr.scored_model import ScoredModel
from mmosr.scores import StandardizedMaxLogit
from mmosr.scores.functional import energy
from mmosr.utils import InputError

C, D = 3, 5


class Host(nn.Module):
    """Keeps what it is built with."""

    def __init__(self, part=None, *, name="host"):
        super().__init__()
        self.part, self.name = part, name


class Model(ScoredModel, Host):
    """The minimum that a host provides."""

    @property
    def classifier(self):
        return self.part

    @property
    def known_classes(self):
        return C

    @property
    def feature_dims(self):
        return D

    def fit_step(self, data, parts):
        for part in parts.values():
            part.update(*data)


def own():
    return LinearClassifier(D, C)


def test_the_host_gets_its_arguments():
    part = own()
    model = Model(part, name="other", score="msp", reject_threshold=0.5)
    assert model.part is part and model.name == "other" and model.reject_threshold == 0.5
    assert Model().reject_threshold is None


@pytest.mark.parametrize(
    ("part", "score", "names"),
    [
        (None, None, ("msp",)),
        (own(), None, ("doc",)),
        (None, "energy", ("energy",)),
        (None, dict(type="energy", temperature=2.0, name="warm"), ("warm",)),
        (own(), ["msp", dict(type="energy")], ("msp", "energy")),
    ],
)
def test_names(part, score, names):
    model = Model(part, score=score)
    assert model.score_names == model.active_scores == names


def test_functions_and_spaces():
    names = ["cac", "cac_fixed", "mahalanobis", "odin", dict(type="energy", temperature=2.0)]
    model = Model(AnchorClassifier(D, C), score=names)
    spaces = [model.score_space(name) for name in model.score_names]
    assert spaces == ["logits", "embedding", "features", "inputs", "logits"]
    assert list(model.posthoc_scores) == ["mahalanobis", "odin", "energy"]
    logits = torch.randn(4, C)
    torch.testing.assert_close(model.score_function("energy")(logits), energy(logits, 2.0))
    expected = model.part.scores["cac"](logits)
    torch.testing.assert_close(model.score_function("cac")(logits), expected)
    expected = model.part.embedding_scores["cac_fixed"](logits)
    torch.testing.assert_close(model.score_function("cac_fixed")(logits), expected)


def test_the_methods_own_score_wins():
    """``msp`` of a linear classifier is its own, so it is not a post-hoc one."""
    assert not Model(own(), score="msp").posthoc_scores
    assert list(Model(score="msp").posthoc_scores) == ["msp"]


def test_own_scores_under_other_names():
    score = ["cac", dict(type="cac", name="again"), dict(type="cac_fixed", name="fixed")]
    model = Model(AnchorClassifier(D, C), score=score)
    assert model.score_names == ("cac", "again", "fixed") and not model.posthoc_scores
    assert [model.score_space(name) for name in model.score_names] == [*["logits"] * 2, "embedding"]
    z = torch.randn(4, C)
    for name, expected in (("again", "cac"), ("fixed", "cac_fixed")):
        functions = {**model.part.scores, **model.part.embedding_scores}
        assert torch.equal(model.score_function(name)(z), functions[expected](z))


def test_the_type_says_which_score_it_is():
    """Not the name, which may be that of another score."""
    model = Model(own(), score=[dict(type="energy", temperature=2.0, name="doc"), "msp"])
    assert list(model.posthoc_scores) == ["doc"] and model.own_scores == {"msp": "msp"}
    logits = torch.randn(4, C)
    torch.testing.assert_close(model.score_function("doc")(logits), energy(logits, 2.0))


@pytest.mark.parametrize("option", ["boundary_suppression", "smoothing"])
@pytest.mark.parametrize("kind", ["doc", "energy", "sml", "mahalanobis"])
def test_options_of_maps_need_maps(kind, option):
    with pytest.raises(InputError, match=f"score '{kind}': .*{option}.* need maps"):
        Model(own(), score={"type": kind, option: True})
    assert Model(own(), score={"type": kind, option: False}).score_names == (kind,)


def test_options_of_own_scores():
    with pytest.raises(
        InputError, match="'mine' .* no option temperature, width: choose from name"
    ):
        Model(own(), score=dict(type="doc", name="mine", temperature=2.0, width=3))


def test_available_scores():
    names = Model(AnchorClassifier(D, C)).available_scores()
    assert names[:4] == ["cac", "cac_fixed", "cac_reestimated", "msp"]
    assert "sml" in names and len(set(names)) == len(names)


@pytest.mark.parametrize("score", [[], ["msp", "msp"], ["msp", dict(type="energy", name="msp")]])
def test_names_must_differ(score):
    with pytest.raises(InputError, match="one or more different scores, got .* choose from msp"):
        Model(score=score)


def test_unknown_score():
    with pytest.raises(InputError, match="score cac is not one of this model's: choose from msp"):
        Model(score="cac")
    with pytest.raises(InputError, match="choose from doc, msp, one_vs_rest, max_logit"):
        Model(own(), score="cac")


def test_only_some_for_a_while():
    model = Model(score=["msp", "energy"])
    with pytest.raises(KeyError), model.only_scores(["energy"]):
        assert model.active_scores == ("energy",)
        raise KeyError
    assert model.active_scores == ("msp", "energy")


def test_statistics_travel():
    names = ["cac", "sml", "mahalanobis", "msp"]
    model, fresh = (Model(AnchorClassifier(D, C), score=names) for _ in range(2))
    assert set(model.fitted_parts()) == {"sml", "mahalanobis", "classifier"}
    assert isinstance(model.fitted_parts()["sml"], StandardizedMaxLogit)
    assert model.score_statistics() == {}
    parts = {"sml": model.fitted_parts()["sml"]}
    parts["sml"].begin_fit()
    model.fit_step((torch.randn(20, C), torch.randint(C, (20,))), parts)
    parts["sml"].end_fit()
    assert model.score_statistics().keys() == {"sml"}
    assert not [key for key in model.state_dict() if "posthoc" in key]
    fresh.load_score_statistics(model.score_statistics())
    assert fresh.posthoc_scores["sml"].fitted and not fresh.posthoc_scores["mahalanobis"].fitted
    logits = torch.randn(4, C)
    found, expected = (m.score_function("sml")(logits) for m in (fresh, model))
    assert torch.equal(found, expected)
    # Nothing is taken for a score that this model does not have.
    Model(score="msp").load_score_statistics(model.score_statistics())
