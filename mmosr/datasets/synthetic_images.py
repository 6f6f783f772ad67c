"""Synthetic and cropped unknown images: noise, digits on noise, random crops; channels.

Each draw depends on a seed and on the picture itself (or its number), never on the process or on
earlier draws: every worker and every run gives the same pictures.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.datasets import BaseDataset

from mmosr.registry import DATASETS, TRANSFORMS
from mmosr.utils import UNKNOWN, InputError


@DATASETS.register_module()
class NoiseImages(BaseDataset):
    """Noise: each value is independently uniform, on 0 .. 255 (CROSR; M2IOSR, table 6).

    The papers draw from [0, 1] before any normalisation; these are the same pictures in the
    8 bits of the known images. All labels are -1; for tests only.

    Args:
        num: Number of pictures, e.g. the number of known test images.
        size: Height and width.
        channels: 1 as in MNIST, shape (H, W); 3 for (H, W, 3).
        seed: At least 0.
        test_mode: Always True.
        **kwargs: See mmpretrain's ``BaseDataset``, e.g. ``pipeline``; nothing is loaded.

    Raises:
        InputError: A number, size, seed or number of channels is out of range, or in training mode.
    """

    METAINFO = {"classes": ()}

    def __init__(
        self,
        num: int,
        size: tuple[int, int] = (28, 28),
        channels: int = 1,
        seed: int = 0,
        test_mode: bool = True,
        **kwargs,
    ) -> None:
        if num < 1 or len(size) != 2 or min(size) < 1 or channels not in (1, 3) or seed < 0:
            raise InputError(
                f"NoiseImages: num={num}, size={size}, channels={channels}, seed={seed}: num and "
                "size must be positive, channels 1 or 3, seed 0 or more"
            )
        if not test_mode:
            raise InputError("NoiseImages: noise is unknown: it is for tests, never for training")
        self.num, self.seed = num, seed
        self.shape = (*size,) if channels == 1 else (*size, channels)
        super().__init__(ann_file="", test_mode=True, **kwargs)

    def load_data_list(self) -> list[dict]:
        return [dict(noise_id=index, gt_label=UNKNOWN) for index in range(self.num)]

    def get_data_info(self, idx: int) -> dict:
        """Item ``idx`` with its picture, key ``img``, uint8."""
        item = super().get_data_info(idx)
        generator = np.random.default_rng([self.seed, item["noise_id"]])
        item["img"] = generator.integers(0, 256, self.shape, np.uint8)
        return item


@TRANSFORMS.register_module()
class SuperimposeOnNoise(BaseTransform):
    """MNIST-Noise: a picture superimposed on uniform noise (CROSR; M2IOSR, table 6).

    The element-wise maximum of the two: the strokes stay, the black background becomes noise. The
    papers do not say how they superimpose.

    Args:
        seed: At least 0. The noise depends on it and on the picture.

    Raises:
        InputError: The picture is not uint8.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def transform(self, results: dict) -> dict:
        image = results["img"]
        if image.dtype != np.uint8:
            raise InputError(
                f"mmosr.SuperimposeOnNoise needs uint8 pictures, not {image.dtype}: put it first "
                "in the pipeline"
            )
        noise = _generator(self.seed, image).integers(0, 256, image.shape, np.uint8)
        results["img"] = np.maximum(image, noise)
        return results


@TRANSFORMS.register_module()
class SeededCrop(BaseTransform):
    """A random crop that is always the same: ImageNet-crop, LSUN-crop, TinyImageNet (C).

    ODIN (Liang et al., ICLR 2018), whose sets CROSR, M2IOSR and m-OvR take over, crops patches of
    32 x 32 at random from the test images; only their published files show which patches. The other
    half of these sets, ImageNet-resize, LSUN-resize and iSUN, is ``dict(type='Resize',
    scale=(32, 32), backend='pillow')``, Pillow's bilinear resize, which averages over all pixels; a
    centre crop is ``dict(type='CenterCrop', crop_size=32)``.

    Args:
        size: Height and width of the crop, or one number for both.
        seed: At least 0. The position depends on it and on the picture.

    Raises:
        InputError: A picture is smaller than the crop.
    """

    def __init__(self, size: int | Sequence[int] = 32, seed: int = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.seed = seed

    def transform(self, results: dict) -> dict:
        image = results["img"]
        room = np.subtract(image.shape[:2], self.size)
        if room.min() < 0:
            raise InputError(
                f"{results.get('img_path', 'an image')} is {image.shape[1]} x {image.shape[0]}: "
                f"too small for a crop of {self.size[1]} x {self.size[0]}"
            )
        top, left = _generator(self.seed, image).integers(0, room + 1)
        image = image[top : top + self.size[0], left : left + self.size[1]]
        results["img"] = np.ascontiguousarray(image)
        results["img_shape"] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class ReverseChannels(BaseTransform):
    """RGB to BGR or back: image files load as BGR, but CIFAR's and SVHN's files hold RGB.

    Known and unknown images of one test must have the same channel order.
    """

    def transform(self, results: dict) -> dict:
        results["img"] = np.ascontiguousarray(results["img"][..., ::-1])
        return results


@TRANSFORMS.register_module()
class RepeatChannels(BaseTransform):
    """A picture of one channel (H, W) or (H, W, 1) as (H, W, 3), for networks of colour images.

    Raises:
        InputError: The picture already has several channels.
    """

    def transform(self, results: dict) -> dict:
        image = results["img"]
        if image.ndim == 2:
            image = image[..., None]
        if image.shape[2] != 1:
            raise InputError(
                f"mmosr.RepeatChannels needs a picture of one channel, got {image.shape[2]}: leave "
                "it out of the pipeline"
            )
        results["img"] = np.repeat(image, 3, axis=2)
        return results


def _generator(seed: int, image: np.ndarray) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(image.tobytes())])
