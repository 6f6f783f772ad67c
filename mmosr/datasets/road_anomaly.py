"""RoadAnomaly: photographs of animals and objects on roads."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mmosr.registry import DATASETS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .anomaly_dataset import KNOWN_LABEL, REPACKED, AnomalySegDataset, Layout, some

FRAME_LIST = "frame_list.json"


@DATASETS.register_module()
class RoadAnomalyDataset(AnomalySegDataset):
    """RoadAnomaly (Lis et al., 2019): 60 images of 720 x 1280, with labels.

    The download (layout ``"original"``) is ``frame_list.json``, the names of the images;
    ``frames/NAME.{jpg,webp}`` and ``frames/NAME.labels/labels_semantic.png``. 0 is known and values
    from 2 are unknown. 1 would be "road" in the labelling tool and "unknown" in other trees; 1 and
    255 are not in the data, and rejected. Frames that are not listed are left out.

    Re-packed trees (``"original+labels"``, ``"images+labels"``, ``"images+labels_masks"``) have
    images and labels with the same names: 0 known, ``unknown_value`` unknown, 255 ignored.

    Args:
        data_root: Folder of the download or of a re-packed tree.
        unknown_value: Value of unknown in the labels of a re-packed tree; some kept the 2 of the
            download. Any other value except 0 and 255 is rejected.
        **kwargs: See ``AnomalySegDataset``.

    Raises:
        InputError: The list is missing or unreadable, or a listed frame has no labels; and see
            ``AnomalySegDataset``.
    """

    layouts = {
        "original": Layout("frames", "frames", label_ending=".labels/labels_semantic.png"),
        **REPACKED,
    }

    def __init__(self, data_root: str | os.PathLike, *, unknown_value: int = 1, **kwargs) -> None:
        if not 0 < unknown_value < IGNORE_LABEL:
            raise InputError(
                f"RoadAnomalyDataset: unknown_value={unknown_value}: choose from 1 to 254"
            )
        self.unknown_value = unknown_value
        super().__init__(data_root, **kwargs)

    def find_layout(self) -> dict[str, Path]:
        labels = super().find_layout()
        if self.layout != "original":
            self.label_values = {
                0: KNOWN_LABEL,
                self.unknown_value: UNKNOWN_LABEL,
                255: IGNORE_LABEL,
            }
            return labels
        self.label_values = {0: KNOWN_LABEL, **dict.fromkeys(range(2, 255), UNKNOWN_LABEL)}
        listed = self.listed_frames()
        missing = [f"frames/{name}.labels/labels_semantic.png" for name in listed - labels.keys()]
        if missing:
            raise self.error(
                f"{len(missing)} of {len(listed)} frames in {self.root / FRAME_LIST} have no "
                f"label file: expected {some(sorted(missing))}: copy the download again"
            )
        return {name: labels[name] for name in labels if name in listed}

    def listed_frames(self) -> set[str]:
        """Names of the frames in ``frame_list.json``, without extension.

        Raises:
            InputError: The file is missing, is not JSON, or holds no names.
        """
        path = self.root / FRAME_LIST
        try:
            names = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise self.error(f"{path} is missing: it names the images; copy it too") from None
        except ValueError as error:
            raise self.error(f"{path} cannot be read as JSON ({error}): copy it again") from None
        if not isinstance(names, list) or not names or not all(type(n) is str for n in names):
            raise self.error(f"{path} has no list of image names: copy it again")
        return {Path(name).stem for name in names}
