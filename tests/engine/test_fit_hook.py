"""Statistics that are fitted during training and travel with its checkpoints."""

import pytest
import torch
from mmengine.runner import Runner

from mmosr.engine import fit_hook
from mmosr.engine.checkpoint import SCORE_STATISTICS, load_checkpoint_strict, read_checkpoint
from mmosr.engine.fit import fit_statistics
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
HOOK = dict(type="mmosr.FitHook")
ITERS = dict(type="IterBasedTrainLoop", max_iters=5, val_interval=2)
EPOCHS = dict(type="EpochBasedTrainLoop", max_epochs=3, val_interval=3)


def make_runner(root, work_dir, loop=ITERS, checkpoint=None, hooks=(HOOK,), **options):
    by_epoch = loop is EPOCHS
    checkpoint = dict(dict(interval=2, by_epoch=by_epoch), **(checkpoint or {}))
    cfg = make_config(
        root,
        norm=True,
        work_dir=str(work_dir),
        experiment_name=str(work_dir),
        randomness=dict(seed=0),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        train_cfg=dict(loop),
        val_cfg=dict(type="ValLoop"),
        val_evaluator=dict(type="mmosr.OpenSetMetric"),
        test_cfg=dict(type="TestLoop"),
        test_evaluator=dict(type="mmosr.OpenSetMetric"),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", **checkpoint)),
        custom_hooks=list(hooks),
        log_processor=dict(by_epoch=by_epoch),
        **options,
    )
    # Drop-out draws random numbers at each step.
    cfg.model.decode_head.dropout_ratio = 0.3
    cfg.train_dataloader.batch_size = 3
    return Runner.from_cfg(cfg)


@pytest.fixture
def fits(monkeypatch):
    """Number of training steps done at each pass."""
    steps, count = [], 0

    def record(model, loaders):
        steps.append(count)
        return fit_statistics(model, loaders)

    def count_step(hook, runner, *args, **kwargs):
        nonlocal count
        count += 1

    monkeypatch.setattr(fit_hook, "fit_statistics", record)
    monkeypatch.setattr("mmengine.hooks.ParamSchedulerHook.after_train_iter", count_step)
    return steps


class TestWhen:
    def test_once_before_checkpoint_and_validation(self, demo_scenes, tmp_path, fits):
        make_runner(demo_scenes, tmp_path).train()
        assert fits == [2, 4, 5]

    def test_before_a_validation_without_checkpoint(self, demo_scenes, tmp_path, fits):
        make_runner(demo_scenes, tmp_path, checkpoint=dict(interval=4, save_last=False)).train()
        assert fits == [2, 4, 5]

    def test_by_epoch(self, demo_scenes, tmp_path, fits):
        make_runner(demo_scenes, tmp_path, EPOCHS).train()  # three steps per epoch
        assert fits == [6, 9]

    def test_interval_and_first_checkpoint(self, demo_scenes, tmp_path, fits):
        loop = dict(ITERS, max_iters=7, val_interval=100)
        hooks, checkpoint = [dict(HOOK, interval=4)], dict(save_begin=2)
        make_runner(demo_scenes, tmp_path, loop, checkpoint, hooks).train()
        assert fits == [4, 7]
        for step in (2, 4, 6, 7):
            content = read_checkpoint(tmp_path / f"iter_{step}.pth")
            fitted = content["state_dict"]["decode_head.classifier.fitted"]
            assert (SCORE_STATISTICS in content) == bool(fitted) == (step in (4, 7))

    def test_nothing_to_fit(self, demo_scenes, tmp_path, fits):
        make_runner(demo_scenes, tmp_path, head=PLAIN, scores=["msp"]).train()
        assert fits == []
        assert SCORE_STATISTICS not in read_checkpoint(tmp_path / "iter_5.pth")


