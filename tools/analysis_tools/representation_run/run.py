"""The analysis of a trained classifier as a whole: measure, write tables, figures and a record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.manifold import TSNE

from mmosr.analysis import nearest_centre, path_length, sample_pairs, space_function, to_norm
from mmosr.analysis.jacobian import NormEstimate
from mmosr.analysis.spaces import own_centres
from mmosr.apis import Loaded
from mmosr.classification import OpenSetImageClassifier
from mmosr.runs.hashes import content_hash
from mmosr.runs.journal import Journal
from mmosr.utils import InputError

from .images import ImageSubset, read_images
from .measurements import (
    class_centres,
    embed_images,
    image_norms,
    path_norms,
    path_values,
)
from .settings import Settings

JOURNAL = "measurements.jsonl"
RECORD = "representation.json"  # written last: it marks a finished run


@dataclass(frozen=True)
class Paths:
    """Interpolations between images of different classes.

    Args:
        pairs: Indices of the images, ``(P, 2)``.
        steps: Values of t, ``(S,)``.
        norm: Jacobian norms and their errors, ``(P, S)``.
        length: Length of the paths in the space, ``(P,)``.
    """

    pairs: np.ndarray
    steps: np.ndarray
    norm: NormEstimate
    length: np.ndarray


@dataclass(frozen=True)
class Measured:
    """Everything that was measured; every array has one entry per image.

    Args:
        images: The images.
        names: Their paths.
        classes: Names of the known classes.
        values: The representation, ``(N, D)``.
        predicted: Labels of the most probable known classes.
        squared_norm: Squared Jacobian norm, with its error.
        norm: Jacobian norm, with its error.
        distance: Distance to the closest class centre.
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
        resume: Reuse norms measured by an earlier run with the same settings.

    Returns:
        What was measured, and the record of the run.

    Raises:
        InputError: Settings, model or data are wrong, a value is not finite, or the run to resume
            is a different one.
    """
    settings.check()
    if out.exists() and not out.is_dir():
        raise InputError(f"--out-dir {out} is a file: choose a folder")
    model = loaded.model
    if not isinstance(model, OpenSetImageClassifier):
        raise InputError(
            f"model type '{type(model).__name__}' is not an image classifier of one label: the "
            "analysis needs an ImageClassifier or mmosr.OpenSetImageClassifier"
        )
    space_function(model, settings.space)  # checks that the space exists
    images = read_images(loaded, settings.data_part, settings.max_images, settings.seed)
    identity = loaded.identity()
    run = describe(loaded, identity["checkpoint_sha256"], settings, images)
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal(out / JOURNAL, run, resume)
    (out / RECORD).unlink(missing_ok=True)
    values, predicted = embed_images(model, images, settings)
    centres, origin = find_centres(loaded, settings, images, values, predicted)
    distance, closest = nearest_centre(values, centres)
    squared = image_norms(model, images, settings, journal)
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
        map=t_sne(values, settings.seed),
        paths=measure_paths(model, images, squared, settings, journal),
    )
    return measured, {**{key: identity[key] for key in ("config", "checkpoint")}, **run}


def describe(
    loaded: Loaded, checkpoint_sha256: str, settings: Settings, images: ImageSubset
) -> dict[str, object]:
    """What determines the norms, as JSON; a resumed run must match."""
    elsewhere = ("batch_size", "centres", "centre_images")  # they do not change the norms
    return {
        "model_sha256": loaded.model_hash(),
        "checkpoint_sha256": checkpoint_sha256,
        "data_sha256": loaded.data_hash(settings.data_part),
        "images_sha256": content_hash([images.positions.tolist(), images.labels.tolist()]),
        **{key: value for key, value in asdict(settings).items() if key not in elsewhere},
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
    own = own_centres(model, settings.space) if settings.centres == "auto" else None
    if own is not None:
        return own.cpu().numpy(), f"the model's own anchors ({model.classifier.test_anchors})"
    part = "train" if settings.centres == "auto" else settings.centres
    if part == settings.data_part:
        labels = images.labels
    else:
        others = read_images(loaded, part, settings.centre_images, settings.seed, known_only=True)
        labels = others.labels
        values, predicted = embed_images(model, others, settings, "centres")
    centres, wrong = class_centres(values, predicted, labels, model.known_classes)
    correct = int((labels == predicted).sum())
    origin = f"means of {correct} correctly classified known images of the {part} data"
    if wrong:
        origin += f"; of all images for classes {wrong}, where none is classified correctly"
    return centres, origin


def measure_paths(
    model: OpenSetImageClassifier,
    images: ImageSubset,
    squared: NormEstimate,
    settings: Settings,
    journal: Journal,
) -> Paths | None:
    """Norms along interpolations; those at the ends are those of the images."""
    if not settings.interpolations:
        return None
    pairs = sample_pairs(images.labels, settings.interpolations, settings.seed)
    steps = np.linspace(0, 1, settings.steps)
    inner = path_norms(model, images, pairs, steps[1:-1], settings, journal)
    whole = []
    for ends, between in ((squared.value, inner.value), (squared.error, inner.error)):
        ends = ends.numpy()[pairs]
        whole.append(np.concatenate([ends[:, :1], between.numpy(), ends[:, 1:]], 1))
    found = to_norm(NormEstimate(*(torch.from_numpy(part) for part in whole)))
    values = path_values(model, images, pairs, steps, settings)
    return Paths(pairs, steps, found, path_length(values))


def t_sne(values: np.ndarray, seed: int) -> np.ndarray:
    """Two-dimensional t-SNE ``(N, 2)`` of the representation (m-OvR, figure 13): scikit-learn's.

    Perplexity 30, less for fewer than 91 images; initialised with the principal components.
    """
    perplexity = min(30.0, (len(values) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)


def class_names(model: OpenSetImageClassifier, images: ImageSubset) -> list[str]:
    """Names of the known classes, or their numbers if the data does not name them."""
    names = (getattr(images.dataset, "metainfo", None) or {}).get("classes") or ()
    if len(names) != model.known_classes:
        return [str(label) for label in range(model.known_classes)]
    return [str(name) for name in names]
