"""The street itself in the embedded demo scenes: sky, buildings, road and pavements."""

from dataclasses import dataclass

import numpy as np

from .drawing import Camera, Canvas, Material, blob, ellipse, smooth_noise, sub_quad
from .objects import LEAVES, PLANT, WALLS, pick

ROAD, PAVEMENT = Material(0, 16, 9), Material(1, 13, 9)
BUILDING, SKY = Material(2, 8, 9), Material(10, 2, 4)
FAR = 90.0
_DEPTHS = np.geomspace(0.9, FAR, 28)
_GROUND = [(95, 95, 97), (80, 80, 84), (112, 110, 108), (100, 106, 110)]
_TILES = [(135, 138, 142), (120, 128, 138), (105, 110, 112), (125, 135, 160), (112, 110, 108)]


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


def draw_street(
    canvas: Canvas, camera: Camera, street: Street, rng: np.random.Generator, dusk: float
) -> None:
    """Paint everything that lies behind the things: sky, ground and buildings."""
    _draw_sky(canvas, camera, rng, dusk)
    _draw_backdrop(canvas, camera, rng)
    _draw_ground(canvas, camera, street, rng)
    outer = street.left - street.pave_left, street.right + street.pave_right
    sun = rng.permutation([rng.uniform(0.65, 0.85), rng.uniform(0.95, 1.15)])
    for x, light in zip(outer, sun, strict=True):
        _draw_row(canvas, camera, rng, x, light, dusk)


def _draw_sky(canvas: Canvas, camera: Camera, rng: np.random.Generator, dusk: float) -> None:
    rows = min(canvas.height, int(camera.horizon) + 2)
    blue = np.array([225, 175, 130]) * rng.uniform(0.75, 1.05) + rng.normal(0, 8, 3)
    grey = np.full(3, rng.uniform(150, 225)) + rng.normal(0, 5, 3)
    zenith = blue if rng.random() < 0.55 else grey
    zenith = zenith * (1 - 0.35 * dusk)
    glow = canvas.haze_colour * 1.1
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    sky = zenith * (1 - share) + glow * share
    own = np.random.default_rng(rng.integers(1 << 32))  # its use depends on the size
    clouds = smooth_noise(own, (rows, canvas.width), 3)
    clouds += 0.35 * smooth_noise(own, (rows, canvas.width), 12)
    cover = np.clip(0.5 * clouds + rng.uniform(-0.6, 0.5), 0, 1)[..., None]
    white = np.array([235, 232, 230]) * rng.uniform(0.7, 1.03) * (1 - 0.25 * dusk)
    canvas.image[:rows] = np.clip(sky * (1 - 0.8 * cover) + white * 0.8 * cover, 0, 255)
    canvas.surface[:rows] = SKY


