"""Which files of a public download make up the folder of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from mmseg.datasets import BDD100KDataset

from mmosr.datasets.anomaly_dataset import AnomalySegDataset
from mmosr.datasets.bdd_anomaly import SPLITS
from mmosr.datasets.lost_and_found import LostAndFoundDataset
from mmosr.datasets.road_anomaly import FRAME_LIST, RoadAnomalyDataset
from mmosr.datasets.segment_me_if_you_can import RoadAnomaly21Dataset, RoadObstacle21Dataset
from mmosr.datasets.street_hazards import StreetHazardsDataset
from mmosr.runs.progress import progress
from mmosr.utils import UNKNOWN_LABEL, InputError
from mmosr.utils.cli import tool_command

from .convert import move_void, read_raw_label
from .fishyscapes import plan_lost_and_found, plan_static
from .pairs import Split, pair_splits
from .plan import Output, Plan, Request

UNKNOWN_IDS = (16, 17, 18)  # train, motorcycle, bicycle
_ARCHIVES = {
    ".zip": "unzip {} -d FOLDER",
    ".tar": "tar -xf {} -C FOLDER",
    ".gz": "tar -xf {} -C FOLDER",
    ".tgz": "tar -xf {} -C FOLDER",
}


@dataclass(frozen=True)
class Recipe:
    """How the folder of a data set is planned.

    Args:
        plan: Finds all sources and lists the outputs; also takes the name.
        images: Number of images in the public benchmark.
        takes: The options it has, besides copying.
        needs: The options that must be given.
    """

    plan: Callable[[str, Request], Plan]
    images: int
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def make_plan(name: str, request: Request) -> Plan:
    """List the files of the folder of a data set; writes nothing.

    Args:
        name: One of :data:`RECIPES`.
        request: Folders and options.

    Raises:
        InputError: The data set does not exist, the download is missing, is an archive or lacks
            files, one folder is inside the other, or an option is missing or has no meaning here.
    """
    if name == "demo":
        demo = tool_command("dataset_converters/make_demo_scenes", "demo-scenes")
        raise InputError(f"the demo scenes are drawn, not downloaded: run {demo} {request.folder}")
    if name not in RECIPES:
        raise InputError(f"no data set '{name}': choose from {', '.join([*RECIPES, 'demo'])}")
    recipe = RECIPES[name]
    for option, value in request.options().items():
        flag = "--" + option.replace("_", "-")
        if value is None and option in recipe.needs:
            raise InputError(f"{name} needs {flag}; see docs/data.md")
        if value is not None and option not in recipe.takes:
            raise InputError(f"{name} has no option {flag}: leave it out")
    for download in filter(None, (request.source, request.images)):
        _check_download(download)
        _check_apart(download, request.folder)
    return recipe.plan(name, request)


def _check_download(folder: Path) -> None:
    if folder.is_file() and folder.suffix.lower() in _ARCHIVES:
        command = _ARCHIVES[folder.suffix.lower()].format(folder)
        raise InputError(f"{folder} is an archive: unpack it first, {command}, and give the folder")
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist: give the folder of the download")


def _check_apart(download: Path, folder: Path) -> None:
    source, target = download.resolve(), folder.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise InputError(
            f"{folder} and the download {download} overlap: choose another folder "
            "for the prepared data, since the download is never changed"
        )


def _links(dataset: AnomalySegDataset) -> list[Output]:
    """The images and labels of a data set, at the same paths as in the download."""
    files = [Path(path) for pair in sorted(dataset.find_pairs()) for path in pair]
    return [Output(file.relative_to(dataset.root).as_posix(), (file,)) for file in files]


def _plan_links(kind: type[AnomalySegDataset], name: str, request: Request) -> Plan:
    """The unchanged download."""
    dataset = kind(request.source, lazy_init=True)
    outputs = _links(dataset)
    if dataset.layout == "original":
        outputs.append(Output(FRAME_LIST, (request.source / FRAME_LIST,)))
    return Plan.of(name, request, outputs)


def _plan_lost_and_found(name: str, request: Request) -> Plan:
    """The test split, and the training split if the download has it."""
    outputs = _links(LostAndFoundDataset(request.source, split="test", lazy_init=True))
    if any((request.source / kind / "train").is_dir() for kind in ("leftImg8bit", "gtCoarse")):
        outputs += _links(LostAndFoundDataset(request.source, split="train", lazy_init=True))
    return Plan.of(name, request, outputs)


def _plan_street_hazards(name: str, request: Request) -> Plan:
    """The test split, and those of ``streethazards_train.tar`` if it was unpacked too."""
    splits = []
    for split in ("test", "train", "val"):
        prefix = StreetHazardsDataset(
            data_root=str(request.source), split=split, lazy_init=True
        ).data_prefix
        folders = Path(prefix["img_path"]), Path(prefix["seg_map_path"])
        if split == "test" or any(folder.is_dir() for folder in folders):
            splits.append(Split(*folders))
    pairs = [pair for split in pair_splits(name, splits) for pair in split]
    files = [file for _, *both in pairs for file in both]
    outputs = [Output(file.relative_to(request.source).as_posix(), (file,)) for file in files]
    return Plan.of(name, request, outputs)


def _plan_bdd_anomaly(name: str, request: Request) -> Plan:
    """Either release of BDD100K's segmentation; the lists are made from the labels."""
    layouts = [
        (folder / "images", folder / "labels", "_train_id.png")
        for folder in (request.source, request.source / "seg", request.source / "bdd100k/seg")
    ] + [
        (folder / "images/10k", folder / "labels/sem_seg/masks", ".png")
        for folder in (request.source, request.source / "bdd100k")
    ]
    found = [layout for layout in layouts if (layout[1] / "train").is_dir()]
    images, labels, ending = (found or layouts)[0]
    folders = ("train", "val")
    splits = [Split(images / f, labels / f, ".jpg", ending) for f in folders]
    outputs, label_files = [], {}
    for folder, pairs in zip(folders, pair_splits(name, splits), strict=True):
        for key, image, label in pairs:
            outputs += [
                Output(f"images/{folder}/{key}.jpg", (image,)),
                Output(f"labels/{folder}/{key}_train_id.png", (label,)),
            ]
            label_files[f"{folder}/{key}"] = label
    ids = tuple(sorted(set(request.unknown_ids or UNKNOWN_IDS)))
    classes = BDD100KDataset.METAINFO["classes"]
    if not set(ids) <= set(range(len(classes))):
        raise InputError(f"--unknown-ids {ids}: expected train ids from 0 to {len(classes) - 1}")
    return Plan.of(
        name,
        request,
        outputs,
        last=tuple(_lists(label_files, ids)),
        options=dict(unknown_ids=list(ids)),
        dataset=dict(unknown_classes=[classes[index] for index in ids]),
    )


