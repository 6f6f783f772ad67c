"""Small data sets of 10 classes in the hosts' real formats; every picture says what it is.

The first three values of a picture are its class, its number and its part (0 train, 1 test).
"""

import pickle
import struct

import cv2
import numpy as np
from mmpretrain.datasets import CIFAR10, CIFAR100
from scipy.io import savemat

CLASSES = CIFAR10.METAINFO["classes"]
COUNTS = {"train": 6, "test": 3}  # pictures per class
PARTS = ("train", "test")


class SmallCIFAR10(CIFAR10):
    """The published format without the checksums of the published files."""

    train_list = [["data_batch_1", None], ["data_batch_2", None]]
    test_list = [["test_batch", None]]


class SmallCIFAR100(CIFAR100):
    train_list = [["train", None]]
    test_list = [["test", None]]


def picture(class_id, number, part, shape=(32, 32, 3)):
    """A random picture that starts with its identity."""
    generator = np.random.default_rng([class_id, number, PARTS.index(part)])
    image = generator.integers(0, 256, shape, np.uint8)
    image.reshape(-1)[:3] = class_id, number, PARTS.index(part)
    return image


def identity(image):
    """Class, number and part of a picture, an array or a path."""
    if isinstance(image, str):
        image = cv2.cvtColor(cv2.imread(image), cv2.COLOR_BGR2RGB)
    return tuple(int(value) for value in image.reshape(-1)[:3])


def shuffled(part, classes=10):
    """Every class and number once, in the disorder of real files."""
    pairs = [(c, n) for c in range(classes) for n in range(COUNTS[part])]
    return [pairs[i] for i in np.random.default_rng(7).permutation(len(pairs))]


def write_cifar(folder, names, classes, key):
    """Python pickles: rows of 3072 values, red, green, blue."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        pairs = shuffled(part, classes)
        files = names[part]
        for name, chunk in zip(files, np.array_split(pairs, len(files)), strict=True):
            images = np.stack([picture(c, n, part) for c, n in chunk])
            rows = images.transpose(0, 3, 1, 2).reshape(len(chunk), -1)
            entry = {"data": rows, key: [int(c) for c, _ in chunk]}
            (folder / name).write_bytes(pickle.dumps(entry, protocol=2))


def write_cifar10(root):
    names = {"train": ["data_batch_1", "data_batch_2"], "test": ["test_batch"]}
    write_cifar(root / "cifar-10-batches-py", names, 10, "labels")


def write_cifar100(root):
    names = {"train": ["train"], "test": ["test"]}
    write_cifar(root / "cifar-100-python", names, 100, "fine_labels")


def write_mnist(root):
    """idx files, big-endian."""
    root.mkdir(parents=True, exist_ok=True)
    for part, prefix in (("train", "train"), ("test", "t10k")):
        pairs = shuffled(part)
        images = np.stack([picture(c, n, part, (28, 28)) for c, n in pairs])
        labels = np.uint8([c for c, _ in pairs])
        head = struct.pack(">iiii", 2051, len(pairs), 28, 28)
        (root / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">ii", 2049, len(pairs))
        (root / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())


def write_svhn(root):
    """MATLAB files; 10 stands for the digit 0."""
    root.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        pairs = shuffled(part)
        images = np.stack([picture(c, n, part) for c, n in pairs], axis=-1)
        labels = np.uint8([[c or 10] for c, _ in pairs])
        savemat(root / f"{part}_32x32.mat", {"X": images, "y": labels})


def write_folders(root):
    """``{train,test}/CLASS/NUMBER.png``."""
    for part in PARTS:
        for class_id, number in shuffled(part):
            path = root / part / CLASSES[class_id] / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture(class_id, number, part)[..., ::-1])


def write_listed(root):
    """One folder and two lists ``PATH ID``."""
    for part in PARTS:
        lines = []
        for class_id, number in shuffled(part):
            name = f"images/{part}_{class_id}_{number}.png"
            (root / "images").mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / name), picture(class_id, number, part)[..., ::-1])
            lines.append(f"{name} {class_id}\n")
        (root / f"{part}.txt").write_text("".join(lines))
