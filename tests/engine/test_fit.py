"""The pass that fits statistics: right values from image files, whatever the batches and ranks."""

import logging
import random
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmosr.config.pipelines import fit_dataloader
from mmosr.engine.fit import fit_statistics
from mmosr.utils import InputError

from .fit_cases import (
    PLAIN,
    STEPS,
    C,
    build_loaders,
    build_model,
    dataset,
    make_config,
    numpy_anchors,
    numpy_features,
    numpy_logits,
    pixels,
    statistics,
)

pytestmark = pytest.mark.usefixtures("mmseg_scope")
FITTED = ["sml", "kl_matching", "mahalanobis", "odin_fitted"]


def fitted(cfg, *splits, names=None):
    model = build_model(cfg)
    fit_statistics(model, build_loaders(cfg, *splits), names)
    return model


class TestValues:
    def test_anchors(self, demo_scenes):
        model = fitted(make_config(demo_scenes, scores=["cac"]))
        expected = numpy_anchors(model, demo_scenes)
        moved = (expected != 10 * np.eye(C)).any(1)
        assert 3 <= moved.sum() < C  # the random network gets some classes right
        anchors = model.classifier.reestimated_anchors
        np.testing.assert_allclose(anchors.numpy(), expected, rtol=1e-5, atol=1e-5)
        assert model.classifier.fitted
        assert torch.equal(model.classifier.anchors, 10 * torch.eye(C))

    def test_scores_see_the_reestimated_anchors(self, demo_scenes):
        model = fitted(make_config(demo_scenes, scores=["sml"]))
        values, _ = pixels(demo_scenes)
        z = numpy_logits(model, values)
        distances = np.linalg.norm(z[:, None] - numpy_anchors(model, demo_scenes), axis=2)
        predicted, top = distances.argmin(1), -distances.min(1)
        expected = [top[predicted == label].mean() for label in range(C) if label in predicted]
        means = model.posthoc_scores["sml"].means[sorted(set(predicted))]
        np.testing.assert_allclose(means, expected, rtol=1e-4)

    def test_features(self, demo_scenes):
        model = fitted(make_config(demo_scenes, PLAIN, ["mahalanobis"]))
        values, labels = pixels(demo_scenes)
        features = numpy_features(model, values)
        present = sorted(set(labels))
        means = np.stack([features[labels == label].mean(0) for label in present])
        residual = features - means[np.searchsorted(present, labels)]
        covariance = residual.T @ residual / len(residual)
        covariance = 0.999 * covariance + 0.001 * np.trace(covariance) / 8 * np.eye(8)
        difference = features[::50, None] - means
        expected = np.einsum(
            "ncd,de,nce->nc", difference, np.linalg.inv(covariance), difference
        ).min(1)
        score = model.posthoc_scores["mahalanobis"](torch.tensor(features[::50]).float())
        np.testing.assert_allclose(score, expected, rtol=1e-3, atol=1e-3)

    def test_only_the_named_ones(self, demo_scenes):
        model = fitted(make_config(demo_scenes, PLAIN, FITTED), names=["sml"])
        assert [n for n, part in model.fitted_parts().items() if part.fitted] == ["sml"]

    def test_other_splits(self, demo_scenes):
        cfg = make_config(demo_scenes, PLAIN, ["odin_fitted"])
        model = build_model(cfg)
        with pytest.raises(KeyError, match="val"):
            fit_statistics(model, build_loaders(cfg, "train"))
        fit_statistics(model, build_loaders(cfg, "val"))
        assert model.posthoc_scores["odin_fitted"].fitted


@pytest.mark.parametrize("head", [PLAIN, None], ids=["plain", "cac"])
def test_any_batch_size(demo_scenes, head):
    options = {} if head is None else dict(head=head)
    found = []
    for size, workers in ((1, 0), (3, 1)):
        cfg = make_config(demo_scenes, scores=FITTED, norm=True, **options)
        cfg.test_dataloader.update(batch_size=size, num_workers=workers)
        assert fit_dataloader(cfg)["batch_size"] == size
        found.append(statistics(fitted(cfg, "train", "val")))
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-5, atol=1e-5, msg=name)