def _draw_backdrop(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> None:
    """Far houses and trees along the horizon."""
    step = canvas.width * rng.uniform(0.03, 0.07)
    foot = camera.project([0, 0, FAR])[1] + 2
    for left in np.arange(-step, canvas.width, step):
        top = foot - rng.uniform(4, 17) * camera.scale(FAR)
        right = left + step * rng.uniform(1, 1.6)
        if rng.random() < 0.6:
            quad = np.array([[left, foot], [right, foot], [right, top], [left, top]])
            canvas.fill(quad, pick(rng, WALLS), FAR, BUILDING)
        else:
            radii = (right - left, (foot - top) * 0.7)
            canvas.fill(blob(rng, (left, foot), radii, 0.08), pick(rng, LEAVES), FAR, PLANT)


def _strip(camera: Camera, x0: float, x1: float, depths: np.ndarray = _DEPTHS) -> np.ndarray:
    """Polygon of the ground between two lines along the road."""
    near = np.stack([np.full(len(depths), x0), np.zeros(len(depths)), depths], axis=-1)
    far = np.stack([np.full(len(depths), x1), np.zeros(len(depths)), depths], axis=-1)
    return camera.project(np.concatenate([near, far[::-1]]))


def _draw_ground(canvas: Canvas, camera: Camera, street: Street, rng: np.random.Generator) -> None:
    foot = int(camera.project([0, 0, FAR])[1])
    tile = pick(rng, _TILES)
    canvas.image[foot:], canvas.surface[foot:] = np.clip(tile, 0, 255), PAVEMENT
    _draw_tiles(canvas, camera, street, rng, tile)
    asphalt = pick(rng, _GROUND)
    canvas.fill(_strip(camera, street.left, street.right), asphalt, 14.0, ROAD)
    _draw_road_details(canvas, camera, street, rng, asphalt)
    _draw_marks(canvas, camera, street, rng)
    kerb = tile * rng.uniform(1.05, 1.3)
    for x, side in ((street.left, -1), (street.right, 1)):
        canvas.fill(_strip(camera, x, x + side * 0.18), kerb, 10.0, PAVEMENT)
        canvas.fill(_strip(camera, x - side * 0.07, x), asphalt * 0.6, 10.0)
    for z in rng.uniform(2, 45, rng.integers(0, 4)):  # shadows that the houses throw
        depths = np.linspace(z, z + rng.uniform(2, 10), 5)
        canvas.shade(_strip(camera, street.left - 5, street.right + 5, depths), 0.72, 3)


def _draw_tiles(canvas, camera, street, rng, tile) -> None:
    joint, pitch = tile * rng.uniform(0.7, 0.9), rng.uniform(0.6, 1.3)
    for x, wide, side in (
        (street.left, street.pave_left, -1),
        (street.right, street.pave_right, 1),
    ):
        lines = [
            _strip(camera, x + side * a, x + side * (a + 0.05)) for a in np.arange(0.3, wide, pitch)
        ]
        z = np.arange(2, 24, pitch)
        ends = np.array([x, x + side * wide, x + side * wide, x])
        depth = z[:, None] + np.array([0, 0, 0.06, 0.06])
        points = np.stack(
            [np.broadcast_to(ends, depth.shape), np.zeros_like(depth), depth], axis=-1
        )
        for line in lines:
            canvas.fill(line, joint, 12.0)
        canvas.fill(camera.project(points), joint, 10.0)


def _draw_road_details(canvas, camera, street, rng, asphalt) -> None:
    """Patches, cracks and manhole covers: dark and light shapes that are still road."""
    for _ in range(int(rng.integers(1, 6))):
        x, z = rng.uniform(street.left, street.right), rng.uniform(3, 25)
        half = rng.uniform(0.3, 1.1), rng.uniform(0.5, 2.5)
        x = np.clip(x, street.left + half[0], street.right - half[0])
        if rng.random() < 0.4:
            flat = ellipse((x, z + 0.4), (0.35, 0.35), 16)
        else:
            flat = blob(
                rng, (x, z + half[1]), half, rng.choice([0.02, 0.12]), int(rng.integers(4, 12))
            )
        flat[:, 1] = np.maximum(flat[:, 1], 1.0)
        points = np.stack([flat[:, 0], np.zeros(len(flat)), flat[:, 1]], axis=-1)
        canvas.fill(camera.project(points), asphalt * rng.uniform(0.6, 1.2), z)
    x = rng.uniform(street.left, street.right) + np.cumsum(rng.normal(0, 0.12, len(_DEPTHS)))
    line = np.stack([np.clip(x, street.left, street.right - 0.1), 0 * x, _DEPTHS], axis=-1)
    crack = np.concatenate([line, (line + [0.06, 0, 0])[::-1]])
    canvas.fill(camera.project(crack), asphalt * 0.65, 14.0)


def _draw_marks(canvas, camera, street, rng) -> None:
    paint = np.full(3, rng.uniform(150, 225)) * rng.choice([[1, 1, 1], [0.55, 0.9, 1.0]])
    middle, half = (street.left + street.right) / 2, 0.08
    start, pitch = rng.uniform(1, 4), rng.uniform(4, 7)
    if rng.random() < 0.25:
        canvas.fill(_strip(camera, middle - half, middle + half), paint, 14.0)
    else:
        for z in np.arange(start, 60, pitch):
            depths = np.array([z, z + 0.55 * pitch])
            canvas.fill(_strip(camera, middle - half, middle + half, depths), paint, z)
    if rng.random() < 0.4:
        for x in (street.left + 0.4, street.right - 0.4):
            canvas.fill(_strip(camera, x - 0.07, x + 0.07), paint, 14.0)
    if rng.random() < 0.3:
        z = rng.uniform(5, 16)
        for x in np.arange(street.left + 0.4, street.right - 0.5, 0.95):
            canvas.fill(_strip(camera, x, x + 0.5, np.array([z, z + 3])), paint, z)


def _draw_row(
    canvas: Canvas, camera: Camera, rng: np.random.Generator, x: float, light: float, dusk: float
) -> None:
    """The buildings and hedges of one side, far ones first."""
    edges = [1.0]
    while edges[-1] < FAR:
        edges.append(edges[-1] + rng.uniform(6, 19))
    for near, far in reversed(list(zip(edges[:-1], edges[1:], strict=True))):
        if rng.random() < 0.74:
            _draw_building(canvas, camera, rng, x, (near, far), light, dusk)
        else:
            _draw_hedge(canvas, camera, rng, x, (near, far), light)


def _wall(camera: Camera, x: float, y: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
    corners = [[x, y[0], z[0]], [x, y[0], z[1]], [x, y[1], z[1]], [x, y[1], z[0]]]
    return camera.project(corners)


def _draw_building(canvas, camera, rng, x, span, light, dusk) -> None:
    floors, storey = int(rng.integers(2, 7)), rng.uniform(2.7, 3.4)
    height, z = floors * storey + rng.uniform(0.3, 1.2), sum(span) / 2
    colour = pick(rng, WALLS)
    side, ridge = np.sign(x), height + (2.2 if rng.random() < 0.4 else 0.0)
    profile = [(0, 0), (9, 0), (9, height), (6.5, ridge), (2.5, ridge), (0, height)]
    end = camera.project([[x + side * out, y, span[0]] for out, y in profile])
    canvas.fill(end, colour * 0.85, span[0], BUILDING)
    if ridge > height:
        eaves, top = _wall(camera, x, (height, height), span), x + side * 2.5
        roof = np.concatenate([eaves[:2], _wall(camera, top, (ridge, ridge), span)[2:]])
        canvas.fill(roof, pick(rng, [(60, 70, 120), (75, 75, 80), (90, 95, 110)]), z, BUILDING)
    canvas.fill(_wall(camera, x, (0, height), span), colour * light, z, BUILDING)
    canvas.fill(_wall(camera, x, (0, 0.6), span), colour * light * 0.75, z)
    canvas.fill(_wall(camera, x, (height - 0.35, height), span), colour * light * 1.15, z)
    if span[0] < 60:
        _draw_windows(canvas, camera, rng, x, span, (floors, storey), colour * light, dusk)


def _draw_windows(canvas, camera, rng, x, span, storeys, colour, dusk) -> None:
    floors, storey = storeys
    pitch = rng.uniform(1.9, 3.2)
    first, wide, tall = (
        rng.uniform(0.4, 1.0),
        pitch * rng.uniform(0.4, 0.65),
        rng.uniform(0.45, 0.62),
    )
    z = np.arange(span[0] + first, span[1] - wide - 0.2, pitch)
    if len(z) == 0:
        return
    floor = np.arange(0 if rng.random() < 0.5 else 1, floors)
    z, floor = (grid.ravel() for grid in np.meshgrid(z, floor))
    low = floor * storey + 0.3 * storey
    ys = np.stack([low, low, low + tall * storey, low + tall * storey], axis=-1)
    zs = np.stack([z, z + wide, z + wide, z], axis=-1)
    panes = camera.project(np.stack([np.full_like(ys, x), ys, zs], axis=-1))
    middle = sum(span) / 2
    glass = np.array([90, 80, 72]) * rng.uniform(0.5, 1.6)
    canvas.fill(panes, colour * rng.choice([0.75, 1.25]), middle)
    panes = 0.82 * panes + 0.18 * panes.mean(axis=1, keepdims=True)
    canvas.fill(panes, glass, middle)
    lit = rng.random(len(panes)) < 0.05 + 0.3 * dusk
    if lit.any():
        canvas.fill(panes[lit], np.array([110, 190, 230]) * rng.uniform(0.8, 1.05), middle)
    if floor.min() == 1:  # shop windows and doors below
        shop = _wall(camera, x, (0.4, 0.85 * storey), span)
        canvas.fill(
            sub_quad(shop, np.array([0.05, 0.4]), np.array([0.34, 0.9]), 0, 1), glass * 0.8, middle
        )


def _draw_hedge(canvas, camera, rng, x, span, light) -> None:
    z = np.linspace(*span, 9)
    top = rng.uniform(1.2, 3.5) * (1 + 0.12 * rng.standard_normal(9))
    low = np.stack([np.full(9, x), np.zeros(9), z], axis=-1)
    high = np.stack([np.full(9, x), top, z], axis=-1)
    end = np.array([[x, 0, span[0]], [x + np.sign(x) * 7, 0, span[0]],
                    [x + np.sign(x) * 7, top[0], span[0]], [x, top[0], span[0]]])  # fmt: skip
    colour, middle = pick(rng, LEAVES), sum(span) / 2
    canvas.fill(camera.project(end), colour * 0.8, span[0], PLANT)
    canvas.fill(camera.project(np.concatenate([low, high[::-1]])), colour * light, middle, PLANT)
    spots = camera.project(np.stack([np.full(24, x), rng.uniform(0, top.min(), 24),
                                     rng.uniform(*span, 24)], axis=-1))  # fmt: skip
    size = 0.2 * camera.scale(middle)
    canvas.fill(spots[:, None] + ellipse((0, 0), (size, size), 6), colour * 0.65, middle)
