"""Drawing primitives of the embedded demo scenes: camera, canvas and image finishing.

Everything is drawn on a canvas ``SUPERSAMPLE`` times as large as the picture, so edges are soft.
Lengths are in metres, which the camera turns into pixels, so a scene looks the same at any size.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from mmosr.utils import IGNORE_LABEL

SUPERSAMPLE = 2
_SHIFT = 4  # fillPoly takes fixed-point coordinates with this many fractional bits


class Material(NamedTuple):
    """What a surface is: its label and the strength (0..255) of its fine and coarse grain."""

    label: int
    fine: int = 8
    coarse: int = 8


@dataclass(frozen=True)
class Camera:
    """Pinhole camera above a flat road that bends sideways with the square of the distance.

    Points are ``(X, Y, Z)``: metres to the right of the camera, above the road, and ahead.

    Args:
        focal: Focal length in canvas pixels.
        centre: Column of the vanishing point in canvas pixels.
        horizon: Row of the horizon in canvas pixels.
        height: Height of the camera above the road in metres.
        bend: Sideways shift of the road in metres per square metre of distance.
    """

    focal: float
    centre: float
    horizon: float
    height: float
    bend: float

    def project(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> np.ndarray:
        """Canvas pixels ``(..., 2)`` of points in metres (Z > 0); x, y and z are broadcast."""
        x, y, z = np.asarray(x), np.asarray(y), np.asarray(z, dtype=np.float64)
        column = self.centre + self.focal * (x / z + self.bend * z)
        row = self.horizon + self.focal * (self.height - y) / z
        pixels = np.empty((*np.broadcast_shapes(column.shape, row.shape), 2))
        pixels[..., 0], pixels[..., 1] = column, row
        return pixels

    def scale(self, z: float) -> float:
        """Canvas pixels per metre at distance ``z``."""
        return self.focal / z

    def depth_of_row(self, row: float) -> float:
        """Distance of the road point seen in canvas row ``row`` (below the horizon)."""
        return self.focal * self.height / (row - self.horizon)

    def side_at(self, column: float, z: float) -> float:
        """X in metres of the point at distance ``z`` seen in ``column``."""
        return ((column - self.centre) / self.focal - self.bend * z) * z


class Canvas:
    """Picture, labels and grain strengths, painted together, far objects first.

    Args:
        size: Height and width of the finished picture.
        camera: Turns metres into pixels of the canvas.
        haze_colour: BGR colour into which far objects fade.
        haze_distance: Distance in metres at which about 63 % of a colour has faded.
    """

    def __init__(
        self, size: tuple[int, int], camera: Camera, haze_colour: np.ndarray, haze_distance: float
    ) -> None:
        self.camera = camera
        self.height, self.width = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE
        self.image = np.zeros((self.height, self.width, 3), np.uint8)
        self.surface = np.zeros((self.height, self.width, 3), np.uint8)  # label, fine, coarse
        self.haze_colour = haze_colour
        self.haze_distance = haze_distance

    def on_ground(self, points: np.ndarray) -> np.ndarray:
        """Canvas pixels ``(n, 2)`` of ground points ``(n, 2)``, X and Z, at least 1 m away."""
        return self.camera.project(points[:, 0], 0.0, np.maximum(points[:, 1], 1.0))

    def hazy(self, colour: np.ndarray, z: float) -> tuple[float, ...]:
        """The colour as seen from distance ``z``, as OpenCV takes it."""
        keep = math.exp(-z / self.haze_distance)  # plain floats: called for every polygon
        mixed = (c * keep + h * (1 - keep) for c, h in zip(colour, self.haze_colour, strict=True))
        return tuple(min(max(float(value), 0.0), 255.0) for value in mixed)

    def fill(
        self,
        polygons: np.ndarray | list[np.ndarray],
        colour: np.ndarray,
        z: float,
        material: Material | None = None,
    ) -> None:
        """Fill one polygon ``(n, 2)`` or several; without a material only the colour changes."""
        points = _fixed_point(polygons)
        cv2.fillPoly(self.image, points, self.hazy(colour, z), cv2.LINE_8, _SHIFT)
        if material is not None:
            cv2.fillPoly(self.surface, points, tuple(material), cv2.LINE_8, _SHIFT)

    def outline(self, polygons: list[np.ndarray]) -> None:
        """Label a ring of about one picture pixel around the polygons as ignored.

        Called before the polygons are filled, so the inner half of the line disappears.
        """
        points = _fixed_point(polygons)
        thickness = 2 * SUPERSAMPLE + 1
        ring = (IGNORE_LABEL, 8, 8)
        cv2.polylines(self.surface, points, True, ring, thickness, cv2.LINE_8, _SHIFT)

    def shade(self, polygon: np.ndarray, factor: float, softness: float) -> None:
        """Multiply the picture under the polygon by ``factor``, with soft edges.

        ``softness`` is the width of the edge in canvas pixels. Labels do not change.
        """
        margin = int(2 * softness) + 1
        region, mask = self._mask(polygon, margin)
        if mask is None:
            return
        kernel = 2 * int(softness) + 1
        mask = cv2.blur(mask, (kernel, kernel)).astype(np.float32) / 255
        patch = self.image[region]
        patch[:] = patch * (1 - (1 - factor) * mask)[..., None]

    def paint(self, polygon: np.ndarray, texture, material: Material, z: float) -> None:
        """Fill the polygon with ``texture(rows, columns) -> BGR``.

        Rows and columns run from 0 to 1 over the polygon's bounding box, not over its visible
        part, so a texture does not move when the border of the picture cuts an object.
        """
        region, mask = self._mask(polygon, 0)
        if mask is None:
            return
        (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
        rows = np.arange(region[0].start, region[0].stop, dtype=np.float32)[:, None]
        columns = np.arange(region[1].start, region[1].stop, dtype=np.float32)[None]
        colours = texture(
            (rows - top) / max(bottom - top, 1), (columns - left) / max(right - left, 1)
        )
        keep = np.exp(-z / self.haze_distance)
        colours = np.clip(colours * keep + self.haze_colour * (1 - keep), 0, 255)
        inside = mask > 0
        self.image[region][inside] = colours[inside]
        self.surface[region][inside] = material

    def _mask(self, polygon: np.ndarray, margin: int) -> tuple[tuple[slice, slice], np.ndarray]:
        low = np.floor(polygon.min(axis=0)).astype(int) - margin
        high = np.ceil(polygon.max(axis=0)).astype(int) + margin + 1
        left, top = np.maximum(low, 0)
        right, bottom = np.minimum(high, [self.width, self.height])
        region = (slice(top, bottom), slice(left, right))
        if right <= left or bottom <= top:
            return region, None
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, _fixed_point(polygon - [left, top]), 255, cv2.LINE_8, _SHIFT)
        return region, mask


def _fixed_point(polygons: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    scale = 1 << _SHIFT
    if isinstance(polygons, np.ndarray):
        polygons = polygons.reshape(-1, *polygons.shape[-2:])
        return list(np.rint(polygons * scale).astype(np.int32, order="C"))
    return [np.rint(polygon * scale).astype(np.int32, order="C") for polygon in polygons]


def ellipse(centre: tuple[float, float], radii: tuple[float, float], points: int = 20):
    """Corners ``(points, 2)`` of an ellipse."""
    return _circle(points) * radii + centre


@lru_cache(maxsize=32)
def _circle(points: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def blob(
    rng: np.random.Generator,
    centre: tuple[float, float],
    radii: tuple[float, float],
    rough: float,
    points: int = 26,
) -> np.ndarray:
    """An ellipse ``(points, 2)`` with an uneven border; ``rough`` is the relative deviation."""
    edge = ellipse((0, 0), radii, points)
    return edge * (1 + rough * rng.standard_normal((points, 1))) + centre


def corners(u0, u1, v0, v1) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the corners of ``[u0, u1] x [v0, v1]``, two arrays ``(4,)``.

    Bottom left, bottom right, top right, top left. Borders ``(n,)`` give ``(n, 4)``.
    """
    return np.array([u0, u1, u1, u0], float).T, np.array([v0, v0, v1, v1], float).T


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    """The :func:`corners` of a rectangle as a polygon ``(4, 2)``."""
    return np.stack(corners(x0, x1, y0, y1), axis=-1)