def test_images_of_different_sizes_in_a_batch(demo_scenes, tmp_path):
    root = tmp_path / "scenes"
    shutil.copytree(demo_scenes, root)
    image = sorted((root / "leftImg8bit/train").rglob("*.png"))[1]
    label = next((root / "gtFine/train").rglob(image.name.split("_left")[0] + "*Ids.png"))
    for path in (image, label):
        content = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), content[:20, :48])
    cfg = make_config(root, scores=["cac"])
    cfg.test_dataloader.batch_size = 3
    model = fitted(cfg)
    anchors = model.classifier.reestimated_anchors
    np.testing.assert_allclose(anchors, numpy_anchors(model, root), rtol=1e-5, atol=1e-5)


class TestNothingElseChanges:
    def test_weights_modes_and_random_state(self, demo_scenes):
        cfg = make_config(demo_scenes, scores=FITTED, norm=True)
        model = build_model(cfg).train()
        model.backbone.eval()  # as a host with frozen layers
        modes = {name: module.training for name, module in model.named_modules()}
        own = {f"decode_head.classifier.{n}" for n, _ in model.classifier.named_buffers()}
        before = {k: v.clone() for k, v in model.state_dict().items() if k not in own}
        loaders = build_loaders(cfg, "train", "val")
        torch.manual_seed(3), np.random.seed(3), random.seed(3)
        expected = torch.rand(1), np.random.rand(), random.random()
        torch.manual_seed(3), np.random.seed(3), random.seed(3)
        fit_statistics(model, loaders)
        assert (torch.rand(1), np.random.rand(), random.random()) == expected
        assert {name: module.training for name, module in model.named_modules()} == modes
        for key, value in before.items():
            assert torch.equal(model.state_dict()[key], value), key
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_after_an_error(self, demo_scenes):
        cfg = make_config(demo_scenes, PLAIN)
        cfg.fit_dataloader = dict(dataset=dataset(demo_scenes, "train", [STEPS[0], STEPS[2]]))
        model = build_model(cfg).train()
        with pytest.raises(InputError, match=r"demo_\d+_leftImg8bit.png has no labels"):
            fit_statistics(model, build_loaders(cfg))
        assert model.training and not model.posthoc_scores["sml"].fitted


def test_progress_and_warnings_are_logged(demo_scenes, caplog, monkeypatch):
    lines = []

    def record(message, logger=None, level=logging.INFO):
        lines.append((level, message))

    monkeypatch.setattr("mmosr.engine.fit.print_log", record)
    cfg = make_config(demo_scenes, scores=["cac"])
    warnings = fit_statistics(build_model(cfg), build_loaders(cfg))
    assert len(warnings) == 1 and "keep their anchors" in warnings[0]
    assert [text.split(",")[0] for _, text in lines[:3]] == [
        f"Fitting classifier: {done} of 3 images" for done in (1, 2, 3)
    ]
    assert lines[2][1].endswith("eta: 0:00:00")
    assert lines[3][1].startswith("Fitted classifier on 3 images")
    assert lines[4:] == [(logging.WARNING, warnings[0])]


