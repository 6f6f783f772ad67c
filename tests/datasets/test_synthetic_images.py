"""Noise, digits on noise, crops and resizes, value by value."""

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from mmosr.datasets import (
    NoiseImages,
    RepeatChannels,
    ReverseChannels,
    SeededCrop,
    SuperimposeOnNoise,
)
from mmosr.utils import InputError
from tests.processes import fork_context

from .image_hosts import picture, write_mnist

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


def images(dataset):
    return np.stack([dataset.get_data_info(i)["img"] for i in range(len(dataset))])


class TestNoise:
    def test_values_are_uniform(self):
        values = images(NoiseImages(200))
        assert values.shape == (200, 28, 28) and values.dtype == np.uint8
        counts = np.bincount(values.ravel(), minlength=256)
        expected = values.size / 256
        assert ((counts - expected) ** 2 / expected).sum() < 350  # chi-square of 255: 4 sigma
        correlation = np.corrcoef(values.reshape(200, -1))
        assert abs(correlation - np.eye(200)).max() < 0.2  # no picture is repeated

    def test_labels_shape_and_role(self):
        dataset = NoiseImages(3, size=(8, 6), channels=3)
        assert images(dataset).shape == (3, 8, 6, 3)
        assert dataset.get_gt_labels().tolist() == [-1] * 3
        assert dataset.test_mode
        with pytest.raises(InputError, match="it is for tests, never for training"):
            NoiseImages(3, test_mode=False)
        assert dataset.metainfo["classes"] == ()

    def test_seed_and_order(self):
        dataset = NoiseImages(9, seed=1)
        first = images(dataset)
        np.testing.assert_array_equal(first, images(NoiseImages(9, seed=1)))
        np.testing.assert_array_equal(first[:5], images(NoiseImages(5, seed=1)))
        assert (first != images(NoiseImages(9, seed=2))).mean() > 0.9
        np.testing.assert_array_equal(dataset.get_subset([6]).get_data_info(0)["img"], first[6])
        np.testing.assert_array_equal(dataset.get_data_info(2)["img"], first[2])

    def test_spawned_workers(self):
        dataset = NoiseImages(4, pipeline=[dict(type="PackInputs")])
        loader = DataLoader(
            dataset,
            num_workers=2,
            multiprocessing_context=fork_context(),
            collate_fn=pseudo_collate,
        )
        for batch, image in zip(loader, images(dataset), strict=True):
            np.testing.assert_array_equal(batch["inputs"][0][0].numpy(), image)

    @pytest.mark.parametrize(
        "kwargs", [dict(num=0), dict(num=2, size=(0, 3)), dict(num=2, channels=2)]
    )
    def test_errors(self, kwargs):
        with pytest.raises(InputError, match="num and size must be positive, channels 1 or 3"):
            NoiseImages(**kwargs)


