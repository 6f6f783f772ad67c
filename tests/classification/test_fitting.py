"""Statistics of image models: right values from image files, whatever the batches and ranks."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from mmosr.config.pipelines import fit_dataloader
from mmosr.engine.fit import fit_statistics
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .toy import OPEN_SET, C, D, build, features_of, fit, images, labelled, random_labels

MEAN, STD = [100.0, 110.0, 120.0], [50.0, 60.0, 70.0]
SIZE, PER_CLASS = (6, 8), 8
STEPS = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
FITTED = ["sml", "kl_matching", "mahalanobis", "odin_fitted", "openmax"]
CAC, PLAIN = dict(type="mmosr.CACClsHead"), dict(type="LinearClsHead")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder per class with a few tiny images, coloured by class."""
    root = tmp_path_factory.mktemp("classes")
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(C):
            (root / split / f"class_{label}").mkdir(parents=True)
            for index in range(PER_CLASS):
                image = generator.integers(0, 150, (*SIZE, 3)) + 25 * label
                path = root / split / f"class_{label}" / f"{index}.png"
                cv2.imwrite(str(path), image.astype(np.uint8))
    return root


def loader(root, split, pipeline=STEPS, **options):
    dataset = dict(
        type="CustomDataset", data_root=str(root), data_prefix=split, pipeline=pipeline, **options
    )
    sampler = dict(type="DefaultSampler", shuffle=False)
    return dict(batch_size=5, num_workers=0, sampler=sampler, dataset=dataset)


def make_config(root, head=PLAIN, scores=FITTED, **options):
    train = [STEPS[0], dict(type="RandomFlip", prob=0.5), STEPS[1]]
    model = dict(
        type="mmosr.OpenSetImageClassifier",
        score=list(scores),
        backbone=dict(type="mmosr.TestImageBackbone"),
        head=dict(head, **OPEN_SET),
        data_preprocessor=dict(mean=MEAN, std=STD, to_rgb=True),
    )
    train = loader(root, "train", train)
    train["dataset"] = dict(type="RepeatDataset", times=3, dataset=train["dataset"])
    return Config(
        dict(
            default_scope="mmpretrain",
            model=model,
            train_dataloader=train,
            val_dataloader=loader(root, "val"),
            test_dataloader=loader(root, "val"),
            **options,
        )
    )


def fitted(cfg, training=False):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train(training)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    loaders = {
        split: Runner.build_dataloader(fit_dataloader(cfg, split)) for split in ("train", "val")
    }
    fit_statistics(model, loaders)
    return model


def statistics(model):
    return {
        f"{name}.{key}": buffer.clone()
        for name, part in model.fitted_parts().items()
        for key, buffer in part.named_buffers()
    }


def read(root, split="train"):
    """Normalised images ``(N, 3, H, W)`` and labels ``(N,)``, from the files."""
    paths = sorted((root / split).rglob("*.png"))
    values = np.stack([cv2.imread(str(path))[..., ::-1] for path in paths])
    labels = np.array([int(path.parent.name[-1]) for path in paths])
    return ((values - MEAN) / STD).transpose(0, 3, 1, 2), labels