def _lists(labels: Mapping[str, Path], ids: tuple[int, ...]) -> Iterator[Output]:
    """The three lists; the labels are read once, when the first list is made."""
    lists: dict[str, list[str]] = {}

    def write(split: str, path: Path) -> None:
        if not lists:
            lists.update(split_lists(labels, ids))
        path.write_text("".join(f"{name}\n" for name in lists[split]), encoding="utf-8")

    how = f"images by the unknown train ids {', '.join(map(str, ids))}"
    for split in SPLITS:
        yield Output(
            f"{split}.txt",
            tuple(labels.values()),
            how,
            lambda path, split=split: write(split, path),
        )


def split_lists(labels: Mapping[str, Path], unknown_ids: Sequence[int]) -> dict[str, list[str]]:
    """Which images of BDD100K's semantic segmentation are for training, validation and test.

    An image with a pixel of an unknown class is for the test, whatever its folder.

    Args:
        labels: Label file of each image ``{train,val}/NAME``.
        unknown_ids: Train ids of the unknown classes. 254 is unknown as well.

    Returns:
        The images of each split: the lines of ``SPLIT.txt``.

    Raises:
        InputError: A label file has other values, or a split is empty.
    """
    num_classes = len(BDD100KDataset.METAINFO["classes"])
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name, path in progress(list(labels.items()), "split"):
        label = read_raw_label(path, num_classes)
        shows_unknown = np.isin(label, [*unknown_ids, UNKNOWN_LABEL]).any()
        lists["test" if shows_unknown else name.split("/")[0]].append(name)
    for split, chosen in lists.items():
        if not chosen:
            raise InputError(
                f"bdd_anomaly: no images are left for the split '{split}': of {len(labels)} images "
                f"{len(lists['test'])} show one of the unknown train ids {sorted(unknown_ids)}"
            )
    return lists


def _plan_camvid(name: str, request: Request) -> Plan:
    """SegNet's tutorial, its folder ``CamVid`` or the one that holds it."""
    root = request.source
    if not (root / "test").is_dir() and (root / "CamVid").is_dir():
        root = root / "CamVid"
    folders = ("train", "val", "test")
    ending = ".jpg" if next((root / "test").glob("*.[jJ][pP][gG]"), None) else ".png"
    splits = [Split(root / f, root / f"{f}annot", ending) for f in folders]
    outputs = []
    for folder, pairs in zip(folders, pair_splits(name, splits), strict=True):
        for key, image, label in pairs:
            outputs += [
                Output(f"images/{folder}/{key}{ending}", (image,)),
                Output(f"labels/{folder}/{key}.png", (label,), "void 11 to 255", move_void(label)),
            ]
    # Images are not re-encoded, which would change the figures.
    return Plan.of(name, request, outputs)


RECIPES: dict[str, Recipe] = {
    "fishyscapes_lost_and_found": Recipe(plan_lost_and_found, 100, ("images",), ("images",)),
    "fishyscapes_static": Recipe(
        plan_static, 30, ("images", "version"), needs=("images", "version")
    ),
    "road_anomaly": Recipe(partial(_plan_links, RoadAnomalyDataset), 60),
    "road_anomaly_21": Recipe(partial(_plan_links, RoadAnomaly21Dataset), 10),
    "road_obstacle_21": Recipe(partial(_plan_links, RoadObstacle21Dataset), 30),
    "lost_and_found": Recipe(_plan_lost_and_found, 1203),
    "street_hazards": Recipe(_plan_street_hazards, 1500),
    "bdd_anomaly": Recipe(_plan_bdd_anomaly, 810, ("unknown_ids",)),
    "camvid": Recipe(_plan_camvid, 233),
}