def sub_quad(quad: np.ndarray, u0, u1, v0, v1) -> np.ndarray:
    """Part ``[u0, u1] x [v0, v1]`` of a quadrilateral face, each from 0 to 1.

    Args:
        quad: Corners ``(4, 2)``: bottom left, bottom right, top right, top left.
        u0: Left border: a number, or an array ``(n,)`` for n parts at once.
        u1: Right border, same shape as ``u0``.
        v0: Lower border: a number or an array ``(n,)``.
        v1: Upper border, same shape as ``v0``.

    Returns:
        Corners ``(4, 2)`` or ``(n, 4, 2)``.
    """
    u, v = (axis[..., None] for axis in corners(u0, u1, v0, v1))
    bottom = quad[0] * (1 - u) + quad[1] * u
    top = quad[3] * (1 - u) + quad[2] * u
    return bottom * (1 - v) + top * v


def rotation(angle: float) -> np.ndarray:
    """The matrix ``(2, 2)`` that rotates points ``(n, 2)`` on its left by ``angle`` radians."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def shrunk(polygon: np.ndarray, share: float) -> np.ndarray:
    """The polygon ``(n, 2)``, ``share`` times as large around the mean of its corners."""
    middle = polygon.mean(axis=0)
    return (polygon - middle) * share + middle


def smooth_noise(
    rng: np.random.Generator,
    size: tuple[int, int],
    cells: int,
    columns: int | None = None,
    dtype: type = np.float32,
) -> np.ndarray:
    """Standard normal noise of shape ``size``, float32, interpolated from a coarse grid.

    Args:
        rng: Source of the randomness.
        size: Height and width.
        cells: Rows of the grid, at least 2.
        columns: Columns of the grid. Default: enough to make its cells square, at least 2.
        dtype: Type in which the noise is drawn: float32 and float64 draw different numbers.
    """
    columns = columns or max(2, round(cells * size[1] / size[0]))
    grid = rng.standard_normal((cells, columns), dtype).astype(np.float32, copy=False)
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def finish(canvas: Canvas, rng: np.random.Generator, dusk: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn a canvas into a picture: grain, illumination, blur and sensor noise.

    It treats the whole picture alike, so it does not distinguish one object from another.

    Args:
        canvas: The painted canvas.
        rng: Source of the randomness.
        dusk: Time of day, 0 (noon) to 1 (dusk).

    Returns:
        BGR picture ``(h, w, 3)`` and labels ``(h, w)``, both uint8.
    """
    size = (canvas.height // SUPERSAMPLE, canvas.width // SUPERSAMPLE)
    image = cv2.resize(canvas.image, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    middle = SUPERSAMPLE // 2
    surface = canvas.surface[middle::SUPERSAMPLE, middle::SUPERSAMPLE]
    grain = surface[..., 1:].astype(np.float32) / 255
    fine = rng.standard_normal(size, dtype=np.float32)
    light = 1 + grain[..., 0] * fine + grain[..., 1] * smooth_noise(rng, size, 40)
    slope = rng.uniform(-0.12, 0.12)
    light += slope * np.linspace(-1, 1, size[1], dtype=np.float32)
    light *= 1 + 0.06 * smooth_noise(rng, size, 3)
    cast = rng.normal(0, 0.035, 3) + dusk * np.array([0.02, -0.03, 0.03])
    gain = rng.uniform(0.88, 1.15) * (1 - 0.38 * dusk)
    image *= light[..., None] * (gain * (1 + cast)).astype(np.float32)
    image += np.float32(rng.uniform(-6, 14))
    sigma = rng.uniform(0.25, 0.75) * math.sqrt(size[0] / 128)
    image = cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.uint8), (0, 0), sigma)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(2, 6.5))
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image, np.ascontiguousarray(surface[..., 0])
