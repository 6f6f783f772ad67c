"""Unknown objects of the demo validation scenes, used to choose the settings of a score.

No test scene contains them. Their shapes, patterns and colours differ from those of the test kinds,
but they are as hard to find: half are as dull as the street, the others vivid.
"""

from itertools import pairwise

import numpy as np

from .drawing import ellipse, rectangle, shrunk, sub_quad
from .kinds import Kind, Shape, Texture, bar, hsv, shaded, turned

DARK = np.array([38.0, 36.0, 35.0])


def make_texture(rng: np.random.Generator) -> Texture:
    """Dots, zigzag, wood grain, blotches or a glow in two random shades of one hue."""
    dull, hue = rng.random() < 0.55, rng.random()
    saturation = rng.uniform(0.05, 0.4) if dull else rng.uniform(0.55, 0.95)
    value = rng.uniform(0.25, 0.7) if dull else rng.uniform(0.5, 0.9)
    first = hsv(hue, saturation, value)
    second = hsv(hue + rng.uniform(-0.12, 0.12), saturation, value * rng.uniform(0.45, 0.8))
    kind = rng.choice(["dots", "zigzag", "grain", "blotches", "glow"])
    count, phase = rng.uniform(2, 5), rng.uniform(0, 6, 2)

    def pattern(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        if kind == "dots":
            cells = [(count * axis) % 1 - 0.5 for axis in (rows, columns)]
            return (cells[0] ** 2 + cells[1] ** 2 < 0.09) * 1.0
        if kind == "zigzag":
            wave = rows + 0.5 / count * np.abs((count * columns) % 1 - 0.5)
            return ((2 * count * wave) % 1 < 0.4) * 1.0
        if kind == "grain":
            bent = rows + 0.05 * np.sin(7 * columns + phase[0])
            return 0.5 + 0.5 * np.sin(40 * bent + 3 * np.sin(11 * bent + phase[1]))
        if kind == "blotches":
            waves = np.sin(5 * rows + phase[0]) + np.sin(9 * columns + 4 * rows + phase[1])
            return (waves + np.sin(8 * rows - 5 * columns) > 0.4) * 1.0
        return np.clip(2 * np.hypot(rows - 0.5, columns - 0.5), 0, 1)

    return shaded(first, second, pattern, rng.uniform(-0.25, 0.25))


def _bench(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.8, 1.3)
    legs = [bar((at * half, 0), (0.95 * at * half, 1), 0.1, 0.08) for at in (-0.85, 0.85)]
    legs += [bar((at * half, 0), (at * half, 0.45), 0.11, 0.11) for at in (-0.95, 0.95)]
    backrest = [bar((-half, y), (half, y), 0.15, 0.15) for y in (0.7, 0.92)]
    seat = np.array([[-1.06, 0.36], [1.06, 0.36], [1, 0.54], [-1, 0.54]]) * [half, 1]
    return Shape([*legs, *backrest, seat])


def _umbrella(rng: np.random.Generator) -> Shape:
    """Shaft, crook and canopy with a lower border that hangs in arcs between the ribs."""
    half = rng.uniform(0.5, 0.7)
    angle = np.linspace(0, np.pi, 21)
    dome = np.stack([half * np.cos(angle), 0.5 + 0.45 * np.sin(angle)], axis=-1)
    across = np.linspace(-1, 1, 41)
    arcs = 0.5 + 0.07 * np.abs(np.sin(2 * np.pi * across))
    canopy = np.concatenate([dome, np.stack([half * across, arcs], axis=-1)])
    crook = [bar((0, 0.04), (0.12, 0.0), 0.05, 0.05), bar((0.12, 0.0), (0.15, 0.12), 0.05, 0.05)]
    shaft = bar((0, 0), (0, 1), 0.045, 0.03)
    shaft, *crook, canopy = turned([shaft, *crook, canopy], rng.uniform(-0.9, 0.9))
    ribs = [bar(canopy[10], end, 0.02, 0.02) for end in canopy[21::10]]
    return Shape([shaft, *crook, canopy], [(DARK, crook), (DARK, ribs)])


def _ladder(rng: np.random.Generator) -> Shape:
    low, high = rng.uniform(0.2, 0.3), rng.uniform(0.12, 0.2)
    steps = (np.arange(6) + 0.7) / 6.4
    halves = low + (high - low) * steps
    rungs = [bar((-h, y), (h, y), 0.05, 0.05) for h, y in zip(halves, steps, strict=True)]
    rails = [bar((at * low, 0), (at * high, 1), 0.08, 0.08) for at in (-1, 1)]
    return Shape(turned([*rungs, *rails], rng.uniform(-0.45, 0.45)))


def _suitcase(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.26, 0.4)
    pull = [bar((at, 0.6), (at, 0.97), 0.05, 0.05) for at in (-0.4 * half, 0.4 * half)]
    grip = bar((-0.5 * half, 0.97), (0.5 * half, 0.97), 0.08, 0.08)
    wheels = [ellipse((at * half, 0.05), (0.06, 0.05), 12) for at in (-0.8, 0.8)]
    corner = np.array([[-1, 0.13], [-0.9, 0.07], [0.9, 0.07], [1, 0.13]])
    case = np.concatenate([corner, corner[::-1] * [1, -1] + [0, 0.84]]) * [half, 1]
    edges = np.array([0.18, 0.48, 0.78])
    face = rectangle(-half, half, 0.07, 0.77)
    ridges = sub_quad(face, edges, edges + 0.04, 0.08, 0.92)
    return Shape([*pull, grip, *wheels, case], [(DARK, [grip, *wheels]), (DARK * 1.6, ridges)])


def _wheelbarrow(rng: np.random.Generator) -> Shape:
    deep = rng.uniform(0.4, 0.55)
    handle = bar((-1.15, 0.62), (0.75, 0.22), 0.09, 0.09)
    legs = [bar((at, 0), (at + 0.12, 0.5), 0.08, 0.08) for at in (-0.5, -0.3)]
    tray = np.array([[-0.35, 0.95 - deep], [0.45, 0.95 - deep], [0.85, 1.0], [-0.65, 0.95]])
    wheel = ellipse((0.75, 0.24), (0.24, 0.24), 20)
    grip = (handle - handle[0]) * 0.12 + handle[0]
    marks = [(DARK, [wheel]), (DARK * 3.5, [shrunk(wheel, 0.45)]), (DARK, [grip])]
    return Shape([*legs, handle, tray, wheel], marks)


def _sofa(rng: np.random.Generator) -> Shape:
    half, arm = rng.uniform(0.8, 1.25), rng.uniform(0.2, 0.28)
    feet = [bar((at * half, 0), (at * half, 0.12), 0.08, 0.1) for at in (-0.9, 0.9)]
    back = ellipse((0, 0.55), (0.97 * half, 0.45), 36)
    back = np.stack([np.clip(1.25 * back[:, 0], -half, half), back[:, 1]], axis=-1)
    seat = rectangle(-half, half, 0.1, 0.48)
    arms = [ellipse((at * (half - 0.6 * arm), 0.4), (0.7 * arm, 0.3), 20) for at in (-1, 1)]
    lines = ((0.49, 0.51, 0.3, 1.0), (0.1, 0.9, 0.28, 0.33), (0.0, 1.0, 0.95, 1.05))
    seams = [sub_quad(seat, *line) for line in lines]
    return Shape([*feet, back, seat, *arms], [(DARK, [*feet, *seams])])


def _kite(rng: np.random.Generator) -> Shape:
    half, cross = rng.uniform(0.26, 0.38), rng.uniform(0.66, 0.74)
    sail = np.array([[0, 0.35], [half, cross], [0, 1.0], [-half, cross]])
    bend = np.array([[0, 0.35], [0.08, 0.22], [-0.04, 0.1], [0.06, 0]])
    tail = [bar(*ends, 0.035, 0.035) for ends in pairwise(bend)]
    bow = np.array([[-0.09, 0.05], [-0.09, -0.05], [0.09, 0.05], [0.09, -0.05]])
    parts = turned([*tail, *(bow + at for at in bend[1:]), sail], rng.uniform(-0.5, 0.5))
    low, right, top, left = parts[-1]
    spars = [bar(low, top, 0.025, 0.025), bar(left, right, 0.025, 0.025)]
    return Shape(parts, [(DARK, spars)])


VALIDATION_KINDS = {
    "bench": Kind((0.6, 1.1), make_texture, _bench),
    "umbrella": Kind((0.6, 1.4), make_texture, _umbrella),
    "ladder": Kind((0.9, 1.7), make_texture, _ladder),
    "suitcase": Kind((0.5, 1.1), make_texture, _suitcase),
    "wheelbarrow": Kind((0.5, 1.0), make_texture, _wheelbarrow),
    "sofa": Kind((0.6, 1.1), make_texture, _sofa),
    "kite": Kind((0.7, 1.5), make_texture, _kite, lift=(0.8, 4.0)),
}
"""The kinds of the validation scenes."""
