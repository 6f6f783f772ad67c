"""Embedded demo data: small stylised street scenes with Cityscapes train ids.

The scenes let every configuration run without a download. Training and validation pictures hold
known classes only; test pictures also hold unknown objects, labelled 254. Pictures are a pure
function of the seed, the size and the presence of unknown objects.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError, atomic_write

from .demo_drawing import SUPERSAMPLE, Camera, Canvas, Material, finish
from .demo_objects import draw_car, draw_pole, draw_tree
from .demo_street import Street, draw_street
from .demo_unknowns import HEIGHTS, KINDS, draw_unknown

DEMO_CLASS_IDS = (0, 1, 2, 5, 6, 7, 8, 10, 13)
"""Cityscapes train ids that are drawn: road, sidewalk, building, pole, traffic light, traffic
sign, vegetation, sky, car."""

GENERATOR_VERSION = 1
MIN_UNKNOWN_SHARE = 0.003
"""Every scene drawn with ``unknown=True`` has at least this share of unknown pixels."""

_MARKER = "demo_scenes.json"
_IMAGE, _LABEL = "_leftImg8bit.png", "_gtFine_labelTrainIds.png"
_SPLITS = ("train", "val", "test")
_MAX_SCENES = 1_000_000  # per split; keeps the scene seeds of all splits and sets apart
_MIN_SIDE = 32


def draw_scene(
    seed: int, size: tuple[int, int] = (128, 256), unknown: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one street scene.

    The same seed gives the same street at every size, and the same street with and without
    unknown objects.

    Args:
        seed: Number of the scene, at least 0.
        size: Height and width in pixels, each at least 32.
        unknown: Whether one to three unknown objects are added.

    Returns:
        The picture ``(h, w, 3)``, uint8, BGR as OpenCV writes it, and the labels ``(h, w)``,
        uint8: ids of ``DEMO_CLASS_IDS``, 254 unknown, 255 ignored (borders of objects and the
        bonnet of the own car).

    Raises:
        InputError: If the seed is negative or the size is too small.
    """
    _check_size(size)
    if seed < 0:
        raise InputError(f"Scene seed {seed} is negative; give 0 or more.")
    layout, extra, sensor = (np.random.default_rng([seed, stream]) for stream in range(3))
    dusk = max(0.0, layout.uniform(-0.7, 1.0))
    camera = _make_camera(layout, size)
    haze = np.array([205, 200, 195]) * (1 - dusk) + np.array([150, 150, 190]) * dusk
    canvas = Canvas(size, haze, layout.uniform(70, 260))
    street = Street.random(layout)
    draw_street(canvas, camera, street, layout, dusk)
    things = _plan_things(canvas, camera, street, layout)
    if unknown:
        things += _plan_unknowns(canvas, camera, street, extra)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()
    _draw_bonnet(canvas, layout)
    while unknown and np.mean(canvas.surface[..., 0] == UNKNOWN_LABEL) < 2 * MIN_UNKNOWN_SHARE:
        # All were hidden or tiny: put one in front of everything.
        _plan_unknowns(canvas, camera, street, extra, in_front=True)[0][1]()
    return finish(canvas, sensor, dusk)


def _make_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    height, width = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE
    return Camera(
        focal=1.2 * height * rng.uniform(0.9, 1.15),
        centre=width * rng.uniform(0.36, 0.64),
        horizon=height * rng.uniform(0.36, 0.52),
        height=rng.uniform(1.5, 2.5),
        bend=rng.uniform(-0.004, 0.004) * rng.random(),
    )


