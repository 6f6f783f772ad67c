"""Synthetic outliers: random shapes with random textures, for training with unknown objects.

They need no data. Shapes are amoebas, clouds, strokes, overlapping bars, stars and crescents;
textures are displaced and recoloured patches of the picture itself, clouds, mosaics and gradients.
They do not represent particular objects: a model should learn what does not belong to its classes,
not what a certain unknown looks like.
"""

from __future__ import annotations

import cv2
import numpy as np

from .demo.drawing import rectangle, rotation, smooth_noise

_SUPERSAMPLE = 4  # a mask is drawn this many times as large, for soft edges
_ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def draw_outlier(
    rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one random object.

    Args:
        rng: Source of the randomness.
        picture: The picture ``(H, W, 3)``, uint8, to paste it into: a source of colours and
            patches.
        size: Height and width of the object in pixels, each at least 2.

    Returns:
        Its colours ``(*size, 3)`` and its opacity ``(*size,)`` in ``[0, 1]``, float32.
    """
    texture = _TEXTURES[rng.integers(len(_TEXTURES))](rng, picture, size)
    texture = _shaded(rng, texture)
    return texture, draw_shape(rng, size)


def draw_shape(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """The opacity ``size`` in ``[0, 1]`` of a random shape that fills about the whole box."""
    large = (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE)
    mask = np.zeros(large, np.uint8)
    _SHAPES[rng.integers(len(_SHAPES))](rng, mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows):  # stretched over the box, so that objects have the requested size
        mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        mask = cv2.resize(mask, large[::-1], interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA)
    return mask.astype(np.float32) / 255


def _fill(mask: np.ndarray, points: np.ndarray, value: int = 255) -> None:
    """Fill the polygon ``(n, 2)`` of points ``(x, y)`` in ``[-1, 1]`` relative to the mask."""
    cv2.fillPoly(mask, [_pixels(mask, points)], value)


def _pixels(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    half = np.array(mask.shape[::-1]) / 2
    return np.rint((points + 1) * half).astype(np.int32)


def _around(radii: np.ndarray, angles: np.ndarray = _ANGLES) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1) * radii[:, None]


def _amoeba(rng: np.random.Generator, mask: np.ndarray) -> None:
    """A smooth outline with two to six bulges."""
    radii = np.full(len(_ANGLES), 0.6)
    for waves in range(2, 7):
        height, turn = rng.normal(0, 0.22 / waves**0.5), rng.uniform(0, 2 * np.pi)
        radii += height * np.cos(waves * _ANGLES + turn)
    _fill(mask, _around(np.clip(radii, 0.12, 1.0)))


def _cloud(rng: np.random.Generator, mask: np.ndarray) -> None:
    """Where smooth noise is above a threshold, near the middle."""
    cells = int(rng.integers(3, 7))
    noise = smooth_noise(rng, mask.shape, cells, cells, np.float64)
    y, x = np.ogrid[-1 : 1 : mask.shape[0] * 1j, -1 : 1 : mask.shape[1] * 1j]
    inside = noise + 1.4 - 2.6 * (x**2 + y**2) > 0
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    if len(statistics) > 1:
        largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
        mask[parts == largest] = 255


def _strokes(rng: np.random.Generator, mask: np.ndarray) -> None:
    """Thick bent lines that meet at one point."""
    meeting = rng.uniform(-0.4, 0.4, 2)
    for _ in range(int(rng.integers(2, 6))):
        steps = rng.normal(0, 0.5, (int(rng.integers(1, 4)), 2))
        line = np.clip(np.concatenate([[meeting], meeting + np.cumsum(steps, axis=0)]), -0.9, 0.9)
        width = max(2, round(rng.uniform(0.08, 0.32) * min(mask.shape)))
        cv2.polylines(mask, [_pixels(mask, line)], False, 255, width)


def _bars(rng: np.random.Generator, mask: np.ndarray) -> None:
    """Two to four rotated rectangles that overlap."""
    turn = rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(2, 5))):
        half = rng.uniform(0.12, 0.6, 2)
        corners = rectangle(-1, 1, -1, 1) * half + rng.uniform(-0.35, 0.35, 2)
        _fill(mask, corners @ rotation(turn))


def _star(rng: np.random.Generator, mask: np.ndarray) -> None:
    """Three to seven spikes of uneven length."""
    count = int(rng.integers(3, 8))
    radii = np.stack([rng.uniform(0.6, 1.0, count), rng.uniform(0.2, 0.5, count)], axis=1).ravel()
    angles = (np.arange(2 * count) + rng.uniform(-0.35, 0.35, 2 * count)) * np.pi / count
    _fill(mask, _around(radii, angles + rng.uniform(0, 2 * np.pi)))


def _crescent(rng: np.random.Generator, mask: np.ndarray) -> None:
    """A disc minus the part that another disc covers."""
    away = rng.uniform(0, 2 * np.pi)
    _fill(mask, _around(np.full(len(_ANGLES), 0.95)))
    bite = _around(np.full(len(_ANGLES), rng.uniform(0.5, 0.85)))
    _fill(mask, bite + rng.uniform(0.45, 0.8) * np.array([np.cos(away), np.sin(away)]), 0)


_SHAPES = (_amoeba, _cloud, _strokes, _bars, _star, _crescent)


def _colour(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A varied colour of the picture, or any colour at all."""
    if rng.random() < 0.5:
        row, column = rng.integers(picture.shape[0]), rng.integers(picture.shape[1])
        colour = picture[row, column] * rng.uniform(0.5, 1.6) + rng.normal(0, 20, 3)
    else:
        colour = rng.uniform(0, 255, 3)
    return np.clip(colour, 0, 255).astype(np.float32)


def _patch(rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Another part of the picture, rotated, scaled and recoloured."""
    zoom = np.exp(rng.uniform(np.log(0.5), np.log(2.0)))
    height, width = (
        int(np.clip(round(side * zoom), 2, limit))
        for side, limit in zip(size, picture.shape[:2], strict=True)
    )
    top = rng.integers(picture.shape[0] - height + 1)
    left = rng.integers(picture.shape[1] - width + 1)
    patch = picture[top : top + height, left : left + width]
    patch = np.rot90(patch, int(rng.integers(4)))[:: rng.choice([-1, 1])]
    patch = cv2.resize(np.ascontiguousarray(patch), size[::-1], interpolation=cv2.INTER_LINEAR)
    patch = patch.astype(np.float32)[..., rng.permutation(3)]
    mean = patch.mean(axis=(0, 1))
    return (patch - mean) * rng.uniform(0.5, 1.8) + mean + rng.normal(0, 35, 3).astype(np.float32)


def _clouds(rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Two colours mixed by smooth noise, soft or with sharp borders."""
    cells = int(rng.integers(2, 12))
    noise = smooth_noise(rng, size, cells, cells, np.float64)
    mix = np.clip(0.5 + noise * np.exp(rng.uniform(np.log(0.3), np.log(5))), 0, 1)[..., None]
    return _colour(rng, picture) * (1 - mix) + _colour(rng, picture) * mix


def _mosaic(rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cells around random points, each with one of two to four colours."""
    count = int(rng.integers(4, 24))
    points = rng.uniform(0, 1, (count, 2)) * size
    rows, columns = np.ogrid[: size[0], : size[1]]
    distances = (rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2
    colours = np.stack([_colour(rng, picture) for _ in range(int(rng.integers(2, 5)))])
    return colours[rng.integers(len(colours), size=count)][distances.argmin(-1)]


def _gradient(rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """From one colour to another across the object, sometimes nearly even."""
    rows, columns = np.ogrid[0 : 1 : size[0] * 1j, 0 : 1 : size[1] * 1j]
    angle = rng.uniform(0, np.pi)
    mix = (np.cos(angle) * columns + np.sin(angle) * rows + 1)[..., None] / 2
    first, second = _colour(rng, picture), _colour(rng, picture)
    second = first + (second - first) * rng.uniform(0, 1)
    return (first * (1 - mix) + second * mix).astype(np.float32)


_TEXTURES = (_patch, _clouds, _mosaic, _gradient)


def _shaded(rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """The texture under light from one side, with grain."""
    rows, columns = np.ogrid[-1 : 1 : texture.shape[0] * 1j, -1 : 1 : texture.shape[1] * 1j]
    light = 1 + rng.uniform(-0.3, 0.1) * rows + rng.uniform(-0.2, 0.2) * columns
    grain = 1 + rng.uniform(0, 0.12) * rng.standard_normal(texture.shape[:2])
    return (texture * (light * grain)[..., None]).astype(np.float32)
