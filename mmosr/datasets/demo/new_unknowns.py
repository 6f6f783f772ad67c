"""Unknown objects of new kinds, found only in the test scenes of sets other than set 0.

A score tuned on the validation kinds and compared on the test kinds sees them for the first time.
Their shapes, patterns and colours differ from both.
"""

import numpy as np

from .drawing import ellipse, rotation, shrunk, sub_quad
from .kinds import Kind, Shape, Texture, bar, hsv, shaded

DARK, PALE = np.array([45.0, 42.0, 42.0]), np.array([165.0, 170.0, 172.0])


def make_texture(rng: np.random.Generator) -> Texture:
    """Rings, plaid, patches or a slanting change between two colours of any hue."""
    dull = rng.random() < 0.55
    saturations = rng.uniform(0.0, 0.35, 2) if dull else rng.uniform(0.4, 0.9, 2)
    values = rng.uniform(0.2, 0.75, 2) if dull else rng.uniform(0.4, 0.95, 2)
    first, second = (hsv(rng.random(), *colour) for colour in zip(saturations, values, strict=True))
    kind = rng.choice(["rings", "plaid", "patches", "slant"])
    count, angle = rng.uniform(2, 5), rng.uniform(0, 2 * np.pi)
    centres = rng.random((9, 2))

    def pattern(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        if kind == "rings":
            away = np.hypot(rows - centres[0, 0], columns - centres[0, 1])
            return 0.5 + 0.5 * np.sin(2 * np.pi * count * 1.5 * away)
        if kind == "plaid":
            bands = [(count * axis) % 1 < 0.4 for axis in (rows, columns)]
            return 0.45 * bands[0] + 0.45 * bands[1]
        if kind == "patches":  # every third cell around nine random centres
            away = [np.hypot(rows - y, columns - x) for y, x in centres]
            return (np.argmin(away, axis=0) % 3 == 0) * 1.0
        return np.clip(0.5 + np.cos(angle) * (columns - 0.5) + np.sin(angle) * (rows - 0.5), 0, 1)

    return shaded(first, second, pattern, rng.uniform(-0.25, 0.25))


def _tent(rng: np.random.Generator) -> Shape:
    half, deep, far = rng.uniform(0.45, 0.65), rng.uniform(0.5, 0.9), rng.uniform(0.06, 0.16)
    front = np.array([[-half, 0], [half, 0], [0, 1]])
    flank = np.array([[half, 0], [half + deep, far], [0.9 * deep, 0.97], [0, 1]])
    edges = [bar(front[2], end, 0.03, 0.03) for end in front[:2]]
    return Shape([flank, front], [(DARK, [front * [0.3, 0.75]]), (PALE, edges)])


def _trolley(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.45, 0.6)
    wheels = [ellipse((at * half, 0.07), (0.08, 0.07), 12) for at in (-0.8, 0.75)]
    frame = [bar((-0.85 * half, 0.14), (0.8 * half, 0.14), 0.07, 0.07),
             bar((-0.8 * half, 0.14), (-1.05 * half, 0.85), 0.07, 0.07)]  # fmt: skip
    handle = bar((-1.0 * half, 0.8), (-1.45 * half, 0.97), 0.1, 0.1)
    basket = np.array([[-0.95, 0.38], [0.85, 0.42], [1.2, 0.9], [-1.05, 0.85]]) * [half, 1]
    edges = np.array([0.13, 0.3, 0.47, 0.64, 0.81])
    upright_wires = sub_quad(basket, edges, edges + 0.05, 0.08, 0.92)
    edges = np.array([0.2, 0.45, 0.7])
    wires = sub_quad(basket, 0.04, 0.96, edges, edges + 0.07)
    marks = [(DARK, wheels), (DARK, upright_wires), (DARK, wires),
             (PALE, [sub_quad(basket, 0.0, 1.0, 0.93, 1.0)])]  # fmt: skip
    return Shape([*wheels, *frame, handle, basket], marks)


def _dish(rng: np.random.Generator) -> Shape:
    """A satellite dish on a tripod: legs, dish, arm, receiver."""
    wide, tilt = rng.uniform(0.22, 0.36), rng.uniform(0.25, 0.6)
    legs = [bar((0, 0.5), (at, 0), 0.07, 0.05) for at in (-0.35, 0.03, 0.35)]
    dish = ellipse((0, 0), (wide, 0.44), 28) @ rotation(tilt) + [0, 0.57]
    arm = bar((0.1, 0.3), (0.55, 0.62), 0.05, 0.04)
    receiver = ellipse((0.56, 0.64), (0.07, 0.07), 12)
    marks = [(DARK, [*legs, arm, receiver]), (DARK * 1.5, [shrunk(dish, 0.12)])]
    return Shape([*legs, dish, arm, receiver], marks)


def _snowman(rng: np.random.Generator) -> Shape:
    wide = rng.uniform(0.9, 1.15)
    arms = [bar((0, 0.5), (at * 0.6, rng.uniform(0.5, 0.85)), 0.06, 0.03) for at in (-1, 1)]
    balls = [ellipse((0, y), (radius * wide, radius), 24)
             for y, radius in ((0.25, 0.26), (0.55, 0.19), (0.77, 0.13))]  # fmt: skip
    hat = [bar((-0.17, 0.87), (0.17, 0.87), 0.05, 0.05), bar((0, 0.86), (0, 1.04), 0.2, 0.18)]
    coals = [ellipse(at, (0.022, 0.022), 8)
             for at in ((-0.05, 0.8), (0.05, 0.8), (0, 0.61), (0, 0.49))]  # fmt: skip
    return Shape([*arms, *balls, *hat], [(DARK, [*arms, *coals, *hat])])


def _pinwheel(rng: np.random.Generator) -> Shape:
    """A toy windmill: stick and four vanes, turned by any angle."""
    centre, reach = np.array([0, 0.64]), rng.uniform(0.36, 0.44)
    vane = np.array([[0, 0], [0.05, 0.5], [0.45, 1.0], [0.65, 0.55]]) * reach
    start = rng.uniform(0, np.pi / 2)
    vanes = [vane @ rotation(a) + centre for a in start + np.arange(4) * np.pi / 2]
    folds = [(PALE, [shrunk(vane[[0, 2, 3]], 0.55)]) for vane in vanes]
    hub = ellipse(centre, (0.05, 0.05), 12)
    return Shape([bar((0, 0), centre, 0.07, 0.05), *vanes], [*folds, (DARK, [hub])])


NEW_KINDS = {
    "tent": Kind((0.6, 1.4), make_texture, _tent),
    "trolley": Kind((0.6, 1.1), make_texture, _trolley),
    "dish": Kind((0.6, 1.3), make_texture, _dish),
    "snowman": Kind((0.6, 1.5), make_texture, _snowman),
    "pinwheel": Kind((0.6, 1.3), make_texture, _pinwheel),
}
"""The kinds that join the test kinds in sets whose seed is not 0."""
