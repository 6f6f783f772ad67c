"""Unknown objects of the embedded demo scenes: shapes that no training picture holds.

They borrow colours, grain and shading from the known things, and stand on the road like them.
"""

import numpy as np

from mmosr.utils import UNKNOWN_LABEL

from .demo_drawing import Camera, Canvas, Material, blob, ellipse, sub_quad
from .demo_objects import LEAVES, PAINTS, VIVID, WALLS, box_faces, ground_shadow, pick

KINDS = ("animal", "crate", "ball", "tyre", "cone", "debris", "balloon")
ROADS = [(95, 95, 97), (80, 80, 84), (112, 110, 108)]
# Range of the real height in metres.
HEIGHTS = {
    "animal": (0.5, 1.7), "crate": (0.4, 1.3), "ball": (0.35, 1.1), "tyre": (0.6, 1.1),
    "cone": (0.6, 1.2), "debris": (0.3, 0.9), "balloon": (0.6, 1.6),
}  # fmt: skip


def draw_unknown(
    canvas: Canvas,
    camera: Camera,
    rng: np.random.Generator,
    kind: str,
    place: tuple[float, float],
    height: float,
) -> None:
    """Paint one unknown object.

    Args:
        canvas: Where to paint.
        camera: Turns metres into pixels.
        rng: Source of the randomness.
        kind: One of ``KINDS``.
        place: Metres to the right of the camera and ahead of it.
        height: Height of the object in metres.
    """
    x, z = place
    lift = rng.uniform(0.8, 4.0) if kind == "balloon" else 0.0
    ground_shadow(canvas, camera, x, z, (0.5 * height, 0.35 * height), 0.75 if lift else 0.5)
    material = Material(UNKNOWN_LABEL, int(rng.integers(4, 34)), int(rng.integers(4, 30)))
    texture = make_texture(rng)
    if kind == "crate":
        _draw_crate(canvas, camera, rng, place, height, material)
        return
    parts = _SHAPES[kind](rng)
    pixel = camera.scale(z) * height * np.array([rng.choice([-1.0, 1.0]), -1.0])
    foot = camera.project([x, lift, z])
    parts = [part * pixel + foot for part in parts]
    canvas.outline(parts)
    for part in parts:
        canvas.paint(part, texture, material, z)
    if kind == "tyre":
        middle = parts[0].mean(axis=0)
        for share, grey in ((0.62, 25.0), (0.5, 70.0), (0.12, 30.0)):
            canvas.fill((parts[0] - middle) * share + middle, np.full(3, grey), z)
    if kind == "animal":
        eye = parts[-1].mean(axis=0)
        canvas.fill(ellipse(eye, np.abs(pixel) * 0.025, 8), np.full(3, 15.0), z)