def _plan_things(canvas: Canvas, camera: Camera, street: Street, rng: np.random.Generator) -> list:
    """Pairs ``(distance, draw)`` of the known things, each with a generator of its own."""
    things = []

    def add(z: float, draw: Callable, *args) -> None:
        own = np.random.default_rng(rng.integers(1 << 32))
        things.append((z, lambda: draw(canvas, camera, own, *args)))

    for x, z in _places_of_cars(street, rng):
        add(z, draw_car, x, z)
    for side, edge, wide in (
        (-1, street.left, street.pave_left),
        (1, street.right, street.pave_right),
    ):
        for z in np.cumsum(rng.uniform(5, 16, 7)):
            add(z, draw_tree, edge + side * (wide * 0.8 + rng.uniform(0, 1)), z)
        for z in 4 + np.cumsum(rng.uniform(6, 22, 3)):
            kind = ("lamp", "lamp", "sign", "light")[rng.integers(4)]
            add(z, draw_pole, edge + side * rng.uniform(0.3, 0.9), z, kind)
    # One sign and one light near enough to be seen, on the side that has room in the picture.
    for kind in ("sign", "light"):
        edge = street.left if rng.random() < camera.centre / canvas.width else street.right
        x = edge + np.sign(edge) * rng.uniform(0.3, 1.0)
        room = camera.centre if x < 0 else canvas.width - camera.centre
        nearest = camera.focal * (abs(x) + 0.5) / room
        z = max(nearest, 5.0) * rng.uniform(1.05, 1.7)
        add(z, draw_pole, x, z, kind)
    return things


def _places_of_cars(street: Street, rng: np.random.Generator) -> list[tuple[float, float]]:
    middle = (street.left + street.right) / 2
    lanes = [(street.left + middle) / 2, (street.right + middle) / 2]
    places = []
    for lane in lanes:
        z = rng.uniform(5.5, 16)
        while z < 60 and rng.random() < 0.75:
            places.append((lane + rng.uniform(-0.4, 0.4), z))
            z += rng.uniform(8, 22)
    for x in (street.left + 1.05, street.right - 1.05):
        if rng.random() < street.parking:
            z = rng.uniform(4.5, 12)
            while z < 45 and rng.random() < 0.85:
                places.append((x + rng.uniform(-0.1, 0.1), z))
                z += rng.uniform(5.6, 9)
    return places or [(lanes[1], rng.uniform(7, 14))]


def _plan_unknowns(
    canvas: Canvas,
    camera: Camera,
    street: Street,
    rng: np.random.Generator,
    in_front: bool = False,
) -> list:
    """Pairs ``(distance, draw)`` of one to three unknown objects, the largest first."""
    things = []
    for _ in range(int(rng.integers(1, 4))):
        kind = KINDS[rng.integers(len(KINDS))]
        height = rng.uniform(*HEIGHTS[kind])
        share = np.exp(rng.uniform(np.log(0.08), np.log(0.38)))  # of the picture's height
        nearest = camera.depth_of_row(0.88 * canvas.height)
        z = nearest if in_front else max(camera.focal * height / (share * canvas.height), nearest)
        height = min(height, 0.38 * canvas.height / camera.scale(z))
        low = max(street.left - 1.5, camera.side_at(0.06 * canvas.width, z))
        high = min(street.right + 1.5, camera.side_at(0.94 * canvas.width, z))
        place = (rng.uniform(min(low, high), max(low, high)), z)
        own = np.random.default_rng(rng.integers(1 << 32))
        args = (canvas, camera, own, kind, place, height)
        things.append((z, height / z, lambda args=args: draw_unknown(*args)))
    things.sort(key=lambda thing: -thing[1])
    return [(z, draw) for z, _, draw in things]


def _draw_bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    if rng.random() > 0.35:
        return
    top, colour = rng.uniform(0.91, 0.97), rng.uniform(25, 110) + rng.normal(0, 14, 3)
    across = np.linspace(-0.1, 1.1, 24)
    arch = top + (1 - top) * (2 * across - 1) ** 2 * rng.uniform(0.5, 1.2)
    curve = np.stack([across * canvas.width, arch * canvas.height], axis=-1)
    ends = np.array([[1.1, 1.2], [-0.1, 1.2]]) * [canvas.width, canvas.height]
    polygon = np.concatenate([curve, ends])
    canvas.fill(polygon, colour, 0.0, Material(IGNORE_LABEL, 4, 8))
    canvas.fill(polygon + [0, 0.02 * canvas.height], colour * 0.8, 0.0)


