"""The analysis of a trained classifier as a whole: measure, write tables, figures and a record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from mmosr.apis import Loaded
from mmosr.classification import OpenSetImageClassifier
from mmosr.runs.hashes import content_hash
from mmosr.runs.journal import Journal
from mmosr.utils import InputError

from .clusters import load_sklearn, nearest_centre
from .images import ImageSubset, read_images
from .interpolation import path_length, sample_pairs
from .jacobian import NormEstimate, to_norm
from .measurements import (
    NormSettings,
    class_centres,
    embed_images,
    image_norms,
    path_norms,
    path_values,
)
from .spaces import own_centres, space_function

CENTRES = ("auto", "train", "val", "test")
JOURNAL = "measurements.jsonl"
RECORD = "representation.json"  # written last: it stands for a finished run


@dataclass(frozen=True)
class Settings:
    """What is analysed.

    Args:
        norm: How Jacobian norms are computed; its space is that of all figures.
        data_part: ``'test'``, or ``'val'`` or ``'train'``, which have known images only.
        max_images: See :func:`~mmosr.analysis.images.balanced_draw`.
        interpolations: Pairs of images, 0 for none.
        steps: Values of t from 0 to 1, at least 3.
        centres: Where class centres come from: ``'auto'``: CAC's own anchors, else as ``'train'``;
            or the mean of correctly classified images of the named part.
        centre_images: Images at most for these means.
    """

    norm: NormSettings
    data_part: str = "test"
    max_images: int = 1000
    interpolations: int = 100
    steps: int = 11
    centres: str = "auto"
    centre_images: int = 2000

    def check(self) -> None:
        """Refuse numbers out of range.

        Raises:
            InputError: Naming the first of them.
        """
        lowest = {
            "--batch-size": (self.norm.batch_size, 1),
            "--probes": (2 if self.norm.probes is None else self.norm.probes, 2),
            "--seed": (self.norm.seed, 0),
            "--interpolations": (self.interpolations, 0),
            "--steps": (self.steps, 3),
        }
        for option, (value, least) in lowest.items():
            if value < least:
                raise InputError(f"{option} {value}: the least is {least}")


@dataclass(frozen=True)
class Paths:
    """Interpolations between images of different classes.

    Args:
        pairs: Positions among the images, ``(P, 2)``.
        steps: Values of t, ``(S,)``.
        norm: Jacobian norms and their errors, ``(P, S)``.
        length: Of the paths in the space, ``(P,)``.
    """

    pairs: np.ndarray
    steps: np.ndarray
    norm: NormEstimate
    length: np.ndarray


@dataclass(frozen=True)
class Measured:
    """All that was measured; every array has one entry per image.

    Args:
        images: The images.
        names: Their paths.
        classes: Names of the known classes.
        values: The representation, ``(N, D)``.
        predicted: Labels of the most probable known classes.
        squared_norm: Squared Jacobian norm, with its error.
        norm: Jacobian norm, with its error.
        distance: To the closest class centre.
        closest: The class of that centre.
        centres: Where the centres come from, in words.
        map: t-SNE, ``(N, 2)``.
        paths: None without interpolations.
    """

    images: ImageSubset
    names: list[str]
    classes: list[str]
    values: np.ndarray
    predicted: np.ndarray
    squared_norm: NormEstimate
    norm: NormEstimate
    distance: np.ndarray
    closest: np.ndarray
    centres: str
    map: np.ndarray
    paths: Paths | None


def measure(
    loaded: Loaded, out: Path, settings: Settings, resume: bool = False
) -> tuple[Measured, dict]:
    """Measure everything; the Jacobian norms go through a journal in ``out``.

    Args:
        loaded: An image classifier, with any scores.
        out: Folder of the journal.
        settings: What to measure.
        resume: Take norms that an earlier run of the same settings has measured.

    Returns:
        What was measured, and the record of the run.

    Raises:
        InputError: Wrong settings, model or data, a value that is not finite, or another run to
            resume.
    """
    settings.check()
    if out.exists() and not out.is_dir():
        raise InputError(f"--out-dir {out} is a file: give a folder")
    model, norm = loaded.model, settings.norm
    if not isinstance(model, OpenSetImageClassifier):
        raise InputError(
            f"model type '{type(model).__name__}' is not an image classifier of one label: the "
            "analysis needs an ImageClassifier or mmosr.OpenSetImageClassifier"
        )
    space_function(model, norm.space)  # whether there is such a space
    load_sklearn("manifold")  # whether it is there, before the work
    images = read_images(loaded, settings.data_part, settings.max_images, norm.seed)
    identity = loaded.identity()
    run = describe(loaded, identity["checkpoint_sha256"], settings, images)
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal(out / JOURNAL, run, resume)
    (out / RECORD).unlink(missing_ok=True)
    values, predicted = embed_images(model, images, norm.space, norm.batch_size)
    centres, origin = find_centres(loaded, settings, images, values, predicted)
    distance, closest = nearest_centre(values, centres)
    squared = image_norms(model, images, norm, journal)
    measured = Measured(
        images=images,
        names=images.names(),
        classes=class_names(model, images),
        values=values,
        predicted=predicted,
        squared_norm=squared,
        norm=to_norm(squared),
        distance=distance,
        closest=closest,
        centres=origin,
        map=t_sne(values, norm.seed),
        paths=measure_paths(model, images, squared, settings, journal),
    )
    return measured, {**{key: identity[key] for key in ("config", "checkpoint")}, **run}


def describe(
    loaded: Loaded, checkpoint_sha256: str, settings: Settings, images: ImageSubset
) -> dict[str, object]:
    """What decides the norms, as JSON; a resumed run must have the same."""
    norm = {key: value for key, value in asdict(settings.norm).items() if key != "batch_size"}
    return {
        "model_sha256": loaded.model_hash(),
        "checkpoint_sha256": checkpoint_sha256,
        "data_sha256": loaded.data_hash(settings.data_part),
        "images_sha256": content_hash([images.positions.tolist(), images.labels.tolist()]),
        "data_part": settings.data_part,
        "max_images": settings.max_images,
        "interpolations": settings.interpolations,
        "steps": settings.steps,
        **norm,
    }


def find_centres(
    loaded: Loaded,
    settings: Settings,
    images: ImageSubset,
    values: np.ndarray,
    predicted: np.ndarray,
) -> tuple[np.ndarray, str]:
    """Class centres ``(C, D)``, and where they come from in words."""
    model = loaded.model
    own = own_centres(model, settings.norm.space) if settings.centres == "auto" else None
    if own is not None:
        return own.cpu().numpy(), f"the model's own anchors ({model.classifier.test_anchors})"
    part = "train" if settings.centres == "auto" else settings.centres
    classes, norm = model.known_classes, settings.norm
    if part == settings.data_part:
        labels = images.labels
    else:
        others = read_images(loaded, part, settings.centre_images, norm.seed, known_only=True)
        labels = others.labels
        values, predicted = embed_images(model, others, norm.space, norm.batch_size, "centres")
    centres, wrong = class_centres(values, predicted, labels, classes)
    correct = int((labels == predicted).sum())
    origin = f"means of {correct} correctly classified known images of the {part} data"
    if wrong:
        origin += f"; of all images for classes {wrong}, of which none is classified correctly"
    return centres, origin


def measure_paths(
    model: OpenSetImageClassifier,
    images: ImageSubset,
    squared: NormEstimate,
    settings: Settings,
    journal: Journal,
) -> Paths | None:
    """Norms along interpolations; those of the ends are those of the images."""
    if not settings.interpolations:
        return None
    norm = settings.norm
    pairs = sample_pairs(images.labels, settings.interpolations, norm.seed)
    steps = np.linspace(0, 1, settings.steps)
    inner = path_norms(model, images, pairs, steps[1:-1], norm, journal)
    whole = []
    for ends, between in ((squared.value, inner.value), (squared.error, inner.error)):
        ends = ends.numpy()[pairs]
        whole.append(np.concatenate([ends[:, :1], between.numpy(), ends[:, 1:]], 1))
    found = to_norm(NormEstimate(*(torch.from_numpy(part) for part in whole)))
    values = path_values(model, images, pairs, steps, norm)
    return Paths(pairs, steps, found, path_length(values))


def t_sne(values: np.ndarray, seed: int) -> np.ndarray:
    """Two-dimensional t-SNE ``(N, 2)`` of the representation (m-OvR, figure 13): scikit-learn's.

    Perplexity 30, less for fewer than 91 images; started from the principal components.
    """
    manifold = load_sklearn("manifold")
    perplexity = min(30.0, (len(values) - 1) / 3)
    model = manifold.TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return model.fit_transform(values)


def class_names(model: OpenSetImageClassifier, images: ImageSubset) -> list[str]:
    """Names of the known classes, or their numbers where the data does not name them."""
    names = (getattr(images.dataset, "metainfo", None) or {}).get("classes") or ()
    if len(names) != model.known_classes:
        return [str(label) for label in range(model.known_classes)]
    return [str(name) for name in names]