def make_texture(rng: np.random.Generator):
    """A function ``(rows, columns) -> BGR`` of a random pattern, shaded like a round body."""
    hard = rng.random() < 0.6
    first = pick(rng, PAINTS + WALLS + LEAVES + ROADS if hard else VIVID + PAINTS)
    second = pick(rng, ROADS + WALLS + PAINTS) if hard else pick(rng, VIVID + WALLS)
    kind = rng.choice(["plain", "plain", "stripes", "checks", "fur"])
    angle, count = rng.uniform(0, np.pi), rng.uniform(2, 6)
    phases, sun = rng.uniform(0, 6, 6), rng.uniform(-0.25, 0.25)

    def texture(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        along = np.cos(angle) * columns + np.sin(angle) * rows
        across = np.cos(angle) * rows - np.sin(angle) * columns
        if kind == "stripes":
            mix = (np.sin(2 * np.pi * count * along) > 0) * 1.0
        elif kind == "checks":
            mix = (np.sin(6.28 * count * along) * np.sin(6.28 * count * across) > 0) * 1.0
        elif kind == "fur":
            waves = np.sin(60 * along + 5 * np.sin(9 * across + phases[0]) + phases[1])
            mix = 0.3 + 0.3 * waves + 0.25 * np.sin(23 * across + 4 * along + phases[2])
        else:
            mix = np.zeros(np.broadcast_shapes(rows.shape, columns.shape))
        light = 1.1 - 0.4 * rows**2 + sun * (2 * columns - 1)
        return (first + mix[..., None] * (second - first)) * light[..., None]

    return texture


def _draw_crate(canvas, camera, rng, place, height, material) -> None:
    x, z = place
    half, depth = height * rng.uniform(0.4, 0.9), height * rng.uniform(0.6, 1.2)
    rear, side, top, hull = box_faces(camera, (x - half, x + half), (0.0, height), (z, z + depth))
    colour, sun = pick(rng, WALLS + PAINTS + [(75, 120, 165)] * 6), rng.uniform(0.65, 1.15, 2)
    seam = colour * rng.uniform(0.45, 0.8)
    canvas.outline([hull])
    canvas.fill(hull, colour * sun[1], z, material)
    canvas.fill(top, colour * 1.2, z)
    count = int(rng.integers(1, 6))
    edges = np.arange(count) / count
    for face, light in ((side, sun[0]), (rear, sun[1])):
        canvas.fill(face, colour * light, z)
        if count > 1:
            canvas.fill(sub_quad(face, edges, edges + 0.06, 0.0, 1.0), seam * light, z)
        canvas.fill(sub_quad(face, 0.0, 1.0, 0.9, 1.0), seam * light, z)


# The shapes: polygons in a frame whose origin is the foot, x sideways, y up, height about 1.


def _animal(rng: np.random.Generator) -> list[np.ndarray]:
    hip, thick, long = rng.uniform(0.25, 0.5), rng.uniform(0.15, 0.23), rng.uniform(0.35, 0.6)
    back = hip + thick
    head = np.array([long * rng.uniform(0.95, 1.25), back + rng.uniform(0.05, 0.35)])
    legs = []
    for at in (-0.85, -0.6, 0.5, 0.8):
        foot = long * at + rng.uniform(-0.06, 0.06)
        legs.append(_bar((long * at, back), (foot, 0), 0.09, 0.06))
    neck = _bar((long * 0.65, back), head, 0.22, 0.14)
    tail = _bar(
        (-long * 0.9, back), (-long - rng.uniform(0.1, 0.3), rng.uniform(0.2, 1)), 0.08, 0.03
    )
    ears = [_bar(head, head + [at, 0.22], 0.1, 0.02) for at in (-0.08, 0.04)]
    body = blob(rng, (0, back), (long, thick), 0.03)
    snout = _bar(head, head + [0.24, -0.08], 0.15, 0.08)
    return [*legs, tail, neck, body, *ears, snout, blob(rng, head, (0.14, 0.12), 0.03, 14)]


def _bar(start, end, wide0: float, wide1: float) -> np.ndarray:
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = (end - start) / np.linalg.norm(end - start)
    normal = np.array([-along[1], along[0]]) / 2
    return np.stack([start - normal * wide0, end - normal * wide1, end + normal * wide1,
                     start + normal * wide0])  # fmt: skip


def _ball(rng: np.random.Generator) -> list[np.ndarray]:
    return [ellipse((0, 0.5), (0.5 * rng.uniform(0.9, 1.25), 0.5), 28)]


def _tyre(rng: np.random.Generator) -> list[np.ndarray]:
    return [ellipse((0, 0.5), (0.5 * rng.uniform(0.55, 1.0), 0.5), 28)]


def _cone(rng: np.random.Generator) -> list[np.ndarray]:
    wide, tip = rng.uniform(0.22, 0.36), rng.uniform(0.03, 0.08)
    body = np.array([[-wide, 0.06], [wide, 0.06], [tip, 1.0], [-tip, 1.0]])
    base = np.array([[-1.4, 0], [1.4, 0], [1.3, 0.1], [-1.3, 0.1]]) * [wide, 1.0]
    return [base, body]


def _debris(rng: np.random.Generator) -> list[np.ndarray]:
    pieces = []
    for _ in range(int(rng.integers(2, 5))):
        radii = rng.uniform(0.25, 0.8), rng.uniform(0.2, 0.5)
        piece = blob(
            rng, (rng.uniform(-0.5, 0.5), radii[1] * 0.8), radii, 0.25, int(rng.integers(5, 9))
        )
        pieces.append(np.maximum(piece, [-9, 0]))
    return pieces


def _balloon(rng: np.random.Generator) -> list[np.ndarray]:
    skin = ellipse((0, 0.62), (rng.uniform(0.28, 0.42), 0.38), 28)
    skin = skin * np.where(skin[:, 1:] < 0.62, [[0.85, 1.0]], [[1.0, 1.0]])
    basket = rng.random() < 0.5
    tail = _bar((0, 0.3), (rng.uniform(-0.1, 0.1), -0.3), 0.06, 0.03)
    return [tail, _bar((0, 0.16), (0, 0), 0.16, 0.14), skin] if basket else [tail, skin]


_SHAPES = {
    "animal": _animal, "ball": _ball, "tyre": _tyre, "cone": _cone, "debris": _debris,
    "balloon": _balloon,
}  # fmt: skip
