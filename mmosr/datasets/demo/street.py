"""The street itself in the embedded demo scenes: sky, buildings, road and pavements."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .drawing import Canvas, Material, blob, corners, ellipse, rectangle, smooth_noise, sub_quad
from .objects import LEAVES, PLANT, WALLS, pick

ROAD, PAVEMENT = Material(0, 16, 9), Material(1, 13, 9)
BUILDING, SKY = Material(2, 8, 9), Material(10, 2, 4)
FAR = 90.0
_DEPTHS = np.geomspace(0.9, FAR, 28)
_GROUND = [(95, 95, 97), (80, 80, 84), (112, 110, 108), (100, 106, 110)]
_TILES = [(135, 138, 142), (120, 128, 138), (105, 110, 112), (125, 135, 160), (112, 110, 108)]
_ROOFS = [(60, 70, 120), (75, 75, 80), (90, 95, 110)]


@dataclass(frozen=True)
class Street:
    """Cross-section in metres: road edges seen from the camera, widths of the pavements, and
    the chance of a row of parked cars on each side."""

    left: float
    right: float
    pave_left: float
    pave_right: float
    parking: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Street":
        """A random street with the camera in its right half."""
        wide = rng.uniform(6.5, 11.5)
        right = wide * rng.uniform(0.25, 0.42)
        pave = rng.uniform(1.8, 4.2, 2)
        return cls(right - wide, right, pave[0], pave[1], 0.75 if wide > 8 else 0.2)

    @property
    def sides(self) -> tuple[tuple[float, float, int], ...]:
        """Left and right: edge of the road, width of the pavement, and sign of X."""
        return (self.left, self.pave_left, -1), (self.right, self.pave_right, 1)


def draw_street(canvas: Canvas, street: Street, rng: np.random.Generator, dusk: float) -> None:
    """Paint everything behind the objects: sky, ground and buildings."""
    _draw_sky(canvas, rng, dusk)
    _draw_backdrop(canvas, rng)
    _draw_ground(canvas, street, rng)
    sun = rng.permutation([rng.uniform(0.65, 0.85), rng.uniform(0.95, 1.15)])
    for (edge, pavement, side), light in zip(street.sides, sun, strict=True):
        _draw_row(canvas, rng, edge + side * pavement, light, dusk)


def _draw_sky(canvas: Canvas, rng: np.random.Generator, dusk: float) -> None:
    rows = min(canvas.height, int(canvas.camera.horizon) + 2)
    blue = np.array([225, 175, 130]) * rng.uniform(0.75, 1.05) + rng.normal(0, 8, 3)
    grey = np.full(3, rng.uniform(150, 225)) + rng.normal(0, 5, 3)
    zenith = (blue if rng.random() < 0.55 else grey) * (1 - 0.35 * dusk)
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    sky = zenith * (1 - share) + canvas.haze_colour * 1.1 * share
    own = np.random.default_rng(rng.integers(1 << 32))  # how much of it is used depends on the size
    clouds = smooth_noise(own, (rows, canvas.width), 3)
    clouds += 0.35 * smooth_noise(own, (rows, canvas.width), 12)
    cover = np.clip(0.5 * clouds + rng.uniform(-0.6, 0.5), 0, 1)[..., None]
    white = np.array([235, 232, 230]) * rng.uniform(0.7, 1.03) * (1 - 0.25 * dusk)
    canvas.image[:rows] = np.clip(sky * (1 - 0.8 * cover) + white * 0.8 * cover, 0, 255)
    canvas.surface[:rows] = SKY


def _draw_backdrop(canvas: Canvas, rng: np.random.Generator) -> None:
    """Far houses and trees along the horizon."""
    step = canvas.width * rng.uniform(0.03, 0.07)
    foot = canvas.camera.project(0, 0, FAR)[1] + 2
    for left in np.arange(-step, canvas.width, step):
        top = foot - rng.uniform(4, 17) * canvas.camera.scale(FAR)
        right = left + step * rng.uniform(1, 1.6)
        if rng.random() < 0.6:
            canvas.fill(rectangle(left, right, foot, top), pick(rng, WALLS), FAR, BUILDING)
        else:
            radii = (right - left, (foot - top) * 0.7)
            canvas.fill(blob(rng, (left, foot), radii, 0.08), pick(rng, LEAVES), FAR, PLANT)


def _band(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The polygon between two lines of points."""
    return np.concatenate([first, second[::-1]])


