"""Datasets whose classes are split into known and unknown."""

import os.path as osp
from collections.abc import Sequence

from mmseg.datasets import ADE20KDataset, BaseSegDataset, CityscapesDataset

from mmosr.registry import DATASETS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError


@DATASETS.register_module()
class OpenSetSegDataset(BaseSegDataset):
    """An mmseg dataset with classes held out.

    The known classes are all others, renumbered ``0 .. C-1`` in their old order. Pixels of held-out
    classes become 255 (ignored) for training and, with ``mark_unknown``, 254 (unknown) for tests:
    unknown and unlabelled pixels never get mixed up.

    Args:
        unknown_classes: Names held out of training.
        ignored_classes: Names that are ignored in training and test alike, e.g. the classes held
            out as test unknowns while settings are chosen on other held-out classes.
        mark_unknown: Label the unknown classes 254 instead of 255.
        *args, **kwargs: As ``BaseSegDataset``.

    Raises:
        InputError: A name that is no class of the dataset or is held out twice, no known class
            left, a folder that is missing or holds no image, or an image without its label file.
    """

    def __init__(
        self,
        *args,
        unknown_classes: Sequence[str] = (),
        ignored_classes: Sequence[str] = (),
        mark_unknown: bool = False,
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        self.mark_unknown = mark_unknown
        self.unknown_classes = _names(unknown_classes)
        metainfo = self._hold_out(dict(metainfo or {}), _names(ignored_classes))
        super().__init__(*args, metainfo=metainfo, **kwargs)

    def _hold_out(self, metainfo: dict, ignored: tuple[str, ...]) -> dict:
        """The meta information with the known classes only, and the checks of all names."""
        name = type(self).__name__
        classes = tuple(self._load_metainfo(metainfo).get("classes", ()))
        # Names of the ids in the label files.
        self.file_classes = tuple(self.METAINFO.get("classes", classes))
        if not classes:
            raise InputError(f"{name}: no classes are given: set metainfo=dict(classes=...)")
        both = sorted(set(self.unknown_classes) & set(ignored))
        if both:
            raise InputError(
                f"{name}: {', '.join(both)} cannot be both unknown and ignored: take it out of "
                "unknown_classes or of ignored_classes"
            )
        held_out = {*self.unknown_classes, *ignored}
        known = tuple(label for label in classes if label not in held_out)
        wrong = sorted(held_out - set(self.file_classes))
        if wrong or not known:
            raise InputError(
                f"{name}: {', '.join(wrong) or 'every class'} cannot be held out; the classes are "
                f"{', '.join(self.file_classes)}"
            )
        if not held_out:
            return metainfo
        if len(metainfo.get("palette", ())) == len(classes):
            colours = zip(classes, metainfo["palette"], strict=True)
            metainfo["palette"] = [colour for label, colour in colours if label in known]
        return dict(metainfo, classes=known)

    def load_data_list(self) -> list[dict]:
        image_dir = self.data_prefix.get("img_path") or self.data_root or ""
        if not osp.isdir(image_dir):
            raise InputError(
                f"{type(self).__name__}: folder '{image_dir}' does not exist: set data_root, and "
                "see docs/data.md for how to obtain the data"
            )
        self._map_unknown()
        data_list = super().load_data_list()
        if not data_list:
            raise InputError(
                f"{type(self).__name__}: folder {image_dir} holds no '*{self.img_suffix}' image: "
                "check data_root, data_prefix and img_suffix"
            )
        num_classes = len(self.known_classes)
        for item in data_list:
            item["num_classes"] = num_classes
            path = item.get("seg_map_path")
            if path is not None and not osp.exists(path):
                raise InputError(f"image {item['img_path']} has no label file {path}")
        return data_list

    def _map_unknown(self) -> None:
        """Send unknown pixels to 254 in tests and to 255 in training."""
        target = UNKNOWN_LABEL if self.mark_unknown else IGNORE_LABEL
        known = self.known_classes
        label_map = {
            index: known.index(name) if name in known else IGNORE_LABEL
            for index, name in enumerate(self.file_classes)
        }
        label_map.update({self.file_classes.index(name): target for name in self.unknown_classes})
        # Files may hold 254 themselves (objects of no class). The host reduces before it maps.
        label_map[UNKNOWN_LABEL - int(self.reduce_zero_label)] = target
        self.label_map = label_map
        self._metainfo["label_map"] = label_map

    @property
    def known_classes(self) -> tuple[str, ...]:
        """Names of the known classes, by label."""
        return tuple(self.metainfo["classes"])


@DATASETS.register_module()
class CamVidDataset(OpenSetSegDataset):
    """CamVid in 11 classes (Brostow et al., 2009; the split of SegNet): 367 / 101 / 233 scenes.

    Layout: ``images/{train,val,test}/*.jpg`` and ``labels/{train,val,test}/*.png``, 255 = void.
    """

    METAINFO = dict(
        classes=(
            "sky",
            "building",
            "pole",
            "road",
            "pavement",
            "tree",
            "sign",
            "fence",
            "car",
            "pedestrian",
            "bicyclist",
        ),
        palette=[
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [60, 40, 222],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    )

    def __init__(self, *args, img_suffix: str = ".jpg", **kwargs) -> None:
        super().__init__(*args, img_suffix=img_suffix, seg_map_suffix=".png", **kwargs)


@DATASETS.register_module()
class OpenSetCityscapesDataset(OpenSetSegDataset):
    """Data in the Cityscapes layout and train ids, 254 = unknown object where there is one.

    Also reads the embedded demo scenes, which are drawn in this layout.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(self, *args, **kwargs) -> None:
        kwargs.setdefault("img_suffix", "_leftImg8bit.png")
        kwargs.setdefault("seg_map_suffix", "_gtFine_labelTrainIds.png")
        super().__init__(*args, **kwargs)


@DATASETS.register_module()
class OpenSetADE20KDataset(OpenSetSegDataset):
    """ADE20K in the 150 classes of the scene parsing benchmark (Zhou et al., 2017).

    Layout: ``images/{training,validation}/*.jpg`` and ``annotations/{training,validation}/*.png``.
    In the files 1 .. 150 are the classes and 0 is everything else, which is ignored: an unlabelled
    pixel is no unknown object. 254 in a file is one, as in every data set here.
    """

    METAINFO = ADE20KDataset.METAINFO

    def __init__(self, *args, **kwargs) -> None:
        kwargs.setdefault("img_suffix", ".jpg")
        kwargs.setdefault("seg_map_suffix", ".png")
        kwargs.setdefault("reduce_zero_label", True)
        super().__init__(*args, **kwargs)


def _names(classes: Sequence[str]) -> tuple[str, ...]:
    """Class names as a tuple; one name alone may stand without brackets."""
    return (classes,) if isinstance(classes, str) else tuple(classes)
