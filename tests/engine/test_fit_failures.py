"""One score that cannot be fitted leaves the others fitted, and is named."""

import pytest
import torch

from mmosr.engine.fit import fit_statistics
from mmosr.registry import SCORES
from mmosr.scores import KLMatching
from mmosr.utils import InputError

from .fit_cases import (
    PLAIN,
    STEPS,
    build_loaders,
    build_model,
    dataset,
    make_config,
    statistics,
)

pytestmark = pytest.mark.usefixtures("mmseg_scope")


class Refusing(KLMatching):
    """Cannot be fitted: it rejects the second batch, or its data at the end."""

    at_once = False
    shown = 0

    def update(self, *batch):
        self.shown += 1
        if self.at_once and self.shown > 1:
            raise InputError("second batch")
        super().update(*batch)

    def estimate(self, sums):
        raise InputError("in the end")


class RefusingAtOnce(Refusing):
    at_once = True


KINDS = {"refusing": Refusing, "refusing_at_once": RefusingAtOnce}


def register():
    for name, kind in KINDS.items():
        SCORES.register_module(name, module=kind, force=True)


class TestOneThatCannotBeFitted:
    @pytest.fixture(autouse=True)
    def registered(self):
        register()
        yield
        for name in KINDS:
            SCORES.module_dict.pop(name)

    def test_the_others_are_fitted_as_without_it(self, demo_scenes):
        names = ["refusing", "sml", "refusing_at_once", "odin_fitted"]
        cfg = make_config(demo_scenes, PLAIN, names)
        model = build_model(cfg)
        with pytest.raises(InputError) as info:
            fit_statistics(model, build_loaders(cfg, "train", "val"))
        reasons = "refusing (in the end); refusing_at_once (second batch)"
        assert str(info.value) == f"not fitted: {reasons}"
        assert [n for n, part in model.fitted_parts().items() if part.fitted] == names[1::2]
        assert model.posthoc_scores["refusing_at_once"].shown == 2  # of three batches
        alone = build_model(make_config(demo_scenes, PLAIN, names[1::2]))
        fit_statistics(alone, build_loaders(cfg, "train", "val"))
        for name, value in statistics(alone).items():
            assert torch.equal(statistics(model)[name], value), name

    def test_data_of_one_split_that_cannot_be_read(self, demo_scenes):
        cfg = make_config(demo_scenes, PLAIN, ["sml", "mahalanobis", "odin_fitted"])
        cfg.fit_dataloader = dict(dataset=dataset(demo_scenes, "train", [STEPS[0], STEPS[2]]))
        model = build_model(cfg)
        with pytest.raises(InputError, match=r"^not fitted: sml, mahalanobis \(.*has no labels"):
            fit_statistics(model, build_loaders(cfg, "train", "val"))
        assert [n for n, p in model.fitted_parts().items() if p.fitted] == ["odin_fitted"]

    @pytest.mark.parametrize("name", ["refusing", "refusing_at_once"])
    def test_the_only_one_says_just_why(self, demo_scenes, name):
        cfg = make_config(demo_scenes, PLAIN, [name])
        model = build_model(cfg)
        with pytest.raises(InputError, match="^(in the end|second batch)$"):
            fit_statistics(model, build_loaders(cfg))
        assert "update" not in vars(model.posthoc_scores[name])


def work(rank, root):
    register()
    cfg = make_config(root, PLAIN, ["refusing_at_once", "sml"])
    model = build_model(cfg)
    model.posthoc_scores["refusing_at_once"].at_once = rank == 1
    model.posthoc_scores["refusing_at_once"].shown = 1
    try:
        fit_statistics(model, build_loaders(cfg))
    except InputError as error:
        return str(error), statistics(model)["sml.means"].numpy()


def test_one_rank_that_refuses(demo_scenes, on_two_ranks):
    (other, means), (own, means_there) = on_two_ranks(work, demo_scenes)
    assert own == "not fitted: refusing_at_once (second batch)"
    reason = "process 1 failed: second batch"
    assert other == f"not fitted: refusing_at_once ({reason})"
    cfg = make_config(demo_scenes, PLAIN, ["sml"])
    alone = build_model(cfg)
    fit_statistics(alone, build_loaders(cfg))
    for found in (means, means_there):
        torch.testing.assert_close(torch.from_numpy(found), statistics(alone)["sml.means"])
