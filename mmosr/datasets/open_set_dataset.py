"""Datasets whose classes are split into known and unknown."""

from pathlib import Path

from mmseg.datasets import ADE20KDataset, BaseSegDataset, CityscapesDataset

from mmosr.registry import DATASETS

from .held_out import HeldOutClasses

_CAMVID = {
    "sky": [128, 128, 128],
    "building": [128, 0, 0],
    "pole": [192, 192, 128],
    "road": [128, 64, 128],
    "pavement": [60, 40, 222],
    "tree": [128, 128, 0],
    "sign": [192, 128, 128],
    "fence": [64, 64, 128],
    "car": [64, 0, 128],
    "pedestrian": [64, 64, 0],
    "bicyclist": [0, 128, 192],
}


@DATASETS.register_module()
class OpenSetSegDataset(HeldOutClasses, BaseSegDataset):
    """A dataset in mmseg's plain layout, with classes held out; the config may name the classes.

    Args:
        *args, **kwargs: See ``HeldOutClasses`` and ``BaseSegDataset``.
    """


@DATASETS.register_module()
class CamVidDataset(OpenSetSegDataset):
    """CamVid in 11 classes (Brostow et al., 2009; the split of SegNet): 367 / 101 / 233 scenes.

    Layout: ``images/{train,val,test}/*.{jpg,png}``, ``labels/{train,val,test}/*.png``, 255 = void.

    Args:
        img_suffix: Extension of the images. Default: ``.jpg`` or ``.png``, whichever is on disk.
        *args, **kwargs: See ``OpenSetSegDataset``.
    """

    METAINFO = dict(classes=tuple(_CAMVID), palette=list(_CAMVID.values()))

    def __init__(self, *args, img_suffix: str | None = None, **kwargs) -> None:
        super().__init__(*args, img_suffix=img_suffix, seg_map_suffix=".png", **kwargs)

    @property
    def img_suffix(self) -> str:
        """Extension of the images; ``.jpg`` if the folder does not exist."""
        if self._img_suffix is None and Path(self._image_dir).is_dir():
            suffixes = {path.suffix for path in Path(self._image_dir).iterdir()}
            self._img_suffix = ".png" if ".png" in suffixes and ".jpg" not in suffixes else ".jpg"
        return self._img_suffix or ".jpg"

    @img_suffix.setter
    def img_suffix(self, value: str | None) -> None:
        self._img_suffix = value


@DATASETS.register_module()
class OpenSetCityscapesDataset(OpenSetSegDataset, CityscapesDataset):
    """Data in the Cityscapes layout with train ids; 254 = unknown object, if any.

    Also reads the embedded demo scenes, which use this layout.
    """


@DATASETS.register_module()
class OpenSetADE20KDataset(OpenSetSegDataset, ADE20KDataset):
    """ADE20K in the 150 classes of the scene parsing benchmark (Zhou et al., 2017).

    Layout: ``images/{training,validation}/*.jpg`` and ``annotations/{training,validation}/*.png``.
    In the files 1 .. 150 are the classes and 0 is everything else, which is ignored: an unlabelled
    pixel is not an unknown object. 254 in a file is an unknown object, as in every data set here.
    """
