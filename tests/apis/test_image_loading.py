"""An image file reaches the network like the same image in the config's data set."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmpretrain.datasets import MNIST
from PIL import Image

from mmosr.apis.image_loading import ImageLoader
from mmosr.datasets import SVHN
from mmosr.utils import InputError
from tests.datasets.image_hosts import SmallCIFAR10, write_cifar10, write_mnist, write_svhn

PACK = dict(type="PackInputs")
LOAD = dict(type="LoadImageFromFile")
REVERSE = dict(type="mmosr.ReverseChannels")


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmpretrain")


def loader(dataset, *steps):
    return ImageLoader(steps, dataset.get("known") or dataset)


def inputs(loader, image):
    return Compose(loader.steps)(loader(image))["inputs"]


CIFAR_WRAPPED = dict(type="mmosr.OpenSetTestData", known=dict(type="X", host="CIFAR10"))
ARRAYS = {
    "cifar10": (SmallCIFAR10, write_cifar10, dict(type="CIFAR10"), [PACK]),
    "cifar10_resized": (
        SmallCIFAR10,
        write_cifar10,
        dict(type="CIFAR10"),
        [dict(type="Resize", scale=48), PACK],
    ),
    "cifar10_reversed": (SmallCIFAR10, write_cifar10, CIFAR_WRAPPED, [REVERSE, PACK]),
    "svhn": (SVHN, write_svhn, dict(type="mmosr.SVHN"), [PACK]),
    "svhn_host": (SVHN, write_svhn, dict(type="mmosr.KnownUnknownDataset", host="SVHN"), [PACK]),
    "mnist": (MNIST, write_mnist, dict(type="MNIST"), [PACK]),
    "mnist_colour": (
        MNIST,
        write_mnist,
        dict(type="MNIST"),
        [dict(type="mmosr.RepeatChannels"), PACK],
    ),
}


class TestArrayData:
    @pytest.mark.parametrize("name", ARRAYS)
    def test_a_file_enters_as_the_array_of_the_data_set(self, tmp_path, name):
        kind, write, dataset, steps = ARRAYS[name]
        write(tmp_path)
        data = kind(data_root=str(tmp_path), split="test", pipeline=steps)
        shown = data.get_data_info(0)["img"]  # RGB, or one channel
        Image.fromarray(shown).save(tmp_path / "0.png")
        expected, found = data[0]["inputs"], loader(dataset, *steps)
        assert torch.equal(inputs(found, tmp_path / "0.png"), expected)
        given = shown if shown.ndim == 2 else shown[..., ::-1]
        assert torch.equal(inputs(found, given), expected)
        assert torch.equal(inputs(found, Image.open(tmp_path / "0.png")), expected)

    @pytest.mark.parametrize("dataset", [dict(type="CustomDataset"), {}, dict(type=SmallCIFAR10)])
    def test_an_unknown_order_is_refused(self, dataset):
        with pytest.raises(InputError, match="loads no image file.* with PackInputs.*BGR.*Reverse"):
            loader(dataset, PACK)

    def test_a_loading_step_is_the_users_choice(self, tmp_path):
        bgr = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "x.png"), bgr)
        for steps, shown in (((LOAD, PACK), bgr), ((LOAD, REVERSE, PACK), bgr[..., ::-1])):
            expected = torch.from_numpy(shown.copy()).permute(2, 0, 1)
            for image in (tmp_path / "x.png", bgr):
                assert torch.equal(inputs(loader(dict(type="CIFAR10"), *steps), image), expected)


class TestInput:
    @pytest.fixture
    def bgr(self):
        return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)

    def test_a_pil_image_is_its_file(self, tmp_path, bgr):
        image, found = Image.fromarray(bgr[..., ::-1].copy()), loader({}, LOAD, PACK)
        turned = Image.Exif()
        turned[0x0112] = 6  # lies on its side
        image.save(tmp_path / "turned.png", exif=turned)
        image.convert("L").save(tmp_path / "grey.png")
        image.save(tmp_path / "plain.png")
        for name, size in (("turned", (8, 6)), ("grey", (6, 8)), ("plain", (6, 8))):
            path = tmp_path / f"{name}.png"
            values = inputs(found, path)
            assert values.shape == (3, *size)
            assert torch.equal(inputs(found, Image.open(path)), values), name

    def test_arrays_become_float_as_files_do(self, bgr):
        float_load = dict(LOAD, to_float32=True)
        assert loader({}, float_load, PACK)(bgr)["img"].dtype == np.float32

    @pytest.mark.parametrize(
        "change",
        [
            lambda bgr: bgr[..., 0],
            lambda bgr: bgr[..., :1],
            lambda bgr: np.concatenate([bgr, bgr[..., :1]], 2),
            lambda bgr: bgr[None],
            lambda bgr: bgr[:0],
            lambda bgr: bgr.astype(np.float32),
            lambda bgr: bgr / 255,
        ],
    )
    def test_other_arrays(self, bgr, change):
        image = change(bgr)
        with pytest.raises(InputError, match=r"must be \(H, W, 3\) of uint8 in BGR.* got") as info:
            loader({}, LOAD, PACK)(image)
        assert str(info.value).endswith(f"got {image.shape} of {image.dtype}")

    def test_a_grey_pipeline_takes_grey_arrays(self, bgr):
        found = loader({}, dict(LOAD, color_type="grayscale"), PACK)
        assert inputs(found, bgr[..., 0]).shape == (1, 6, 8)
        with pytest.raises(InputError, match=r"must be \(H, W\) of uint8.*; got \(6, 8, 3\)"):
            found(bgr)

    @pytest.mark.parametrize("image", [torch.zeros(3, 8, 8), None, 3, b"x.png", {"x.png"}])
    def test_other_kinds(self, image):
        with pytest.raises(InputError, match="is a path, .* got ") as info:
            loader({}, LOAD, PACK)(image)
        assert str(info.value).endswith(type(image).__name__)

    def test_other_modes_of_pil(self, bgr):
        with pytest.raises(InputError, match=r"mode RGB or L, got RGBA: give image.convert"):
            loader({}, LOAD, PACK)(Image.fromarray(bgr).convert("RGBA"))