def _strip(canvas: Canvas, x0, x1, depths: np.ndarray = _DEPTHS) -> np.ndarray:
    """Polygon on the ground between two lines along the road, each at one X or one per depth."""
    return _band(canvas.camera.project(x0, 0, depths), canvas.camera.project(x1, 0, depths))


def _draw_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    foot = int(canvas.camera.project(0, 0, FAR)[1])
    tile = pick(rng, _TILES)
    canvas.image[foot:], canvas.surface[foot:] = np.clip(tile, 0, 255), PAVEMENT
    _draw_tiles(canvas, street, rng, tile)
    asphalt = pick(rng, _GROUND)
    canvas.fill(_strip(canvas, street.left, street.right), asphalt, 14.0, ROAD)
    _draw_road_details(canvas, street, rng, asphalt)
    _draw_marks(canvas, street, rng)
    kerb = tile * rng.uniform(1.05, 1.3)
    for x, _, side in street.sides:
        canvas.fill(_strip(canvas, x, x + side * 0.18), kerb, 10.0, PAVEMENT)
        canvas.fill(_strip(canvas, x - side * 0.07, x), asphalt * 0.6, 10.0)
    for z in rng.uniform(2, 45, rng.integers(0, 4)):  # shadows of the houses
        depths = np.linspace(z, z + rng.uniform(2, 10), 5)
        canvas.shade(_strip(canvas, street.left - 5, street.right + 5, depths), 0.72, 3)


def _draw_tiles(canvas: Canvas, street: Street, rng: np.random.Generator, tile) -> None:
    joint, pitch = tile * rng.uniform(0.7, 0.9), rng.uniform(0.6, 1.3)
    depths = np.arange(2, 24, pitch)
    for x, wide, side in street.sides:
        for away in np.arange(0.3, wide, pitch):
            canvas.fill(_strip(canvas, x + side * away, x + side * (away + 0.05)), joint, 12.0)
        across, z = corners(x, x + side * wide, depths, depths + 0.06)
        canvas.fill(canvas.camera.project(across, 0, z), joint, 10.0)


def _draw_road_details(canvas: Canvas, street: Street, rng: np.random.Generator, asphalt) -> None:
    """Patches, cracks and manhole covers: dark and light shapes that are still road."""
    for _ in range(int(rng.integers(1, 6))):
        x, z = rng.uniform(street.left, street.right), rng.uniform(3, 25)
        half = rng.uniform(0.3, 1.1), rng.uniform(0.5, 2.5)
        x = np.clip(x, street.left + half[0], street.right - half[0])
        if rng.random() < 0.4:
            flat = ellipse((x, z + 0.4), (0.35, 0.35), 16)
        else:
            rough, points = rng.choice([0.02, 0.12]), int(rng.integers(4, 12))
            flat = blob(rng, (x, z + half[1]), half, rough, points)
        canvas.fill(canvas.on_ground(flat), asphalt * rng.uniform(0.6, 1.2), z)
    x = rng.uniform(street.left, street.right) + np.cumsum(rng.normal(0, 0.12, len(_DEPTHS)))
    x = np.clip(x, street.left, street.right - 0.1)
    canvas.fill(_strip(canvas, x, x + 0.06), asphalt * 0.65, 14.0)


