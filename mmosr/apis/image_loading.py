"""Images given to an inferencer, in the form the config's test pipeline starts from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmpretrain.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST
from mmpretrain.registry import DATASETS as HOST_DATASETS
from PIL import Image, ImageOps, UnidentifiedImageError

from mmosr.config.lookup import bare_name
from mmosr.datasets.svhn import SVHN
from mmosr.registry import DATASETS
from mmosr.utils import InputError

ImageInput = str | os.PathLike | np.ndarray | Image.Image

_REVERSE = dict(type="mmosr.ReverseChannels")
# Data sets of arrays: how the same picture is made from a BGR file. Not their subclasses, which may
# change the picture.
_RGB = [dict(type="LoadImageFromFile"), _REVERSE]
_GREY = [dict(type="LoadImageFromFile", color_type="grayscale")]
_ARRAY_DATA = {CIFAR10: _RGB, CIFAR100: _RGB, SVHN: _RGB, MNIST: _GREY, FashionMNIST: _GREY}
_HOSTS = ("mmcv", "mmpretrain", "mmseg")


class ImageLoader:
    """Turns an image into the input of the steps after the loading step of a test pipeline.

    A test pipeline without such a step belongs to a data set of arrays. If their channel order is
    known (CIFAR, SVHN, MNIST), images are converted to it.

    Args:
        steps: The test pipeline, without the steps that load labels.
        dataset: Config of the data set that the pipeline is for.

    Raises:
        InputError: The pipeline loads no file and is for another data set.
    """

    def __init__(self, steps: Sequence[Mapping], dataset: Mapping[str, Any]) -> None:
        loading, self.steps = _split(list(steps), dataset)
        reader = Compose(loading[:1]).transforms[0]
        self._from_file = Compose(loading)
        as_float = bool(getattr(reader, "to_float32", False))
        array = dict(type="mmseg.LoadImageFromNDArray", to_float32=as_float)
        self._from_array = Compose([array, *loading[1:]])
        self._color_type = getattr(reader, "color_type", None)

    def __call__(self, image: ImageInput) -> dict[str, Any]:
        """Load one image.

        Raises:
            InputError: The image cannot be read, or the pipeline cannot take it.
        """
        if isinstance(image, Image.Image):
            image = _from_pil(image, grey=self._color_type == "grayscale")
        if isinstance(image, np.ndarray):
            self._check_array(image)
            return self._from_array(dict(img=image))
        if not isinstance(image, (str, os.PathLike)):
            raise InputError(
                "an image is a path, an array (H, W, 3) of uint8 in BGR order, or a PIL image; "
                f"got {type(image).__name__}"
            )
        path = os.fspath(image)
        check_image(path)
        try:
            return self._from_file(dict(img_path=path))
        except (OSError, AssertionError, cv2.error) as error:
            raise InputError(f"image '{path}' cannot be read") from error

    def _check_array(self, image: np.ndarray) -> None:
        """Reject what the network or the normalisation would misinterpret."""
        forms = {"color": "(H, W, 3) of uint8 in BGR order", "grayscale": "(H, W) of uint8"}
        form = forms.get(self._color_type)
        if form is None:  # the config's own step defines what its files hold
            return
        color = self._color_type == "color"
        channels_fit = image.shape[2:] == ((3,) if color else ()) and image.ndim == 2 + color
        if not channels_fit or image.dtype != np.uint8 or not image.size:
            raise InputError(
                f"an image array must be {form} with this test pipeline; got {image.shape} of "
                f"{image.dtype}"
            )


def _split(steps: list[Mapping], dataset: Mapping[str, Any]) -> tuple[list, list]:
    """The steps that load a BGR file, and the remaining steps."""
    if not any("Load" in bare_name(step["type"]) for step in steps):
        kind = dataset.get("host") or dataset.get("type")
        if isinstance(kind, str):
            kind = HOST_DATASETS.get(kind) or DATASETS.get(kind)
        if kind in _ARRAY_DATA:
            return _ARRAY_DATA[kind], steps
        first = type(Compose(steps[:1]).transforms[0])
        if first.__module__.partition(".")[0] in _HOSTS:
            raise InputError(
                f"the test pipeline of the config loads no image files, it starts with "
                f"{first.__name__}: put dict(type='LoadImageFromFile') before it, which loads BGR, "
                "and dict(type='mmosr.ReverseChannels') after that if the model was trained on "
                "arrays in RGB order"
            )
    return steps[:1], steps[1:]


def _from_pil(image: Image.Image, grey: bool) -> np.ndarray:
    """The image as OpenCV reads the file: upright, BGR."""
    if image.mode not in ("RGB", "L"):
        raise InputError(
            f"a PIL image must be of mode RGB or L, got {image.mode}: give image.convert('RGB')"
        )
    upright = ImageOps.exif_transpose(image)
    if grey and image.mode == "L":
        return np.asarray(upright)
    upright = upright.convert("RGB")
    return np.ascontiguousarray(np.asarray(upright)[..., ::-1])


def check_image(path: str) -> None:
    """Reject a missing, empty or truncated image: OpenCV silently fills in the missing part.

    Raises:
        InputError: The image cannot be read completely.
    """
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        return  # a format that only OpenCV knows, or not an image: the loader will report it
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"image '{path}' cannot be read: {error}") from error