class TestDigitsOnNoise:
    def on_noise(self, image, seed=0):
        return SuperimposeOnNoise(seed)(dict(img=image))["img"]

    def test_strokes_stay_and_black_becomes_noise(self):
        digit = np.zeros((28, 28), np.uint8)
        digit[8:20, 12:16] = 255
        digit[8:20, 16] = 100
        image = self.on_noise(digit)
        assert image.dtype == np.uint8 and image.shape == (28, 28)
        assert (image[8:20, 12:16] == 255).all() and image[8:20, 16].min() >= 100
        background = image[digit == 0].astype(float)
        assert len(np.unique(background)) > 200
        assert abs(background.mean() - 127.5) < 4 * 73.9 / np.sqrt(len(background))
        assert (digit[:8] == 0).all()  # the picture itself is not changed

    def test_seeds(self):
        first, second = (picture(1, n, "test", (28, 28)) // 2 for n in range(2))
        np.testing.assert_array_equal(self.on_noise(first), self.on_noise(first))
        assert (self.on_noise(first) != self.on_noise(first, 1)).any()
        blank = np.zeros((28, 28), np.uint8)
        blank_too = blank.copy()
        blank_too[0, 0] = 1  # another picture, another noise
        assert (self.on_noise(blank) != self.on_noise(blank_too)).mean() > 0.9

    def test_mnist_noise(self, tmp_path):
        write_mnist(tmp_path)
        kwargs = dict(host="MNIST", data_root=str(tmp_path), download=False)
        pipeline = [dict(type="mmosr.SuperimposeOnNoise", seed=3), dict(type="PackInputs")]
        cfg = dict(type="mmosr.UnknownImages", pipeline=pipeline, **kwargs)
        dataset = DATASETS.build(cfg)
        assert len(dataset) == 30
        few = DATASETS.build(dict(cfg, num=5))
        for index in range(5):  # the same noise whichever images are drawn
            found = few[index]["inputs"].numpy()
            assert int(few[index]["data_samples"].gt_label) == -1
            assert any((found == dataset[i]["inputs"].numpy()).all() for i in range(30))
        state = np.random.get_state()[1].copy()
        dataset[0]
        np.testing.assert_array_equal(state, np.random.get_state()[1])

    def test_error(self):
        with pytest.raises(InputError, match="needs uint8 pictures, not float32"):
            self.on_noise(np.zeros((4, 4), np.float32))


class TestCrop:
    def test_it_is_a_patch(self):
        rows, columns = np.mgrid[:50, :70].astype(np.uint8)
        tops, lefts = [], []
        for number in range(300):
            image = np.dstack([rows, columns, np.full_like(rows, number % 256)])
            image[-1, -1, 2] = number // 256
            results = SeededCrop(32, seed=5)(dict(img=image))
            crop = results["img"]
            assert crop.shape == (32, 32, 3) and results["img_shape"] == (32, 32)
            top, left = crop[0, 0, :2]
            np.testing.assert_array_equal(crop, image[top : top + 32, left : left + 32])
            tops.append(int(top)), lefts.append(int(left))
        assert (min(tops), max(tops)) == (0, 18) and (min(lefts), max(lefts)) == (0, 38)

    def test_seed(self):
        image = picture(0, 0, "test", (60, 60, 3))
        first = SeededCrop(seed=1)(dict(img=image))["img"]
        np.testing.assert_array_equal(first, SeededCrop(seed=1)(dict(img=image))["img"])
        assert (first != SeededCrop(seed=2)(dict(img=image))["img"]).any()

    def test_whole_picture_and_too_small(self):
        image = picture(0, 0, "test", (32, 40, 3))
        crop = SeededCrop((32, 40))(dict(img=image))["img"]
        np.testing.assert_array_equal(crop, image)
        with pytest.raises(InputError, match=r"a\.png is 40 x 32: too small for a crop of 40 x 33"):
            SeededCrop((33, 40))(dict(img=image, img_path="a.png"))

    def test_resize_is_that_of_pillow(self):
        """What the documentation names for the -resize sets averages over all pixels."""
        image = picture(0, 0, "test", (96, 128, 3))
        resize = TRANSFORMS.build(dict(type="Resize", scale=(32, 32), backend="pillow"))
        found = resize(dict(img=image))["img"]
        expected = Image.fromarray(image).resize((32, 32), Image.BILINEAR)
        np.testing.assert_array_equal(found, np.asarray(expected))
        assert found.std() < 0.5 * image.std()

    def test_resize_leaves_a_picture_of_that_size(self):
        image = picture(0, 0, "test")
        resize = TRANSFORMS.build(dict(type="mmpretrain.Resize", scale=(32, 32), backend="pillow"))
        np.testing.assert_array_equal(resize(dict(img=image))["img"], image)

    def test_centre_crop(self):
        image = picture(0, 0, "test", (40, 50, 3))
        crop = TRANSFORMS.build(dict(type="mmpretrain.CenterCrop", crop_size=32))
        np.testing.assert_array_equal(crop(dict(img=image))["img"], image[4:36, 9:41])


def test_channels():
    image = picture(0, 0, "test")
    found = ReverseChannels()(dict(img=image))["img"]
    np.testing.assert_array_equal(found, np.dstack([image[..., 2], image[..., 1], image[..., 0]]))
    assert found.flags.c_contiguous


@pytest.mark.parametrize("shape", [(28, 27), (28, 27, 1)])
def test_one_channel_as_three(shape):
    image = picture(4, 0, "test", shape)
    found = RepeatChannels()(dict(img=image))["img"]
    assert found.shape == (28, 27, 3) and found.dtype == np.uint8
    for channel in range(3):
        np.testing.assert_array_equal(found[..., channel], image.reshape(28, 27))
    with pytest.raises(InputError, match="needs a picture of one channel, got 3: leave it out"):
        RepeatChannels()(dict(img=found))
