"""Embedded demo data: small stylised street scenes with Cityscapes train ids.

The scenes let every configuration run without a download. Training and validation pictures hold
known classes only; test pictures also hold unknown objects, labelled 254. Pictures are a pure
function of the seed, the size and the allowed kinds of unknown objects.

Three families share no kind: the test kinds, the validation kinds for choosing the settings of a
score, and the new kinds, which are added to the test kinds in every set except set 0.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from mmosr.runs.files import atomic_write
from mmosr.runs.record import write_json
from mmosr.utils import UNKNOWN_LABEL, InputError

from .drawing import Canvas, finish
from .kinds import Kind
from .layout import draw_bonnet, make_camera, plan_things, plan_unknowns
from .new_unknowns import NEW_KINDS
from .street import Street, draw_street
from .unknowns import TEST_KINDS
from .validation_unknowns import VALIDATION_KINDS
from .workers import draw_all

DEMO_CLASS_IDS = (0, 1, 2, 5, 6, 7, 8, 10, 13)
"""Cityscapes train ids that are drawn: road, sidewalk, building, pole, traffic light, traffic
sign, vegetation, sky, car."""

GENERATOR_VERSION = 1
MIN_UNKNOWN_SHARE = 0.003
"""Every scene drawn with unknown objects has at least this share of unknown pixels."""

_MARKER = "demo_scenes.json"
_IMAGE, _LABEL = "_leftImg8bit.png", "_gtFine_labelTrainIds.png"
_KINDS = {**TEST_KINDS, **VALIDATION_KINDS, **NEW_KINDS}
_SPLITS = ("train", "val", "test")  # those with their own streets
_STREETS = {"train": 0, "val": 1, "test": 2, "val_unknown": 1}  # whose streets: a split's number
_MAX_SCENES = 1_000_000  # per split; keeps the scene seeds of all splits and sets distinct
_MIN_SIDE = 32


def draw_scene(
    seed: int, size: tuple[int, int] = (128, 256), unknown: bool | Sequence[str] = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one street scene.

    The same seed gives the same street at every size, with and without unknown objects.

    Args:
        seed: Number of the scene, at least 0.
        size: Height and width in pixels, each at least 32.
        unknown: Whether to add one to three unknown objects: True for objects of the test
            kinds, or the names of the kinds to choose from (``TEST_KINDS`` in
            ``unknowns``, ``VALIDATION_KINDS`` in ``validation_unknowns``,
            ``NEW_KINDS`` in ``new_unknowns``).

    Returns:
        The picture ``(h, w, 3)``, uint8, BGR as OpenCV writes it, and the labels ``(h, w)``,
        uint8: ids of ``DEMO_CLASS_IDS``, 254 unknown, 255 ignored (borders of objects and the
        bonnet of the own car).

    Raises:
        InputError: The seed is negative, the size is too small or a kind does not exist.
    """
    _check_size(size)
    kinds = _kinds_of(unknown)
    if seed < 0:
        raise InputError(f"Scene seed {seed} is negative; give 0 or more.")
    layout, extra, sensor = (np.random.default_rng([seed, stream]) for stream in range(3))
    dusk = max(0.0, layout.uniform(-0.7, 1.0))
    camera = make_camera(layout, size)
    haze = np.array([205, 200, 195]) * (1 - dusk) + np.array([150, 150, 190]) * dusk
    canvas = Canvas(size, camera, haze, layout.uniform(70, 260))
    street = Street.random(layout)
    draw_street(canvas, street, layout, dusk)
    things = plan_things(canvas, street, layout)
    if kinds:
        things += plan_unknowns(canvas, street, extra, kinds)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()
    draw_bonnet(canvas, layout)
    while kinds and np.mean(canvas.surface[..., 0] == UNKNOWN_LABEL) < 2 * MIN_UNKNOWN_SHARE:
        # All were hidden or tiny: put one in front of everything.
        plan_unknowns(canvas, street, extra, kinds, in_front=True)[0][1]()
    return finish(canvas, sensor, dusk)


def _kinds_of(unknown: bool | Sequence[str]) -> list[Kind]:
    """The kinds used in a scene; empty for a scene without unknown objects."""
    if isinstance(unknown, bool | np.bool_):
        return list(TEST_KINDS.values()) if unknown else []
    names = [unknown] if isinstance(unknown, str) else list(unknown)
    wrong = [name for name in names if name not in _KINDS]
    if wrong or not names:
        raise InputError(
            f"There are no kinds {wrong} of unknown objects: choose from {', '.join(_KINDS)}."
        )
    return [_KINDS[name] for name in names]


