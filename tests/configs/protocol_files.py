"""Small files of every image data set, in its real layout; each picture encodes its origin.

A picture has one colour, which resizes, crops and flips do not change: it encodes the data set, the
class and the number of the picture. Reversed channels give another picture, or none.
"""

import pickle
import struct
from types import SimpleNamespace

import cv2
import numpy as np
from mmengine.dataset import base_dataset
from mmengine.registry import init_default_scope
from mmpretrain.datasets import CIFAR10, CIFAR100
from scipy.io import savemat

# Folders below data/, in the order of their code.
SETS = (
    "cifar10",
    "cifar100",
    "svhn",
    "tiny-imagenet-200",
    "ood/Imagenet",
    "ood/Imagenet_resize",
    "ood/LSUN",
    "ood/LSUN_resize",
    "ood/iSUN",
)
# As ODIN's archives unpack.
FOLDERS = {
    "ood/Imagenet": "test",
    "ood/Imagenet_resize": "Imagenet_resize",
    "ood/LSUN": "test",
    "ood/LSUN_resize": "LSUN_resize",
    "ood/iSUN": "iSUN_patches",
}
MNIST = "mnist"
NUMBERS = {"train": (0, 1, 2), "test": (3, 4)}  # of the pictures of each class
OTHERS = 24  # pictures of each set below ood/, and of Omniglot
STEP = 5  # between the codes of a channel


def colour(data, class_id, number):
    """RGB of a picture."""
    if data == MNIST:
        return 3 * (STEP * (STEP * class_id + number) + 2,)
    return (
        20 + 20 * (class_id // 20),
        10 + 12 * (class_id % 20),
        STEP * (STEP * SETS.index(data) + number) + 2,
    )


def identity(rgb):
    """``(data set, class, number)`` of a colour, which JPEG may have changed a little."""
    red, green, blue = (float(value) for value in rgb)
    if red == green == blue:
        code = round((red - 2) / STEP)
        return MNIST, code // STEP, code % STEP
    code = round((blue - 2) / STEP)
    class_id = 20 * round((red - 20) / 20) + round((green - 10) / 12)
    return SETS[code // STEP], class_id, code % STEP


def picture(data, class_id, number, size=32):
    return np.full((size, size, 3), colour(data, class_id, number), np.uint8)


def images_of(classes, part):
    """Classes and numbers in the disorder of real files."""
    pairs = [(c, n) for c in range(classes) for n in NUMBERS[part]]
    return [pairs[i] for i in np.random.default_rng(3).permutation(len(pairs))]


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, 100]
    assert cv2.imwrite(str(path), image[..., ::-1], options)


def write_all(root):
    """Everything that the protocols read, below ``root/data``."""
    data = root / "data"
    write_mnist(data / "mnist")
    write_svhn(data / "svhn")
    write_pickles(data / "cifar10/cifar-10-batches-py", "cifar10", 10, "labels", "data_batch_1")
    write_pickles(data / "cifar100/cifar-100-python", "cifar100", 100, "fine_labels", "train")
    for part in NUMBERS:
        for class_id, number in images_of(10, part):
            name = CIFAR10.METAINFO["classes"][class_id]
            path = data / "cifar10_jpeg" / part / name / f"{number}.jpg"
            write_image(path, picture("cifar10", class_id, number))
    write_tinyimagenet(data / "tiny-imagenet-200")
    write_omniglot(data / "omniglot")
    for name, folder in FOLDERS.items():
        for index in range(OTHERS):
            size = 36 if index == 7 else 32  # one is larger than the network's images
            path = data / name / folder / f"{index}.{'png' if index % 2 else 'jpg'}"
            write_image(path, picture(name, index, NUMBERS["test"][0], size))


def write_mnist(root):
    """idx files, big-endian."""
    root.mkdir(parents=True)
    for part, prefix in (("train", "train"), ("test", "t10k")):
        pairs = images_of(10, part)
        images = np.stack([picture(MNIST, c, n, 28)[..., 0] for c, n in pairs])
        head = struct.pack(">iiii", 2051, len(pairs), 28, 28)
        (root / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = np.uint8([c for c, _ in pairs]).tobytes()
        head = struct.pack(">ii", 2049, len(pairs))
        (root / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels)


def write_svhn(root):
    """MATLAB files; 10 stands for the digit 0."""
    root.mkdir(parents=True)
    for part in NUMBERS:
        pairs = images_of(10, part)
        images = np.stack([picture("svhn", c, n) for c, n in pairs], axis=-1)
        labels = np.uint8([[c or 10] for c, _ in pairs])
        savemat(root / f"{part}_32x32.mat", {"X": images, "y": labels})


def write_pickles(folder, data, classes, key, train):
    """Python pickles: rows of 3072 values, red, green, blue."""
    folder.mkdir(parents=True)
    for part, name in (("train", train), ("test", "test_batch" if classes == 10 else "test")):
        pairs = images_of(classes, part)
        images = np.stack([picture(data, c, n) for c, n in pairs])
        rows = images.transpose(0, 3, 1, 2).reshape(len(pairs), -1)
        content = {"data": rows, key: [c for c, _ in pairs]}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))


def write_tinyimagenet(root):
    """200 WordNet ids; the validation images are in folders already, as docs/image_data.md says."""
    for class_id in range(200):
        wnid = f"n{1443537 + 40961 * class_id:08}"
        for part, numbers in NUMBERS.items():
            for number in numbers:
                train = part == "train"
                folder = root / "train" / wnid / "images" if train else root / "val" / wnid
                path = folder / f"{wnid}_{number}.JPEG"
                write_image(path, picture("tiny-imagenet-200", class_id, number, 64))
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
    (root / "val/val_annotations.txt").write_text("")


def write_omniglot(root):
    """Black strokes on white, 105 x 105, one bit."""
    for index in range(OTHERS):
        image = np.full((105, 105), 255, np.uint8)
        image[20 : 60 + index, 45:60] = 0
        path = root / f"Alphabet_{index % 3}" / f"character{index % 5:02}" / f"{index:04}_01.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_BILEVEL, 1])


def go_home(root, patch):
    """Use the shipped files with the data in ``root``; hosts expect the published files."""
    init_default_scope("mmpretrain")
    patch.chdir(root)
    patch.setattr(CIFAR10, "train_list", [["data_batch_1", None]])
    patch.setattr(CIFAR10, "test_list", [["test_batch", None]])
    patch.setattr(CIFAR100, "train_list", [["train", None]])
    patch.setattr(CIFAR100, "test_list", [["test", None]])
    # Every data set would collect the garbage of the whole process, nine tenths of the time.
    patch.setattr(base_dataset, "gc", SimpleNamespace(collect=lambda: 0))
