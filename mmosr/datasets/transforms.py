"""Loading labels without trusting them."""

import io

import cv2
import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmosr.registry import TRANSFORMS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError


@TRANSFORMS.register_module()
class LoadOpenSetAnnotations(LoadAnnotations):
    """mmseg's ``LoadAnnotations``, with the label values checked.

    A class id beyond the model's classes would otherwise crash deep inside a loss, or silently
    train nothing.

    Args:
        num_classes: Known classes C; after the dataset's label map a value must be in
            ``0 .. C-1``, 254 (unknown) or 255 (ignored). Default: told by the dataset.
        **kwargs: As ``LoadAnnotations``.

    Raises:
        InputError: The file is missing, no image or a colour image, or holds another value.
    """

    def __init__(self, num_classes: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def _load_seg_map(self, results: dict) -> None:
        path = results.get("seg_map_path")
        if path is None:
            raise InputError(
                f"image {results.get('img_path')} has no label file: set data_prefix.seg_map_path "
                "of the dataset, or remove LoadOpenSetAnnotations from the pipeline"
            )
        try:
            self._check_depth(path)
            super()._load_seg_map(results)
        except FileNotFoundError:
            raise InputError(
                f"label file {path} is missing: check data_root and suffixes"
            ) from None
        except InputError:
            raise
        except (OSError, AttributeError, SyntaxError, ValueError, cv2.error) as error:
            raise InputError(f"label file {path} cannot be read as an image ({error})") from None
        if results["gt_seg_map"].ndim != 2:
            raise InputError(
                f"label file {path} has the shape {results['gt_seg_map'].shape}: expected (H, W), "
                "one class id a pixel; convert the labels if they are colours"
            )
        num_classes = self.num_classes or results.get("num_classes")
        if num_classes is None:
            raise InputError(
                "LoadOpenSetAnnotations: num_classes is not set, and the dataset, not being an "
                "OpenSetSegDataset, does not tell it: add num_classes to the transform"
            )
        values = np.unique(results["gt_seg_map"])
        wrong = values[
            (values >= num_classes) & (values != UNKNOWN_LABEL) & (values != IGNORE_LABEL)
        ]
        if len(wrong):
            raise InputError(
                f"label file {path} holds the values {wrong.tolist()}: expected 0 to "
                f"{num_classes - 1}, {UNKNOWN_LABEL} (unknown) or {IGNORE_LABEL} (ignored); "
                "convert the labels, or correct the dataset's classes"
            )

    def _check_depth(self, path: str) -> None:
        """Refuse values above 255, which the host would wrap around to those of other classes."""
        if self.imdecode_backend != "pillow":
            return
        with Image.open(io.BytesIO(fileio.get(path, backend_args=self.backend_args))) as picture:
            if picture.mode[0] in "IF" and np.max(picture) > 255:  # 16 or 32 bits a pixel
                raise InputError(
                    f"label file {path} holds the value {np.max(picture)}: expected class ids "
                    "below 256; convert the labels"
                )
