"""The settings of the tool; imports nothing heavy, so that ``--help`` is fast."""

from __future__ import annotations

from dataclasses import dataclass

from mmosr.utils import InputError

PARTS = ("test", "val", "train")
CENTRES = ("auto", "train", "val", "test")


@dataclass(frozen=True)
class Settings:
    """What is analysed, and how Jacobian norms are computed.

    Args:
        data_part: ``'test'``, or ``'val'`` or ``'train'``, which have known images only.
        max_images: See :func:`~representation_run.images.balanced_draw`.
        interpolations: Number of pairs of images, 0 for none.
        steps: Values of t from 0 to 1, at least 3.
        space: See :func:`~mmosr.analysis.space_function`.
        units: See :func:`~mmosr.analysis.input_scale`.
        probes: Hutchinson probes, or None for the exact norm.
        seed: Seed of the draw and of the probes.
        batch_size: Images at a time; it does not change the norms.
        centres: Where class centres come from: ``'auto'``: CAC's own anchors, else as ``'train'``;
            or the mean of correctly classified images of the named part.
        centre_images: Largest number of images for these means.
    """

    data_part: str = "test"
    max_images: int = 1000
    interpolations: int = 100
    steps: int = 11
    space: str = "embedding"
    units: str = "network"
    probes: int | None = 32
    seed: int = 0
    batch_size: int = 32
    centres: str = "auto"
    centre_images: int = 2000

    def check(self) -> None:
        """Reject numbers out of range.

        Raises:
            InputError: Names the first of them.
        """
        lowest = {"batch_size": 1, "probes": 2, "seed": 0, "interpolations": 0, "steps": 3}
        for name, least in lowest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} {value}: the minimum is {least}")
