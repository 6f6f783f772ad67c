"""How an unknown object of the embedded demo scenes is painted, whatever its kind.

A family of kinds is a table ``name -> Kind``. Every kind goes through ``draw_unknown``, so the
families differ only in shapes, colours and patterns: shadow, shading, grain and ignored border are
those of the known objects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmosr.utils import UNKNOWN_LABEL

from .drawing import Canvas, Material, rotation
from .objects import ground_shadow

Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``(rows, columns) -> BGR``; rows and columns run from 0 to 1 over a part."""


class Shape(NamedTuple):
    """Polygons that make up an object, rearmost first.

    ``parts`` have the texture of the object; ``marks`` are painted over them, one colour at a time,
    and do not change the labels.
    """

    parts: list[np.ndarray]
    marks: Sequence[tuple[np.ndarray, Sequence[np.ndarray]]] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of unknown object.

    Args:
        heights: Range of the real height in metres.
        texture: Makes the random texture of an object.
        shape: Makes a random flat object that faces the camera, in a frame whose origin is the
            foot, x sideways, y up, height about 1.
        solid: Paints an object that is not flat instead: ``solid(canvas, rng, x, z, height,
            material)``.
        lift: Range of metres above the ground for flying objects, None for others.
    """

    heights: tuple[float, float]
    texture: Callable[[np.random.Generator], Texture]
    shape: Callable[[np.random.Generator], Shape] | None = None
    solid: Callable[..., None] | None = None
    lift: tuple[float, float] | None = None


def draw_unknown(
    canvas: Canvas, rng: np.random.Generator, x: float, z: float, kind: Kind, height: float
) -> None:
    """Paint one unknown object with its shadow, ``height`` metres high, randomly mirrored."""
    lift = rng.uniform(*kind.lift) if kind.lift else 0.0
    ground_shadow(canvas, x, z, (0.5 * height, 0.35 * height), 0.75 if lift else 0.5)
    material = Material(UNKNOWN_LABEL, int(rng.integers(4, 34)), int(rng.integers(4, 30)))
    texture = kind.texture(rng)
    if kind.shape is None:
        kind.solid(canvas, rng, x, z, height, material)
        return
    shape = kind.shape(rng)
    frame = canvas.camera.scale(z) * height * np.array([rng.choice([-1.0, 1.0]), -1.0])
    foot = canvas.camera.project(x, lift, z)
    parts = [part * frame + foot for part in shape.parts]
    canvas.outline(parts)
    for part in parts:
        canvas.paint(part, texture, material, z)
    for colour, polygons in shape.marks:
        canvas.fill([polygon * frame + foot for polygon in polygons], colour, z)


def shaded(
    first: np.ndarray,
    second: np.ndarray,
    pattern: Callable[[np.ndarray, np.ndarray], np.ndarray],
    sun: float,
) -> Texture:
    """A texture that mixes two colours, shaded like a round body.

    Args:
        first: BGR colour where the pattern is 0.
        second: BGR colour where the pattern is 1.
        pattern: ``(rows, columns) -> share of the second colour``.
        sun: How much brighter the right border is than the middle; negative for darker.
    """

    def texture(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        mix = pattern(rows, columns)
        light = 1.1 - 0.4 * rows**2 + sun * (2 * columns - 1)
        return (first + mix[..., None] * (second - first)) * light[..., None]

    return texture


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """BGR colour of a hue (turns; any number), a saturation and a value (both 0 to 1)."""
    away = np.abs((hue * 6 - np.array([4.0, 2.0, 0.0])) % 6 - 3)  # from the opposite hue
    return 255 * value * (1 - saturation * (1 - np.clip(away - 1, 0, 1)))


def bar(start, end, wide0: float, wide1: float) -> np.ndarray:
    """Corners ``(4, 2)`` of a bar between two points, ``wide0`` and ``wide1`` wide at its ends."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = (end - start) / np.linalg.norm(end - start)
    normal = np.array([-along[1], along[0]]) / 2
    return np.stack([start - normal * wide0, end - normal * wide1, end + normal * wide1,
                     start + normal * wide0])  # fmt: skip


def turned(parts: list[np.ndarray], angle: float) -> list[np.ndarray]:
    """The parts, rotated by ``angle`` (radians) and put back on the ground."""
    parts = [part @ rotation(angle) for part in parts]
    lowest = min(part[:, 1].min() for part in parts)
    return [part - [0, lowest] for part in parts]