def numpy_logits(model, values, layer):
    """Features and logits of images, with the weights of a linear layer."""
    weight, bias = (
        value.detach().double().numpy() for value in (model.backbone.conv.weight, layer.weight)
    )
    maps = np.einsum("dc,nchw->ndhw", weight[..., 0, 0], values)
    maps += model.backbone.conv.bias.detach().numpy()[:, None, None]
    features = np.tanh(maps)[..., : SIZE[1] // 2].mean((2, 3))
    return features, features @ bias.T + layer.bias.detach().numpy()


class TestValues:
    @pytest.mark.parametrize("mirror", [None, True, False])
    def test_anchors(self, folder, mirror):
        head = CAC if mirror is None else dict(CAC, mirror_fit=mirror)
        model = fitted(make_config(folder, head, ["cac"]))
        values, labels = read(folder)
        shown = [values, values[..., ::-1]] if mirror in (None, True) else [values]
        projection = model.classifier.projection
        z = np.concatenate([numpy_logits(model, part, projection)[1] for part in shown])
        labels = np.tile(labels, len(shown))
        if len(shown) == 2:
            assert np.abs(z[: len(values)] - z[len(values) :]).max() > 0.1
        right = z.argmax(1) == labels
        expected = 10 * np.eye(C)
        for label in range(C):
            if (right & (labels == label)).any():
                expected[label] = z[right & (labels == label)].mean(0)
        assert right.any() and not right.all()
        anchors = model.classifier.reestimated_anchors
        np.testing.assert_allclose(anchors, expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(model.classifier.anchors, 10 * torch.eye(C))

    def test_scores(self, folder):
        model = fitted(make_config(folder, PLAIN))
        values, labels = read(folder)
        features, logits = numpy_logits(model, values, model.head.fc)
        for name in ("sml", "kl_matching", "mahalanobis", "openmax"):
            rows = features if name == "mahalanobis" else logits
            direct = build(dict(PLAIN), score=name).posthoc_scores[name]
            direct.begin_fit()
            direct.update(torch.tensor(rows).float(), torch.tensor(labels))
            direct.end_fit()
            found = model.posthoc_scores[name].statistics()
            assert direct.statistics().keys() == found.keys()
            new = torch.tensor(rows[::5] + 0.1).float()
            score = model.posthoc_scores[name](new)
            torch.testing.assert_close(score, direct(new), rtol=1e-3, atol=1e-4)
        top, predicted = logits.max(1), logits.argmax(1)
        for label in set(predicted):
            mean = model.posthoc_scores["sml"].means[label]
            np.testing.assert_allclose(mean, top[predicted == label].mean(), rtol=1e-4)
        for label in set(predicted[predicted == labels]):
            rows = logits[(predicted == labels) & (labels == label)]
            mean = model.posthoc_scores["openmax"].means[label]
            np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-4, atol=1e-5)

    def test_scores_see_the_reestimated_anchors_and_no_mirrored_images(self, folder):
        model = fitted(make_config(folder, CAC, ["sml"]))
        values, _ = read(folder)
        _, z = numpy_logits(model, values, model.classifier.projection)
        anchors = model.classifier.reestimated_anchors.double().numpy()
        distances = np.linalg.norm(z[:, None] - anchors, axis=2)
        nearest, top = distances.argmin(1), -distances.min(1)
        labels, counts = np.unique(nearest, return_counts=True)
        chosen = labels[counts > 1]
        assert len(chosen)
        expected = [top[nearest == label].mean() for label in chosen]
        np.testing.assert_allclose(model.posthoc_scores["sml"].means[chosen], expected, rtol=1e-4)


class TestWhichImagesCount:
    def test_unknown_images_do_not(self):
        names = [*FITTED, "cac"]
        labels = random_labels(40)
        mixed, every = labels.clone(), images(40, seed=3)
        mixed[::3] = torch.tensor([-1, C])[torch.arange(len(mixed[::3])) % 2]
        kept = mixed == labels
        found = statistics(fit(build("cac", score=names), (every, mixed)))
        expected = statistics(fit(build("cac", score=names), (every[kept], labels[kept])))
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)

    def test_a_batch_of_unknown_images(self):
        labels, every = random_labels(40), images(40, seed=3)
        unknown = torch.full((4,), -1)
        found = fit(build(score=FITTED), (every, labels), (images(4, seed=8), unknown))
        expected = statistics(fit(build(score=FITTED), (every, labels)))
        for name, value in statistics(found).items():
            assert torch.equal(value, expected[name]), name
        with pytest.raises(InputError, match="hold no sample with a known label"):
            fit(build(score="sml"), (images(4), unknown))

    def test_images_without_labels(self):
        model = build(score="sml")
        samples = labelled(random_labels(3))
        del samples[1].gt_label
        with pytest.raises(InputError, match="1.png has no label"):
            model.fit_step(dict(inputs=list(images(3)), data_samples=samples), {})


def test_padding_is_mirrored_with_the_image_in_place(folder):
    """The preprocessor pads after the mirrored image, as after any image."""
    padding = dict(pad_size_divisor=16, pad_value=50)
    model = build("cac", data_preprocessor=padding)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    labels = random_labels(40)
    fit(model, (images(40, seed=3), labels))
    assert len(seen) == 2 and seen[1].shape == (40, 3, 16, 16)
    assert torch.equal(seen[1][..., :5, :6], images(40, seed=3).flip(-1))
    assert (seen[1][..., 6:] == 50).all()


@pytest.mark.parametrize("head", [PLAIN, CAC], ids=["plain", "cac"])
def test_any_batch_size_and_image_size(folder, tmp_path, head):
    found = []
    for size in (1, 7):
        cfg = make_config(folder, head)
        cfg.test_dataloader.batch_size = size
        model = fitted(cfg, training=True)
        assert model.training and model.head.training
        found.append(statistics(model))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-5, atol=1e-5, msg=name)


class TestDataLoader:
    def test_each_image_once_with_the_steps_of_the_test(self, folder):
        found = fit_dataloader(make_config(folder))
        assert found["dataset"] == loader(folder, "train")["dataset"]
        init_default_scope("mmpretrain")
        assert len(Runner.build_dataloader(found).dataset) == C * PER_CLASS

    @pytest.mark.parametrize("pack", ["PackInputs", "mmpretrain.PackInputs"])
    def test_wrappers_that_choose_images_are_kept(self, pack):
        steps = [STEPS[0], dict(type=pack)]
        inner = dict(type="CIFAR10", pipeline=[dict(type="RandomFlip"), *steps])
        chosen = dict(type="KFoldDataset", fold=2, dataset=inner)
        cfg = Config(
            dict(
                train_dataloader=dict(
                    dataset=dict(type="mmpretrain.ClassBalancedDataset", dataset=chosen)
                ),
                test_dataloader=dict(dataset=dict(type="CIFAR10", pipeline=steps)),
            )
        )
        expected = dict(chosen, dataset=dict(inner, pipeline=steps))
        assert fit_dataloader(cfg)["dataset"] == expected


def work(rank, root, head):
    return {
        name: value.numpy() for name, value in statistics(fitted(make_config(root, head))).items()
    }


@pytest.mark.parametrize("head", [PLAIN, CAC], ids=["plain", "cac"])
def test_two_ranks_fit_what_one_fits(folder, on_two_ranks, head):
    answers = on_two_ranks(work, folder, head)
    expected = statistics(fitted(make_config(folder, head)))
    assert len(expected) >= 8 and features_of(build(), images()).shape == (6, D)
    for found in answers:
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
