"""The data file of every image protocol: what it loads, and what never reaches training."""

import functools

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from mmosr.benchmark.images.config import method_config, trial_config
from mmosr.benchmark.images.data import describe_data
from mmosr.benchmark.images.protocols import PROTOCOLS, load_image_protocol
from mmosr.config.loading import load_config
from mmosr.datasets import load_split

from .protocol_files import MNIST, NUMBERS, OTHERS, identity
from .shown_images import at_the_network, build, pictures, shown
from .support import LOADERS, ROOT

pytestmark = pytest.mark.usefixtures("there")
FILES = ROOT / "_base_/protocols"
METHOD = ROOT / "softmax_vgg13_cifar10-6-4_short.py"
# Data sets of the known and of the unknown images.
SOURCES = {
    "mnist_6-4": (MNIST, MNIST),
    "svhn_6-4": ("svhn", "svhn"),
    "cifar10_6-4": ("cifar10", "cifar10"),
    "cifar+10": ("cifar10", "cifar100"),
    "cifar+50": ("cifar10", "cifar100"),
    "tinyimagenet_20-180": ("tiny-imagenet-200", "tiny-imagenet-200"),
    "cifar10_imagenet-crop": ("cifar10", "ood/Imagenet"),
    "cifar10_imagenet-resize": ("cifar10", "ood/Imagenet_resize"),
    "cifar10_lsun-crop": ("cifar10", "ood/LSUN"),
    "cifar10_lsun-resize": ("cifar10", "ood/LSUN_resize"),
    "mnist_omniglot": (MNIST, None),
    "mnist_mnist-noise": (MNIST, None),
    "mnist_noise": (MNIST, None),
    **{
        f"ood_{known}_{name}": (known, f"ood/{folder}")
        for known in ("cifar10", "cifar100")
        for name, folder in {
            "isun": "iSUN",
            "lsun-crop": "LSUN",
            "lsun-resize": "LSUN_resize",
            "tinyimagenet-crop": "Imagenet",
            "tinyimagenet-resize": "Imagenet_resize",
        }.items()
    },
    "ccr_cifar10_svhn": ("cifar10", "svhn"),
    "ccr_cifar10_cifar100": ("cifar10", "cifar100"),
    "animals_vehicles": ("cifar10", "cifar10"),
}
CLASSES = {"cifar100": 100, "tiny-imagenet-200": 200}  # the others have 10
# RGB in 0 .. 255 of the training images, as is well known.
STATISTICS = {
    "cifar10": [(0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)],
    "cifar100": [(0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)],
    "svhn": [(0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)],
    MNIST: [3 * (0.1307,), 3 * (0.3081,)],
    "tiny-imagenet-200": [(0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)],
}
TRIALS = [
    (name, trial)
    for name in SOURCES
    for trial in range(
        load_image_protocol(name).trials if load_image_protocol(name).class_split else 1
    )
]


@functools.cache
def untried(name, files):
    """The shipped config of a method with the shipped data of a protocol, as the tool builds it."""
    return method_config(METHOD, load_image_protocol(name), files / f"{name}.py")


def protocol_config(name, trial=0, files=FILES):
    protocol = load_image_protocol(name)
    return trial_config(untried(name, files), protocol, trial), protocol


def every(data, part, classes, labels):
    """All pictures of some classes with their labels."""
    return {
        (data, class_id, number): label
        for class_id, label in zip(classes, labels, strict=True)
        for number in NUMBERS[part]
    }


def expected_known(name, trial):
    """Data set and ids of the known classes by label."""
    data, protocol = SOURCES[name][0], load_image_protocol(name)
    if protocol.class_split:
        return data, load_split(protocol.class_split, trial).known
    return data, tuple(range(CLASSES.get(data, 10)))


def image_size(name):
    return 64 if name.startswith("tinyimagenet") else 32


def test_there_is_a_file_for_each_protocol():
    assert sorted(SOURCES) == sorted(PROTOCOLS.names)
    assert sorted(path.stem for path in FILES.iterdir() if path.suffix) == sorted(SOURCES)


@pytest.mark.parametrize(("name", "trial"), TRIALS)
class TestWhatIsShown:
    def test_training_and_validation(self, name, trial):
        """All known training images, each in one of the two, and nothing else."""
        cfg, _ = protocol_config(name, trial)
        data, known = expected_known(name, trial)
        size = image_size(name)
        parts = [shown(build(cfg, key), cfg, size) for key in LOADERS[:2]]
        assert not set(parts[0]) & set(parts[1])
        assert list(known) == sorted(known)
        assert {**parts[0], **parts[1]} == every(data, "train", known, range(len(known)))
        assert len(parts[1]) == len(known)  # one of three images, at least one of each class

    def test_test(self, name, trial):
        cfg, protocol = protocol_config(name, trial)
        data, known = expected_known(name, trial)
        dataset = build(cfg, "test_dataloader")
        images, labels = at_the_network([dataset[i] for i in range(len(dataset))], cfg)
        size = image_size(name)
        assert images.shape[1:] == (3, size, size)
        count = sum(label >= 0 for label in labels)
        is_known = np.array(labels) >= 0
        found = pictures(images[is_known], np.array(labels)[is_known].tolist())
        assert found == every(data, "test", known, range(len(known)))
        rest = images[~is_known]
        assert set(labels) == {-1, *range(len(known))}
        if protocol.ratio is not None:
            assert protocol.ratio == 1 and len(rest) == count == 20
        if SOURCES[name][1] is not None:
            found = pictures(rest, [-1] * len(rest))
            self.check_unknown(found, name, protocol, trial)

    def check_unknown(self, found, name, protocol, trial):
        """Exactly the unknown classes of the split, or pictures of the whole data set."""
        known_data, data = SOURCES[name]
        if data.startswith("ood/"):
            everything = {(data, index, NUMBERS["test"][0]): -1 for index in range(OTHERS)}
            assert found.items() <= everything.items()
            assert len(found) == (20 if protocol.ratio else OTHERS)
            return
        classes = range(10)  # of SVHN
        if protocol.class_split:
            classes = load_split(protocol.class_split, trial).unknown
        assert found == every(data, "test", classes, [-1] * len(classes))
        assert known_data != data or not set(classes) & set(expected_known(name, trial)[1])

    def test_the_tool_takes_them(self, name, trial):
        cfg, protocol = protocol_config(name, trial)
        found = describe_data(cfg, protocol)
        known = expected_known(name, trial)[1]
        counts = {part: found[part]["known"] for part in ("train", "val", "test")}
        assert counts == dict(train=2 * len(known), val=len(known), test=2 * len(known))
        assert (found["train"]["unknown"], found["val"]["unknown"]) == (0, 0)
        assert len(found["known_classes"]) == protocol.num_known == len(known)


