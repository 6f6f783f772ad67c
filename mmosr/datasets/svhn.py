"""Street View House Numbers, for which mmpretrain has no dataset."""

from __future__ import annotations

import os.path as osp
import zlib

import numpy as np
from mmpretrain.datasets import BaseDataset
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from mmosr.registry import DATASETS
from mmosr.utils import InputError, check_choice


@DATASETS.register_module()
class SVHN(BaseDataset):
    """SVHN in its published format of cropped digits (Netzer et al., 2011).

    ``{data_root}/{split}_32x32.mat`` with ``X`` (32, 32, 3, N), uint8, RGB, and ``y`` (N, 1), in
    which 10 stands for the digit 0. An item has ``img`` (32, 32, 3), RGB, and ``gt_label``, the
    digit.

    Args:
        data_root: Folder of the files.
        split: ``train``, ``test`` or ``extra``.
        **kwargs: See mmpretrain's ``BaseDataset``.

    Raises:
        InputError: The split does not exist, or a file is missing or has another format.
    """

    METAINFO = {"classes": tuple("0123456789")}

    def __init__(self, data_root: str, split: str = "train", **kwargs) -> None:
        check_choice("SVHN", "split", split, ("train", "test", "extra"))
        self.split = split
        super().__init__(ann_file="", data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        path = osp.join(self.data_root, f"{self.split}_32x32.mat")
        try:
            content = loadmat(path, variable_names=("X", "y"))
            images, labels = content["X"], content["y"].ravel()
        except FileNotFoundError:
            raise InputError(
                f"SVHN: {path} does not exist: docs/image_data.md says how to obtain it"
            ) from None
        except (KeyError, ValueError, OSError, MatReadError, zlib.error) as error:
            raise InputError(f"SVHN: {path} is not a MATLAB file with X and y: {error}") from None
        wrong = images.ndim != 4 or images.shape[2:] != (3, len(labels))
        if wrong or labels.min(initial=1) < 1 or labels.max(initial=1) > 10:
            raise InputError(
                f"SVHN: {path} has X {images.shape} and {len(labels)} labels: expected "
                "(32, 32, 3, N) and N labels of 1 to 10"
            )
        images = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
        return [
            dict(img=image, gt_label=int(label) % 10)
            for image, label in zip(images, labels, strict=True)
        ]
