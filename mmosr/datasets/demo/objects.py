"""Known objects in the embedded demo scenes: vehicles, trees, poles, signs, lights.

Each function paints one object at ``x`` metres to the right of the camera and ``z`` metres ahead.
The palettes overlap, also with those of the unknown objects, so colour alone does not identify an
object.
"""

import cv2
import numpy as np

from .drawing import Canvas, Material, blob, corners, ellipse, rectangle, rotation, shrunk, sub_quad

POLE, LIGHT, SIGN = Material(5, 10, 5), Material(6, 8, 5), Material(7, 8, 5)
PLANT, CAR = Material(8, 38, 30), Material(13, 8, 10)

# BGR. The same greys, browns and greens recur in several palettes on purpose.
WALLS = [
    (120, 122, 125), (150, 158, 165), (95, 100, 108), (130, 165, 190), (150, 190, 210),
    (70, 85, 140), (80, 110, 150), (165, 160, 140), (120, 140, 120), (190, 195, 200),
]  # fmt: skip
PAINTS = [
    (60, 60, 62), (35, 33, 32), (120, 120, 122), (165, 168, 170), (205, 205, 208),
    (50, 45, 150), (130, 70, 40), (60, 95, 55), (110, 140, 165), (90, 120, 70), (150, 110, 60),
]  # fmt: skip
LEAVES = [(45, 95, 60), (40, 75, 45), (55, 110, 95), (50, 90, 120), (65, 100, 80), (35, 60, 40)]
VIVID = [(40, 110, 220), (60, 200, 225), (150, 60, 140), (190, 150, 60), (60, 50, 190)]
SIGN_FACES = [
    ((40, 40, 190), (215, 215, 215)), ((170, 95, 35), (205, 205, 205)),
    ((60, 190, 215), (50, 50, 50)), ((120, 122, 125), (135, 136, 140)),
]  # fmt: skip

# Length, height of the waist and of the roof, lengths of boot and bonnet, in metres.
_CARS = [
    (3.9, 0.85, 1.45, 0.1, 1.0), (4.6, 0.82, 1.4, 0.75, 1.2),
    (4.5, 1.0, 1.7, 0.1, 1.1), (5.0, 1.1, 2.1, 0.05, 0.7),
]  # fmt: skip


def pick(rng: np.random.Generator, palette: list[tuple[int, int, int]]) -> np.ndarray:
    """A colour of the palette, varied in brightness and hue."""
    colour = np.array(palette[rng.integers(len(palette))], dtype=np.float64)
    return np.clip(colour * rng.uniform(0.8, 1.15) + rng.normal(0, 7, 3), 5, 250)


def ground_shadow(
    canvas: Canvas, x: float, z: float, half: tuple[float, float], factor: float
) -> None:
    """Darken the ground in an ellipse of half axes ``half`` (across, along) metres."""
    flat = canvas.on_ground(ellipse((x, z), half))
    canvas.shade(flat, factor, 0.12 * canvas.camera.scale(z) * min(half))


def box_faces(canvas: Canvas, x, y, z, slant=(0.0, 0.0, 0.0)) -> tuple[np.ndarray, ...]:
    """Rear face, visible side face, top face and hull of a box; each face bottom left first.

    ``slant`` is how many metres the top is inset at the sides, the rear and the front.
    """
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    side, rear, front = slant
    across, along = corners(x0, x1, z0, z1)
    low = canvas.camera.project(across, y0, along)
    across, along = corners(x0 + side, x1 - side, z0 + rear, z1 - front)
    high = canvas.camera.project(across, y1, along)
    left_seen = low[0, 0] > low[3, 0]  # the far end is nearer to the vanishing point
    near, far = (0, 3) if left_seen else (1, 2)
    rear_face = np.stack([low[0], low[1], high[1], high[0]])
    side_face = np.stack([low[near], low[far], high[far], high[near]])
    hull = cv2.convexHull(np.concatenate([low, high]).astype(np.float32))[:, 0].astype(np.float64)
    return rear_face, side_face, high, hull


