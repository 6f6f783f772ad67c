"""Lost and Found: small objects on the road."""

from __future__ import annotations

import os

from mmosr.registry import DATASETS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, check_choice

from .anomaly_dataset import KNOWN_LABEL, AnomalySegDataset, Layout

#: Label ids of "random non-hazards": marker pole, posts, timber, wheel cap, thin wood.
NON_HAZARDS = (31, 33, 34, 36, 37, 38, 39)
#: Frames with objects of Cityscapes classes (children, bicycles), by prefix of their names.
KNOWN_OBJECT_FRAMES = (
    "01_Hanns_Klemm_Str_45_000006",
    "01_Hanns_Klemm_Str_45_000007",
    "10_Schlossberg_9_000004",
    "15_Rechbergstr_Deckenpfronn",
)
_TREATMENTS = {"ignored": IGNORE_LABEL, "known": KNOWN_LABEL, "unknown": UNKNOWN_LABEL}


@DATASETS.register_module()
class LostAndFoundDataset(AnomalySegDataset):
    """Lost and Found (Pinggera et al., 2016): 1036 training and 1203 test images of 1024 x 2048.

    Layout: ``leftImg8bit/{train,test}/SCENE/ID_leftImg8bit.png`` and
    ``gtCoarse/{train,test}/SCENE/ID_gtCoarse_labelIds.png``. Label ids: 0 is void and everything
    off the road (ignored), 1 the free road (known), 2 .. 43 objects on the road (unknown).

    Tools differ in how they treat objects that are not a hazard (ids 31, 33, 34, 36 .. 39):

    * ``"unknown"``: SegmentMeIfYouCan, Mask2Anomaly and tools built on them; hence the default.
    * ``"ignored"``: Meta-OoD (entropy maximization), which uses only the train ids 1 and 2.
    * ``"known"``: tools that follow the train ids of the data set, where they are background.

    Args:
        data_root: Folder with ``leftImg8bit`` and ``gtCoarse``.
        split: ``"test"`` or ``"train"``.
        non_hazards: ``"unknown"``, ``"ignored"`` or ``"known"``.
        no_known: Leave out the frames with children and bicycles, which are Cityscapes classes:
            the split LostAndFound-testNoKnown of SegmentMeIfYouCan.
        **kwargs: See ``AnomalySegDataset``.

    Raises:
        InputError: An option is invalid; and see ``AnomalySegDataset``.
    """

    def __init__(
        self,
        data_root: str | os.PathLike,
        *,
        split: str = "test",
        non_hazards: str = "unknown",
        no_known: bool = False,
        **kwargs,
    ) -> None:
        check_choice("LostAndFoundDataset", "split", split, ("test", "train"))
        check_choice("LostAndFoundDataset", "non_hazards", non_hazards, _TREATMENTS)
        self.no_known = no_known
        images, labels = f"leftImg8bit/{split}", f"gtCoarse/{split}"
        layout = Layout(images, labels, "_leftImg8bit", "_gtCoarse_labelIds.png")
        self.layouts = {"official": layout}
        self.label_values = {
            0: IGNORE_LABEL,
            1: KNOWN_LABEL,
            **dict.fromkeys(range(2, 44), UNKNOWN_LABEL),
            **dict.fromkeys(NON_HAZARDS, _TREATMENTS[non_hazards]),
            255: IGNORE_LABEL,
        }
        super().__init__(data_root, **kwargs)

    def labels_of(self, name: str) -> dict:
        left_out = KNOWN_OBJECT_FRAMES if self.no_known else ()
        labels = super().labels_of(name).items()
        return {key: path for key, path in labels if not path.name.startswith(left_out)}