class TestOthers:
    """Unknown images without their own colour."""

    def unknown(self, name):
        cfg, _ = protocol_config(name)
        dataset = build(cfg, "test_dataloader").datasets[1]
        images, labels = at_the_network([dataset[i] for i in range(len(dataset))], cfg)
        assert set(labels) == {-1} and images.shape == (20, 3, 32, 32)
        assert torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])
        return dataset, images[:, 0]

    def test_omniglot_has_bright_strokes(self):
        """As MNIST, and not as in its files: a bar from row 20 to row 60 of 105."""
        dataset, images = self.unknown("mnist_omniglot")
        assert images[:, 0].max() == 0 and images[:, :, 0].max() == 0
        assert images[:, 12, 16].min() > 220
        lengths = (images[:, :, 16] > 127).sum(1)
        assert lengths.min() >= 11 and lengths.max() <= 21
        assert len({dataset.get_data_info(i)["img_path"] for i in range(20)}) == 20

    def test_noise(self):
        _, images = self.unknown("mnist_noise")
        assert 120 < images.mean() < 135 and images.std() > 45
        assert len({tuple(image.flatten().tolist()) for image in images}) == 20

    def test_mnist_noise_is_noise_behind_test_digits(self):
        dataset, images = self.unknown("mnist_mnist-noise")
        found = set()
        for index in range(20):
            raw = dataset.get_data_info(index)["img"]
            floor = int(raw.max())
            found.add(identity(3 * (floor,)))
            assert raw.shape == (28, 28) and images[index].min() >= floor
            mean = floor + (255 - floor) * (256 - floor) / 512  # of the larger of two
            assert abs(images[index].mean() - mean) < 9
        assert found == {(MNIST, c, n) for c in range(10) for n in NUMBERS["test"]}


@pytest.mark.parametrize("name", SOURCES)
def test_statistics_and_loaders(name):
    cfg = load_config(FILES / f"{name}.py")
    assert "model" not in cfg and cfg.data_preprocessor.to_rgb
    for key, values in zip(("mean", "std"), STATISTICS[SOURCES[name][0]], strict=True):
        np.testing.assert_allclose(cfg.data_preprocessor[key], 255 * np.array(values), atol=0.1)
    assert cfg.train_dataloader.sampler.type == "mmosr.SeededInfiniteSampler"
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert evaluator.type == "mmosr.OpenSetRecognitionMetric"
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert steps[0] == "mmosr.SeedDraw" and "RandomCrop" in steps
    # Digits are not flipped.
    assert ("RandomFlip" in steps) == (SOURCES[name][0] not in (MNIST, "svhn"))


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in SOURCES if load_image_protocol(name).class_split),
        "mnist_noise",
        "ood_cifar10_isun",
        "ood_cifar100_isun",
    ],
)
def test_batches_of_training(name):
    """Two batches of the real loader: augmented, relabelled, only known images."""
    cfg, _ = protocol_config(name)
    loader = dict(cfg.train_dataloader, num_workers=0, persistent_workers=False)
    batches = iter(Runner.build_dataloader(loader, seed=5))
    data, known = expected_known(name, 0)
    labels = every(data, "train", known, range(len(known)))
    centre, seen = image_size(name) // 2, set()
    for _ in range(2):
        batch = next(batches)
        items = [
            dict(inputs=image, data_samples=sample)
            for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True)
        ]
        images, found = at_the_network(items, cfg)
        for image, label in zip(images, found, strict=True):
            key = identity(image[:, centre, centre])
            seen.add(key)
            assert labels[key] == label
    # An epoch ends before an image is repeated.
    assert len(items) == 128 and len(seen) == min(2 * len(known), 256)


@pytest.mark.parametrize("sampler", ["DefaultSampler", "InfiniteSampler"])
def test_a_batch_with_the_sampler_of_another_method(sampler, tmp_path):
    method, protocol = tmp_path / "method.py", load_image_protocol("cifar10_6-4")
    method.write_text(
        f'_base_ = "{METHOD}"\n'
        f'train_dataloader = dict(sampler=dict(_delete_=True, type="{sampler}", shuffle=True))\n'
    )
    cfg = method_config(method, protocol, FILES / "cifar10_6-4.py")
    loader = dict(cfg.train_dataloader, num_workers=0, persistent_workers=False, batch_size=12)
    batch = next(iter(Runner.build_dataloader(loader, seed=5)))
    assert sorted(int(sample.gt_label) for sample in batch["data_samples"]) == sorted(
        2 * [*range(6)]
    )