def _draw_marks(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    paint = np.full(3, rng.uniform(150, 225)) * rng.choice([[1, 1, 1], [0.55, 0.9, 1.0]])
    middle, half = (street.left + street.right) / 2, 0.08
    start, pitch = rng.uniform(1, 4), rng.uniform(4, 7)
    if rng.random() < 0.25:
        canvas.fill(_strip(canvas, middle - half, middle + half), paint, 14.0)
    else:
        for z in np.arange(start, 60, pitch):
            depths = np.array([z, z + 0.55 * pitch])
            canvas.fill(_strip(canvas, middle - half, middle + half, depths), paint, z)
    if rng.random() < 0.4:
        for x in (street.left + 0.4, street.right - 0.4):
            canvas.fill(_strip(canvas, x - 0.07, x + 0.07), paint, 14.0)
    if rng.random() < 0.3:
        z = rng.uniform(5, 16)
        for x in np.arange(street.left + 0.4, street.right - 0.5, 0.95):
            canvas.fill(_strip(canvas, x, x + 0.5, np.array([z, z + 3])), paint, z)


def _draw_row(canvas: Canvas, rng: np.random.Generator, x: float, light: float, dusk: float):
    """The buildings and hedges of one side, far ones first."""
    edges = [1.0]
    while edges[-1] < FAR:
        edges.append(edges[-1] + rng.uniform(6, 19))
    for span in reversed(list(pairwise(edges))):
        if rng.random() < 0.74:
            _draw_building(canvas, rng, x, span, light, dusk)
        else:
            _draw_hedge(canvas, rng, x, span, light)


def _wall(canvas: Canvas, x, y: tuple, z: tuple) -> np.ndarray:
    """Corners ``(4, 2)`` of a wall along the road, or ``(n, 4, 2)`` of n for spans ``(n,)``."""
    along, high = corners(*z, *y)
    return canvas.camera.project(x, high, along)


def _draw_building(canvas, rng, x, span, light, dusk) -> None:
    floors, storey = int(rng.integers(2, 7)), rng.uniform(2.7, 3.4)
    height, z = floors * storey + rng.uniform(0.3, 1.2), sum(span) / 2
    colour = pick(rng, WALLS)
    side, ridge = np.sign(x), height + (2.2 if rng.random() < 0.4 else 0.0)
    out = x + side * np.array([0, 9, 9, 6.5, 2.5, 0])
    end = canvas.camera.project(out, [0, 0, height, ridge, ridge, height], span[0])
    canvas.fill(end, colour * 0.85, span[0], BUILDING)
    if ridge > height:
        roof = _wall(canvas, [x, x, out[4], out[4]], (height, ridge), span)
        canvas.fill(roof, pick(rng, _ROOFS), z, BUILDING)
    canvas.fill(_wall(canvas, x, (0, height), span), colour * light, z, BUILDING)
    canvas.fill(_wall(canvas, x, (0, 0.6), span), colour * light * 0.75, z)
    canvas.fill(_wall(canvas, x, (height - 0.35, height), span), colour * light * 1.15, z)
    if span[0] < 60:
        _draw_windows(canvas, rng, x, span, (floors, storey), colour * light, dusk)


def _draw_windows(canvas, rng, x, span, storeys, colour, dusk) -> None:
    floors, storey = storeys
    pitch = rng.uniform(1.9, 3.2)
    first, wide = rng.uniform(0.4, 1.0), pitch * rng.uniform(0.4, 0.65)
    tall = rng.uniform(0.45, 0.62)
    z = np.arange(span[0] + first, span[1] - wide - 0.2, pitch)
    if len(z) == 0:
        return
    floor = np.arange(0 if rng.random() < 0.5 else 1, floors)
    z, floor = (grid.ravel() for grid in np.meshgrid(z, floor))
    low = floor * storey + 0.3 * storey
    panes = _wall(canvas, x, (low, low + tall * storey), (z, z + wide))
    middle = sum(span) / 2
    glass = np.array([90, 80, 72]) * rng.uniform(0.5, 1.6)
    canvas.fill(panes, colour * rng.choice([0.75, 1.25]), middle)
    panes = 0.82 * panes + 0.18 * panes.mean(axis=1, keepdims=True)
    canvas.fill(panes, glass, middle)
    lit = rng.random(len(panes)) < 0.05 + 0.3 * dusk
    if lit.any():
        canvas.fill(panes[lit], np.array([110, 190, 230]) * rng.uniform(0.8, 1.05), middle)
    if floor.min() == 1:  # shop windows and doors below
        shop = _wall(canvas, x, (0.4, 0.85 * storey), span)
        shop = sub_quad(shop, np.array([0.05, 0.4]), np.array([0.34, 0.9]), 0, 1)
        canvas.fill(shop, glass * 0.8, middle)


def _draw_hedge(canvas, rng, x, span, light) -> None:
    z, middle = np.linspace(*span, 9), sum(span) / 2
    top = rng.uniform(1.2, 3.5) * (1 + 0.12 * rng.standard_normal(9))
    colour = pick(rng, LEAVES)
    across, high = corners(x, x + np.sign(x) * 7, 0, top[0])
    canvas.fill(canvas.camera.project(across, high, span[0]), colour * 0.8, span[0], PLANT)
    front = _band(canvas.camera.project(x, 0, z), canvas.camera.project(x, top, z))
    canvas.fill(front, colour * light, middle, PLANT)
    spots = canvas.camera.project(x, rng.uniform(0, top.min(), 24), rng.uniform(*span, 24))
    size = 0.2 * canvas.camera.scale(middle)
    canvas.fill(spots[:, None] + ellipse((0, 0), (size, size), 6), colour * 0.65, middle)