class TestDataLoader:
    def test_each_image_once_with_the_steps_of_the_test(self, demo_scenes):
        cfg = make_config(demo_scenes)
        before = cfg.pretty_text
        found = fit_dataloader(cfg)
        assert found["dataset"] == dataset(demo_scenes, "train")
        assert found["sampler"] == dict(type="DefaultSampler", shuffle=False, round_up=False)
        assert not found["persistent_workers"] and "mark_unknown" not in found["dataset"]
        found["dataset"]["pipeline"].clear()
        assert cfg.pretty_text == before
        assert len(build_loaders(cfg)["train"].dataset) == 3

    def test_wrappers(self):
        own, steps = dict(type="LoadAnnotations", reduce_zero_label=True), [*STEPS]
        first = dict(type="A", indices=5, lazy_init=True, pipeline=[own])
        mixed = dict(
            type="RepeatDataset",
            times=9,
            dataset=dict(
                type="ConcatDataset",
                datasets=[
                    dict(type="MultiImageMixDataset", dataset=first, pipeline=[]),
                    dict(type="B"),
                ],
            ),
        )
        cfg = Config(dict(train_dataloader=dict(dataset=mixed), test_pipeline=steps))
        assert fit_dataloader(cfg)["dataset"] == dict(
            type="ConcatDataset",
            datasets=[
                # Labels are loaded as the data set itself does.
                dict(type="A", indices=5, lazy_init=True, pipeline=[steps[0], own, steps[2]]),
                dict(type="B", pipeline=steps),
            ],
        )

    def test_batches_and_workers_of_the_test(self, demo_scenes):
        cfg = make_config(demo_scenes)
        cfg.test_dataloader.update(batch_size=4, num_workers=2, persistent_workers=True)
        found = fit_dataloader(cfg, "val")
        assert (found["batch_size"], found["num_workers"]) == (4, 2)
        assert found["dataset"] == dataset(demo_scenes, "val")
        del cfg.test_dataloader["batch_size"]
        assert fit_dataloader(cfg)["batch_size"] == 1

    def test_the_users_own(self, demo_scenes):
        cfg = make_config(demo_scenes, fit_dataloader=dict(batch_size=7))
        assert fit_dataloader(cfg)["batch_size"] == 7
        assert fit_dataloader(cfg)["dataset"] == dataset(demo_scenes, "train")
        assert fit_dataloader(cfg, "val")["batch_size"] == 1
        cfg = Config(dict(fit_dataloader=dict(dataset=dict(type="Own"))))
        assert fit_dataloader(cfg)["dataset"] == dict(type="Own")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (dict(train_dataloader=None), "no train_dataloader"),
            (dict(test_dataloader=None), "no test pipeline"),
            (dict(test_dataloader=dict(dataset=dict(pipeline=[STEPS[0]]))), "loads no labels"),
        ],
    )
    def test_errors(self, demo_scenes, change, message):
        cfg = make_config(demo_scenes)
        for key, value in change.items():
            cfg[key] = value
        with pytest.raises(InputError, match=message):
            fit_dataloader(cfg)


def work(rank, root, broken):
    cfg = make_config(root, scores=FITTED, norm=True)
    model = build_model(cfg)
    for buffer in model.decode_head.buffers():
        if rank == 1 and buffer.shape == (8,):
            buffer.add_(torch.arange(8.0))  # running means, which only rank 0 saves
    others = model.decode_head.host.convs[0].bn.running_mean.clone()
    fit_statistics(model, build_loaders(cfg, "train", "val"))
    found = {name: value.numpy() for name, value in statistics(model).items()}
    assert torch.equal(model.decode_head.host.convs[0].bn.running_mean, others)
    error = None
    try:
        fit_statistics(model, build_loaders(make_config(broken)))
    except InputError as failure:
        error = str(failure)
    return found, error


def test_two_ranks_fit_what_one_fits(demo_scenes, tmp_path, on_two_ranks):
    broken = tmp_path / "broken"
    shutil.copytree(demo_scenes, broken)
    label = sorted((broken / "gtFine/train").rglob("*Ids.png"))[1]  # of three, that of rank 1
    label.write_bytes(b"no image")
    answers = on_two_ranks(work, demo_scenes, broken)
    expected = statistics(
        fitted(make_config(demo_scenes, scores=FITTED, norm=True), "train", "val")
    )
    for found, _ in answers:
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)
    assert label.name in answers[1][1]
    assert answers[0][1] == f"process 1 failed: {answers[1][1]}"