def draw_car(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A hatchback, saloon, off-roader or van whose near end is at ``z``."""
    kind = rng.integers(4)
    length, waist, roof, boot, bonnet = _CARS[kind]
    half, length = rng.uniform(0.85, 0.98), length * rng.uniform(0.93, 1.07)
    roof *= rng.uniform(0.96, 1.05)
    colour, glass = pick(rng, PAINTS), np.array([62, 55, 50]) * rng.uniform(0.6, 1.7)
    sun = rng.uniform(0.75, 1.15, 2)
    oncoming = rng.random() < 0.4
    if oncoming:
        boot, bonnet = bonnet, boot
    sides, ends = (x - half, x + half), (z, z + length)
    rear, side, _, hull = box_faces(canvas, sides, (0.22, waist), ends)
    slant = (0.12, 0.25 + 0.2 * (kind < 2), 0.35)
    cabin = (z + boot, z + length - bonnet)
    back, flank, top, cover = box_faces(canvas, sides, (waist, roof), cabin, slant)
    seen = sides[0] if side[0, 0] < rear[1, 0] - 1e-6 else sides[1]
    flat = [
        ellipse((at, 0.32), (0.34, 0.32), 16) for at in (z + 0.19 * length, ends[1] - 0.2 * length)
    ]
    wheels = [canvas.camera.project(seen, wheel[:, 1], wheel[:, 0]) for wheel in flat]
    low = canvas.camera.project(*corners(*sides, 0, 0.3), z)
    feet = sub_quad(low, np.array([0.05, 0.78]), np.array([0.22, 0.95]), 0.0, 1.0)
    parts = [hull, cover, *wheels, *feet]
    ground_shadow(canvas, x, z + length / 2, (half * 1.2, length * 0.56), 0.45)
    canvas.outline(parts)
    canvas.fill([*wheels, *feet], np.array([32, 30, 30]), z, CAR)
    canvas.fill(hull, colour * sun[0], z, CAR)
    canvas.fill(cover, colour * 0.9, z, CAR)
    canvas.fill(flank, colour * sun[0] * 0.95, z)
    panes = sub_quad(flank, np.array([0.06, 0.54]), np.array([0.48, 0.92]), 0.14, 0.86)
    canvas.fill(panes, glass, z)
    canvas.fill(top, colour * 1.12, z)
    canvas.fill(side, colour * sun[0], z)
    canvas.fill(sub_quad(side, 0.02, 0.98, 0.0, 0.12), colour * 0.5, z)
    canvas.fill(wheels, np.array([30, 28, 28]), z)
    canvas.fill([shrunk(wheel, 0.5) for wheel in wheels], colour * 0.4 + 60, z)
    canvas.fill(back, colour * sun[1] * 0.95, z)
    canvas.fill(sub_quad(back, 0.08, 0.92, 0.15, 0.88), glass * 1.15, z)
    canvas.fill(rear, colour * sun[1], z)
    canvas.fill(sub_quad(rear, 0.0, 1.0, 0.0, 0.28), colour * sun[1] * 0.55, z)
    lamps = np.array([205, 225, 230] if oncoming else [45, 40, 175]) * rng.uniform(0.8, 1.1)
    canvas.fill(sub_quad(rear, np.array([0.03, 0.8]), np.array([0.2, 0.97]), 0.5, 0.78), lamps, z)
    canvas.fill(sub_quad(rear, 0.36, 0.64, 0.32, 0.5), np.array([190, 195, 195]), z)


def draw_tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A tree of 4 to 9 m, or a bush, with a crown of several blobs."""
    bush = rng.random() < 0.2
    height = rng.uniform(1.2, 2.2) if bush else rng.uniform(4, 9)
    pixel, foot = canvas.camera.scale(z), canvas.camera.project(x, 0, z)
    colour, bark = pick(rng, LEAVES), pick(rng, [(60, 75, 90), (70, 80, 85)])
    crown = height * (0.5 if bush else rng.uniform(0.26, 0.38))
    top = foot - [0, (height - crown) * pixel]
    count = int(rng.integers(4, 8))
    centres = top + rng.normal(0, 0.42, (count, 2)) * crown * pixel * [1, 0.8]
    radii = rng.uniform(0.5, 0.85, count) * crown * pixel
    masses = [blob(rng, c, (r, r * 0.9), 0.09) for c, r in zip(centres, radii, strict=True)]
    thick = 0.035 * height * pixel
    trunk = np.array([[-1, 0], [1, 0], [0.6, -1], [-0.6, -1]]) * [thick, (height - crown) * pixel]
    ground_shadow(canvas, x, z, (crown * 1.1, crown * 1.1), 0.6)
    canvas.outline([*masses, trunk + foot])
    canvas.fill(trunk + foot, bark, z, Material(8, 20, 20))
    for mass in masses:
        canvas.fill(mass, colour * rng.uniform(0.65, 1.05), z, PLANT)
    owner = rng.integers(count, size=60)
    angle, away = rng.uniform(0, 2 * np.pi, 60), 0.75 * np.sqrt(rng.random(60)) * radii[owner]
    spots = centres[owner] + np.stack([np.cos(angle), 0.9 * np.sin(angle)], axis=-1) * away[:, None]
    leaves = spots[:, None] + ellipse((0, 0), (0.1, 0.08), 6) * crown * pixel
    canvas.fill(leaves[:30], colour * 0.6, z)
    canvas.fill(leaves[30:] - [0, 0.1 * crown * pixel], np.clip(colour * 1.3 + 8, 0, 255), z)


def draw_pole(canvas: Canvas, rng: np.random.Generator, x: float, z: float, kind: str) -> None:
    """A pole that carries a street ``lamp``, a ``sign`` or a traffic ``light``."""
    height = rng.uniform(5, 7.5) if kind == "lamp" else rng.uniform(3.2, 4.2)
    pixel, foot = canvas.camera.scale(z), canvas.camera.project(x, 0, z)
    half = max(rng.uniform(0.07, 0.13) * pixel, 0.004 * canvas.height)
    colour = pick(rng, [(95, 97, 98), (130, 132, 134), (70, 72, 70), (65, 85, 70), (85, 100, 115)])
    shaft = foot + rectangle(-half, half, 0, -height * pixel)
    ground_shadow(canvas, x, z, (0.35, 0.35), 0.6)
    parts = [shaft]
    if kind == "lamp":
        reach = -np.sign(x) * rng.uniform(0.8, 1.8) * pixel
        arm = np.array([[0, 0], [reach, -0.3 * pixel], [reach, 0], [0, 2 * half]])
        parts.append(shaft[2:].mean(axis=0) + arm)
    canvas.outline(parts)
    canvas.fill(parts[1:], colour * 0.85, z, POLE)
    canvas.fill(shaft, colour, z, POLE)
    canvas.fill(sub_quad(shaft, 0.6, 1.0, 0.0, 1.0), colour * 0.75, z)
    if kind == "sign":
        _draw_sign(canvas, rng, foot - [0, (height - 0.45) * pixel], pixel, z)
    elif kind == "light":
        _draw_light(canvas, rng, foot - [0, (height - 0.5) * pixel], pixel, z)


def _draw_sign(canvas: Canvas, rng: np.random.Generator, centre, pixel: float, z: float) -> None:
    radius = rng.uniform(0.4, 0.6) * pixel
    shapes = [(20, 0.0), (3, -np.pi / 2), (4, 0.0), (4, np.pi / 4), (8, np.pi / 8)]
    edges, turn = shapes[rng.integers(len(shapes))]
    plate = ellipse((0, 0), (radius, radius), edges) @ rotation(turn)
    rim, face = SIGN_FACES[rng.integers(len(SIGN_FACES))]
    dim = rng.uniform(0.8, 1.05)
    canvas.outline([plate + centre])
    canvas.fill(plate + centre, np.array(rim) * dim, z, SIGN)
    canvas.fill(plate * 0.68 + centre, np.array(face) * dim, z)
    canvas.fill(rectangle(-0.4, 0.4, -0.1, 0.12) * radius + centre, np.array(rim) * dim * 0.7, z)


def _draw_light(canvas: Canvas, rng: np.random.Generator, centre, pixel: float, z: float) -> None:
    half = np.array([0.23, 0.62]) * rng.uniform(0.9, 1.25) * pixel
    case = rectangle(-1, 1, -1, 1) * half + centre
    colour = pick(rng, [(35, 38, 38), (45, 60, 50), (55, 55, 55), (50, 130, 160)])
    canvas.outline([case])
    canvas.fill(case, colour, z, LIGHT)
    lamps = [(60, 60, 215), (60, 185, 235), (110, 205, 70)]
    lit = rng.integers(3)
    for i, lamp in enumerate(lamps):
        disc = ellipse(centre + [0, (i - 1) * 0.62 * half[1]], (0.6 * half[0], 0.25 * half[1]), 12)
        canvas.fill(disc, np.array(lamp) * (1.1 if i == lit else 0.3), z)