def write_demo_scenes(
    root: str | os.PathLike,
    train: int = 400,
    val: int = 50,
    test: int = 100,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    progress: Callable[[Sequence], Iterable] = iter,
    val_unknown: int = 0,
) -> Path:
    """Write a set of demo scenes in the folder layout of Cityscapes.

    ``ROOT/leftImg8bit/SPLIT/demo/demo_000000_leftImg8bit.png`` and
    ``ROOT/gtFine/SPLIT/demo/demo_000000_gtFine_labelTrainIds.png``. A finished set with the same
    parameters is left alone, an unfinished one is completed, and a different one is replaced.

    Args:
        root: Folder of the set; created if missing.
        train: Number of training scenes, known classes only.
        val: Number of validation scenes, known classes only.
        test: Number of test scenes, each with unknown objects: test kinds in set 0, test and new
            kinds in every other set.
        size: Height and width in pixels.
        seed: Number of the set; sets of different seeds share no scene.
        progress: Wraps the list of scenes to draw, such as ``rich.progress.track``.
        val_unknown: Number of scenes of the split ``val_unknown``: the streets of ``val`` with
            unknown objects of the validation kinds, for choosing the settings of a score.

    Returns:
        The folder of the set.

    Raises:
        InputError: A parameter is out of range or the folder holds other data.
    """
    _check_size(size)
    counts = dict(zip(_STREETS, (train, val, test, val_unknown), strict=True))
    if seed < 0 or not all(0 <= count <= _MAX_SCENES for count in counts.values()):
        raise InputError(
            f"Bad demo set: seed={seed}, {counts}; the seed must be at least 0 and each number "
            f"of scenes within 0..{_MAX_SCENES}."
        )
    root = Path(root)
    wanted = {"generator": "mmosr.demo_scenes", "version": GENERATOR_VERSION, **counts}
    wanted |= {"size": [int(side) for side in size], "seed": int(seed)}
    wanted["test_kinds"] = list(_kinds_of_splits(seed)["test"])
    found = _read_marker(root)
    if found is None or {**found, "finished": True} != {**wanted, "finished": True}:
        _clear(root)
        write_json(root / _MARKER, {**wanted, "finished": False})
    scenes = [(split, i) for split in counts for i in range(counts[split])]
    missing = [s for s in scenes if not all(path.is_file() for path in scene_paths(root, *s))]
    if missing:
        draw_all(partial(_draw_and_save, root, size, seed), missing, progress)
    if missing or not (found or {}).get("finished"):
        write_json(root / _MARKER, {**wanted, "finished": True})
    return root


def _draw_and_save(
    root: Path, size: tuple[int, int], set_seed: int, scene: tuple[str, int]
) -> None:
    split, index = scene
    first = (set_seed * len(_SPLITS) + _STREETS[split]) * _MAX_SCENES
    unknown = _kinds_of_splits(set_seed).get(split, False)
    pictures = draw_scene(first + index, size, unknown)
    for path, picture in zip(scene_paths(root, split, index), pictures, strict=True):
        _write_png(path, picture)


def _kinds_of_splits(seed: int) -> dict[str, tuple[str, ...]]:
    """Names of the kinds in each split with unknown objects, in set ``seed``."""
    new = NEW_KINDS if seed else ()
    return {"test": (*TEST_KINDS, *new), "val_unknown": tuple(VALIDATION_KINDS)}


def scene_paths(root: str | os.PathLike, split: str, index: int) -> tuple[Path, Path]:
    """Picture and label file of scene ``index`` of a split."""
    image = Path(root, "leftImg8bit", split, "demo", f"demo_{index:06d}{_IMAGE}")
    return image, Path(root, "gtFine", split, "demo", f"demo_{index:06d}{_LABEL}")


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or min(size) < _MIN_SIDE:
        raise InputError(f"Size {tuple(size)} of a demo scene: give (height, width), each >= 32.")


def _read_marker(root: Path) -> dict | None:
    """The parameters of the set in ``root``, or None if the folder is missing or empty."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; give a folder for the demo scenes.")
    marker = root / _MARKER
    if not marker.is_file():
        # A kill can leave the marker's temporary file behind; anything else is the user's data.
        entries = root.iterdir() if root.exists() else ()
        if any(not entry.name.startswith(".demo_scenes.") for entry in entries):
            raise InputError(f"{root} holds other data; give a new or empty folder.")
        return None
    try:
        found = json.loads(marker.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("generator") != "mmosr.demo_scenes":
        raise InputError(f"{marker} was not written by mmosr; give another folder.")
    # The value for sets drawn before this was an option.
    return {"val_unknown": 0, "test_kinds": list(TEST_KINDS), **found}


def _clear(root: Path) -> None:
    """Remove the scenes of an earlier set, and nothing else."""
    for folder in ("leftImg8bit", "gtFine"):
        for path in (root / folder).glob("*/demo/*demo_*.png"):
            path.unlink()


def _write_png(path: Path, picture: np.ndarray) -> None:
    with atomic_write(path) as temporary:
        if not cv2.imwrite(str(temporary), picture):
            raise OSError(f"OpenCV could not write {path}")