def write_demo_scenes(
    root: str | os.PathLike,
    train: int = 400,
    val: int = 50,
    test: int = 100,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    progress: Callable[[Sequence], Iterable] = iter,
) -> Path:
    """Write a set of demo scenes in the folder layout of Cityscapes.

    ``ROOT/leftImg8bit/SPLIT/demo/demo_000000_leftImg8bit.png`` and
    ``ROOT/gtFine/SPLIT/demo/demo_000000_gtFine_labelTrainIds.png``. A finished set with the same
    parameters is left alone, an unfinished one is completed, another one is replaced.

    Args:
        root: Folder of the set; made when missing.
        train: Number of training scenes, known classes only.
        val: Number of validation scenes, known classes only.
        test: Number of test scenes, each with unknown objects.
        size: Height and width in pixels.
        seed: Number of the set; sets of different seeds share no scene.
        progress: Wraps the list of scenes to draw, for instance ``rich.progress.track``.

    Returns:
        The folder of the set.

    Raises:
        InputError: If a parameter is out of range or the folder holds other data.
    """
    _check_size(size)
    counts = dict(zip(_SPLITS, (train, val, test), strict=True))
    if seed < 0 or not all(0 <= count <= _MAX_SCENES for count in counts.values()):
        raise InputError(
            f"Bad demo set: seed={seed}, {counts}; the seed must be at least 0 and each number "
            f"of scenes within 0..{_MAX_SCENES}."
        )
    root = Path(root)
    wanted = {"generator": "mmosr.demo_scenes", "version": GENERATOR_VERSION, **counts}
    wanted |= {"size": [int(side) for side in size], "seed": int(seed)}
    found = _read_marker(root)
    if found is None or {**found, "finished": True} != {**wanted, "finished": True}:
        _clear(root)
        _write_marker(root, {**wanted, "finished": False})
    scenes = [(split, i) for split in _SPLITS for i in range(counts[split])]
    missing = [s for s in scenes if not all(path.is_file() for path in scene_paths(root, *s))]
    for split, index in progress(missing) if missing else ():
        first = (seed * len(_SPLITS) + _SPLITS.index(split)) * _MAX_SCENES
        scene = draw_scene(first + index, size, unknown=split == "test")
        for path, picture in zip(scene_paths(root, split, index), scene, strict=True):
            _write_png(path, picture)
    if missing or not (found or {}).get("finished"):
        _write_marker(root, {**wanted, "finished": True})
    return root


def scene_paths(root: str | os.PathLike, split: str, index: int) -> tuple[Path, Path]:
    """Picture and label file of scene ``index`` of a split."""
    image = Path(root, "leftImg8bit", split, "demo", f"demo_{index:06d}{_IMAGE}")
    return image, Path(root, "gtFine", split, "demo", f"demo_{index:06d}{_LABEL}")


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or min(size) < _MIN_SIDE:
        raise InputError(f"Size {tuple(size)} of a demo scene: give (height, width), each >= 32.")


def _read_marker(root: Path) -> dict | None:
    """The parameters of the set in ``root``, or None for a folder that is missing or empty."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; give a folder for the demo scenes.")
    marker = root / _MARKER
    if not marker.is_file():
        # A kill can leave the marker's temporary file behind; anything else is someone's data.
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
    return found


def _clear(root: Path) -> None:
    """Remove the scenes of an earlier set, and nothing else."""
    for folder in ("leftImg8bit", "gtFine"):
        for path in (root / folder).glob("*/demo/*demo_*.png"):
            path.unlink()


def _write_marker(root: Path, content: dict) -> None:
    with atomic_write(root / _MARKER) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _write_png(path: Path, picture: np.ndarray) -> None:
    with atomic_write(path) as temporary:
        if not cv2.imwrite(str(temporary), picture):
            raise OSError(f"OpenCV could not write {path}")