@pytest.mark.parametrize("loop", [ITERS, EPOCHS], ids=["iterations", "epochs"])
def test_a_checkpoint_holds_what_a_fresh_fit_gives(demo_scenes, tmp_path, loop):
    runner = make_runner(demo_scenes, tmp_path, loop)
    runner.train()
    files = sorted(tmp_path.glob("*_*.pth"))
    assert len(files) == (3 if loop is ITERS else 2)
    found = []
    for file in files:
        content = read_checkpoint(file)
        saved = {f"sml.{key}": v for key, v in content[SCORE_STATISTICS]["sml"].items()}
        prefix = "decode_head.classifier."
        for key in ("reestimated_anchors", "fitted"):
            saved[f"classifier.{key}"] = content["state_dict"][prefix + key]
        model = build_model(runner.cfg, seed=5)
        load_checkpoint_strict(model, file)
        fit_statistics(model, build_loaders(runner.cfg))
        fresh = statistics(model)
        for name, value in saved.items():
            torch.testing.assert_close(value, fresh[name], rtol=1e-6, atol=1e-6, msg=name)
        found.append(saved["classifier.reestimated_anchors"])
    assert not torch.equal(found[0], found[1])


def test_the_training_is_the_same_with_the_hook(demo_scenes, tmp_path):
    loop = dict(ITERS, val_interval=100)
    weights = []
    for hooks in ((HOOK,), ()):
        runner = make_runner(demo_scenes, tmp_path / str(len(hooks)), loop, hooks=hooks)
        # Without the hook the last validation would find no anchors.
        runner.train_loop.val_begin = 100
        runner.train()
        weights.append(runner.model.state_dict())
    for key, value in weights[0].items():
        if not key.endswith(("reestimated_anchors", "fitted")):
            assert torch.equal(value, weights[1][key]), key


class TestLoading:
    def test_test_and_resume(self, demo_scenes, tmp_path):
        runner = make_runner(demo_scenes, tmp_path)
        runner.train()
        expected = statistics(runner.model)
        file = str(tmp_path / "iter_5.pth")
        other = make_runner(demo_scenes, tmp_path / "test", load_from=file)
        figures = other.test()
        for name, value in statistics(other.model).items():
            assert torch.equal(value, expected[name]), name
        assert figures == runner.test()

        longer = dict(ITERS, max_iters=6)
        resumed = make_runner(demo_scenes, tmp_path / "on", longer, load_from=file, resume=True)
        resumed.train()
        assert resumed.iter == 6
        assert not torch.equal(statistics(resumed.model)["sml.means"], expected["sml.means"])

    def test_without_statistics_a_score_refuses(self, demo_scenes, tmp_path):
        make_runner(demo_scenes, tmp_path).train()
        content = read_checkpoint(tmp_path / "iter_5.pth")
        del content[SCORE_STATISTICS]
        torch.save(content, tmp_path / "bare.pth")
        runner = make_runner(demo_scenes, tmp_path / "test", load_from=str(tmp_path / "bare.pth"))
        with pytest.raises(InputError, match=r"not fitted: run tools/fit_score.py"):
            runner.test()

    def test_statistics_of_other_classes_do_not_stop_fine_tuning(self, demo_scenes, tmp_path, fits):
        make_runner(demo_scenes, tmp_path).train()
        content = read_checkpoint(tmp_path / "iter_5.pth")
        content[SCORE_STATISTICS]["sml"]["means"] = torch.zeros(3)
        torch.save(content, tmp_path / "other.pth")
        fits.clear()
        runner = make_runner(demo_scenes, tmp_path / "on", load_from=str(tmp_path / "other.pth"))
        runner.train()
        assert len(fits) == 3 and runner.model.posthoc_scores["sml"].fitted


class TestErrors:
    def test_averaged_weights(self, demo_scenes, tmp_path):
        hooks = [HOOK, dict(type="EMAHook")]
        with pytest.raises(InputError, match="averaged weights of EMAHook"):
            make_runner(demo_scenes, tmp_path, hooks=hooks).train()

    def test_wrong_data_show_before_the_training(self, demo_scenes, tmp_path):
        wrong = dict(dataset=dataset(demo_scenes / "none", "train", STEPS))
        runner = make_runner(demo_scenes, tmp_path, fit_dataloader=wrong)
        with pytest.raises(InputError, match="none"):
            runner.train()
        assert runner.iter == 0

    def test_interval(self):
        with pytest.raises(InputError, match="at least 1"):
            fit_hook.FitHook(interval=0)
