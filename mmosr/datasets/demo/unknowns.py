"""Unknown objects of the demo test scenes: shapes that no training picture contains.

They borrow colours, grain and shading from the known objects, and stand on the road like them.
"""

import numpy as np

from .drawing import Material, blob, ellipse, shrunk, sub_quad
from .kinds import Kind, Shape, Texture, bar, shaded
from .objects import LEAVES, PAINTS, VIVID, WALLS, box_faces, pick

ROADS = [(95, 95, 97), (80, 80, 84), (112, 110, 108)]


def make_texture(rng: np.random.Generator) -> Texture:
    """A random pattern in colours of the known objects, or in vivid ones."""
    hard = rng.random() < 0.6
    first = pick(rng, PAINTS + WALLS + LEAVES + ROADS if hard else VIVID + PAINTS)
    second = pick(rng, ROADS + WALLS + PAINTS) if hard else pick(rng, VIVID + WALLS)
    kind = rng.choice(["plain", "plain", "stripes", "checks", "fur"])
    angle, count = rng.uniform(0, np.pi), rng.uniform(2, 6)
    phases, sun = rng.uniform(0, 6, 6), rng.uniform(-0.25, 0.25)

    def pattern(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        along = np.cos(angle) * columns + np.sin(angle) * rows
        across = np.cos(angle) * rows - np.sin(angle) * columns
        if kind == "stripes":
            return (np.sin(2 * np.pi * count * along) > 0) * 1.0
        if kind == "checks":
            return (np.sin(6.28 * count * along) * np.sin(6.28 * count * across) > 0) * 1.0
        if kind == "fur":
            waves = np.sin(60 * along + 5 * np.sin(9 * across + phases[0]) + phases[1])
            return 0.3 + 0.3 * waves + 0.25 * np.sin(23 * across + 4 * along + phases[2])
        return np.zeros(np.broadcast_shapes(rows.shape, columns.shape))

    return shaded(first, second, pattern, sun)


def _draw_crate(canvas, rng, x: float, z: float, height: float, material: Material) -> None:
    half, depth = height * rng.uniform(0.4, 0.9), height * rng.uniform(0.6, 1.2)
    ends = (x - half, x + half), (0.0, height), (z, z + depth)
    rear, side, top, hull = box_faces(canvas, *ends)
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


def _animal(rng: np.random.Generator) -> Shape:
    hip, thick, long = rng.uniform(0.25, 0.5), rng.uniform(0.15, 0.23), rng.uniform(0.35, 0.6)
    back = hip + thick
    head = np.array([long * rng.uniform(0.95, 1.25), back + rng.uniform(0.05, 0.35)])
    legs = [
        bar((long * at, back), (long * at + rng.uniform(-0.06, 0.06), 0), 0.09, 0.06)
        for at in (-0.85, -0.6, 0.5, 0.8)
    ]
    neck = bar((long * 0.65, back), head, 0.22, 0.14)
    tip = (-long - rng.uniform(0.1, 0.3), rng.uniform(0.2, 1))
    tail = bar((-long * 0.9, back), tip, 0.08, 0.03)
    ears = [bar(head, head + [at, 0.22], 0.1, 0.02) for at in (-0.08, 0.04)]
    body = blob(rng, (0, back), (long, thick), 0.03)
    snout = bar(head, head + [0.24, -0.08], 0.15, 0.08)
    face = blob(rng, head, (0.14, 0.12), 0.03, 14)
    eye = ellipse(face.mean(axis=0), (0.025, 0.025), 8)
    return Shape([*legs, tail, neck, body, *ears, snout, face], [(np.full(3, 15.0), [eye])])


def _ball(rng: np.random.Generator) -> Shape:
    return Shape([ellipse((0, 0.5), (0.5 * rng.uniform(0.9, 1.25), 0.5), 28)])


def _tyre(rng: np.random.Generator) -> Shape:
    tyre = ellipse((0, 0.5), (0.5 * rng.uniform(0.55, 1.0), 0.5), 28)
    rims = ((0.62, 25.0), (0.5, 70.0), (0.12, 30.0))
    return Shape([tyre], [(np.full(3, grey), [shrunk(tyre, share)]) for share, grey in rims])


def _cone(rng: np.random.Generator) -> Shape:
    wide, tip = rng.uniform(0.22, 0.36), rng.uniform(0.03, 0.08)
    body = np.array([[-wide, 0.06], [wide, 0.06], [tip, 1.0], [-tip, 1.0]])
    base = np.array([[-1.4, 0], [1.4, 0], [1.3, 0.1], [-1.3, 0.1]]) * [wide, 1.0]
    return Shape([base, body])


def _debris(rng: np.random.Generator) -> Shape:
    pieces = []
    for _ in range(int(rng.integers(2, 5))):
        wide, high = rng.uniform(0.25, 0.8), rng.uniform(0.2, 0.5)
        centre = rng.uniform(-0.5, 0.5), high * 0.8
        piece = blob(rng, centre, (wide, high), 0.25, int(rng.integers(5, 9)))
        pieces.append(np.maximum(piece, [-9, 0]))
    return Shape(pieces)


def _balloon(rng: np.random.Generator) -> Shape:
    skin = ellipse((0, 0.62), (rng.uniform(0.28, 0.42), 0.38), 28)
    skin = skin * np.where(skin[:, 1:] < 0.62, [[0.85, 1.0]], [[1.0, 1.0]])
    basket = [bar((0, 0.16), (0, 0), 0.16, 0.14)] if rng.random() < 0.5 else []
    tail = bar((0, 0.3), (rng.uniform(-0.1, 0.1), -0.3), 0.06, 0.03)
    return Shape([tail, *basket, skin])


# The order matters: scenes draw a kind by its number.
TEST_KINDS = {
    "animal": Kind((0.5, 1.7), make_texture, _animal),
    "crate": Kind((0.4, 1.3), make_texture, solid=_draw_crate),
    "ball": Kind((0.35, 1.1), make_texture, _ball),
    "tyre": Kind((0.6, 1.1), make_texture, _tyre),
    "cone": Kind((0.6, 1.2), make_texture, _cone),
    "debris": Kind((0.3, 0.9), make_texture, _debris),
    "balloon": Kind((0.6, 1.6), make_texture, _balloon, lift=(0.8, 4.0)),
}
"""The kinds of the test scenes."""
