"""What stands where in an embedded demo scene: camera, cars, trees, poles, unknown objects."""

from collections.abc import Callable, Sequence

import numpy as np

from mmosr.utils import IGNORE_LABEL

from .drawing import SUPERSAMPLE, Camera, Canvas, Material
from .kinds import Kind, draw_unknown
from .objects import draw_car, draw_pole, draw_tree
from .street import Street


def make_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """A random camera for a picture of ``size``, height and width in pixels."""
    height, width = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE
    return Camera(
        focal=1.2 * height * rng.uniform(0.9, 1.15),
        centre=width * rng.uniform(0.36, 0.64),
        horizon=height * rng.uniform(0.36, 0.52),
        height=rng.uniform(1.5, 2.5),
        bend=rng.uniform(-0.004, 0.004) * rng.random(),
    )


def plan_things(canvas: Canvas, street: Street, rng: np.random.Generator) -> list:
    """Pairs ``(distance, draw)`` of the known objects, each with its own generator."""
    things, camera = [], canvas.camera

    def add(z: float, draw: Callable, *args) -> None:
        own = np.random.default_rng(rng.integers(1 << 32))
        things.append((z, lambda: draw(canvas, own, *args)))

    for x, z in _places_of_cars(street, rng):
        add(z, draw_car, x, z)
    for edge, wide, side in street.sides:
        for z in np.cumsum(rng.uniform(5, 16, 7)):
            add(z, draw_tree, edge + side * (wide * 0.8 + rng.uniform(0, 1)), z)
        for z in 4 + np.cumsum(rng.uniform(6, 22, 3)):
            kind = ("lamp", "lamp", "sign", "light")[rng.integers(4)]
            add(z, draw_pole, edge + side * rng.uniform(0.3, 0.9), z, kind)
    # One sign and one light near enough to be seen, on the side that has room in the picture.
    for kind in ("sign", "light"):
        edge = street.left if rng.random() < camera.centre / canvas.width else street.right
        x = edge + np.sign(edge) * rng.uniform(0.3, 1.0)
        room = camera.centre if x < 0 else canvas.width - camera.centre
        nearest = camera.focal * (abs(x) + 0.5) / room
        z = max(nearest, 5.0) * rng.uniform(1.05, 1.7)
        add(z, draw_pole, x, z, kind)
    return things


def _places_of_cars(street: Street, rng: np.random.Generator) -> list[tuple[float, float]]:
    middle = (street.left + street.right) / 2
    lanes = [(street.left + middle) / 2, (street.right + middle) / 2]
    places = []
    for lane in lanes:
        z = rng.uniform(5.5, 16)
        while z < 60 and rng.random() < 0.75:
            places.append((lane + rng.uniform(-0.4, 0.4), z))
            z += rng.uniform(8, 22)
    for x in (street.left + 1.05, street.right - 1.05):
        if rng.random() < street.parking:
            z = rng.uniform(4.5, 12)
            while z < 45 and rng.random() < 0.85:
                places.append((x + rng.uniform(-0.1, 0.1), z))
                z += rng.uniform(5.6, 9)
    return places or [(lanes[1], rng.uniform(7, 14))]


def plan_unknowns(
    canvas: Canvas,
    street: Street,
    rng: np.random.Generator,
    kinds: Sequence[Kind],
    in_front: bool = False,
) -> list:
    """Pairs ``(distance, draw)`` of one to three unknown objects, largest first.

    With ``in_front`` they stand where the road enters the picture, before everything else.
    """
    things, camera = [], canvas.camera
    for _ in range(int(rng.integers(1, 4))):
        kind = kinds[rng.integers(len(kinds))]
        height = rng.uniform(*kind.heights)
        share = np.exp(rng.uniform(np.log(0.08), np.log(0.38)))  # of the picture's height
        nearest = camera.depth_of_row(0.88 * canvas.height)
        z = nearest if in_front else max(camera.focal * height / (share * canvas.height), nearest)
        height = min(height, 0.38 * canvas.height / camera.scale(z))
        low = max(street.left - 1.5, camera.side_at(0.06 * canvas.width, z))
        high = min(street.right + 1.5, camera.side_at(0.94 * canvas.width, z))
        x = rng.uniform(min(low, high), max(low, high))
        own = np.random.default_rng(rng.integers(1 << 32))
        args = (canvas, own, x, z, kind, height)
        things.append((z, height / z, lambda args=args: draw_unknown(*args)))
    things.sort(key=lambda thing: -thing[1])
    return [(z, draw) for z, _, draw in things]


def draw_bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the bonnet of the ego car, ignored, at the lower border of a third of the scenes."""
    if rng.random() > 0.35:
        return
    top, colour = rng.uniform(0.91, 0.97), rng.uniform(25, 110) + rng.normal(0, 14, 3)
    across = np.linspace(-0.1, 1.1, 24)
    arch = top + (1 - top) * (2 * across - 1) ** 2 * rng.uniform(0.5, 1.2)
    curve = np.stack([across * canvas.width, arch * canvas.height], axis=-1)
    ends = np.array([[1.1, 1.2], [-0.1, 1.2]]) * [canvas.width, canvas.height]
    polygon = np.concatenate([curve, ends])
    canvas.fill(polygon, colour, 0.0, Material(IGNORE_LABEL, 4, 8))
    canvas.fill(polygon + [0, 0.02 * canvas.height], colour * 0.8, 0.0)
