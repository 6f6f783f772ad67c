"""Files of an analysis: tables as CSV, figures as PNG, and the record of everything as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mmosr.runs.record import write_json
from mmosr.runs.tables import write_csv
from mmosr.visualization.figure_parts import write_figure

from .figures import compute_figures
from .plots import draw_histograms, draw_interpolation, draw_map
from .representation import RECORD, Measured, Settings

SPACE_TEXT = {
    "embedding": "the embedding",
    "features": "the features",
    "unit-features": "the unit features",
    "logits": "the class scores",
}
UNIT_TEXT = {"network": "by the network input", "pixel": "by pixels in [0, 1]"}


def write_report(
    measured: Measured, run: Mapping, settings: Settings, title: str, out: Path
) -> dict:
    """Write all files, each whole, the record last.

    Args:
        measured: What was measured.
        run: Description of the run.
        settings: Its settings.
        title: Title of the plots.
        out: The folder.

    Returns:
        The content of the record.
    """
    figures = compute_figures(measured)
    write_tables(measured, out)
    write_plots(measured, figures, settings, title, out)
    record = {
        "run": dict(run),
        "jacobian": _describe_norm(settings),
        "distances": f"Euclidean, to the closest of the class centres: {measured.centres}",
        "images": _describe_images(measured),
        "figures": figures,
    }
    write_json(out / RECORD, record)
    return record


def write_tables(measured: Measured, out: Path) -> None:
    """Write ``jacobian_norm.csv``, ``distances.csv``, ``tsne.csv`` and ``interpolation.csv``."""
    labels, norm, squared = measured.images.labels, measured.norm, measured.squared_norm
    shared = {
        "image": measured.names,
        "label": labels.tolist(),
        "class": [_class(measured, label) for label in labels],
    }
    predicted = {"predicted": measured.predicted.tolist()}
    norms = {
        "norm": norm.value.tolist(),
        "standard_error": norm.error.tolist(),
        "squared_norm": squared.value.tolist(),
        "squared_standard_error": squared.error.tolist(),
    }
    distances = {"closest": measured.closest.tolist(), "distance": measured.distance.tolist()}
    x, y = measured.map.T.tolist()
    for name, columns in {
        "jacobian_norm.csv": {**shared, **predicted, **norms},
        "distances.csv": {**shared, **predicted, **distances},
        "tsne.csv": {**shared, "x": x, "y": y, "norm": norms["norm"]},
    }.items():
        write_csv(out / name, zip(*columns.values(), strict=True), list(columns))
    if measured.paths is not None:
        write_csv(out / "interpolation.csv", _path_rows(measured))


def write_plots(
    measured: Measured, figures: Mapping, settings: Settings, title: str, out: Path
) -> None:
    """Write ``jacobian_norm.png``, ``distances.png``, ``tsne.png`` and ``interpolation.png``."""
    known, norm = measured.images.known, measured.norm.value.numpy()
    space = SPACE_TEXT[settings.norm.space]
    quantity = f"Jacobian norm of {space} {UNIT_TEXT[settings.norm.units]}"
    samples = {"known": norm[known], "unknown": norm[~known]}
    figure = draw_histograms(samples, title, quantity)
    write_figure(figure, out / "jacobian_norm.png")

    distances = {"known": measured.distance[known], "unknown": measured.distance[~known]}
    overlap = figures["bhattacharyya_coefficient"]["value"]
    note = "" if overlap is None else f"Bhattacharyya coefficient {overlap:.3f}"
    quantity_of_distance = f"Distance to the closest class centre in {space}"
    figure = draw_histograms(distances, title, quantity_of_distance, note)
    write_figure(figure, out / "distances.png")

    labels = measured.images.labels
    figure = draw_map(
        measured.map, labels, measured.classes, norm, f"{title}: t-SNE of {space}", quantity
    )
    write_figure(figure, out / "tsne.png")

    if measured.paths is not None:
        means = {name: float(values.mean()) for name, values in samples.items() if len(values)}
        paths = measured.paths
        figure = draw_interpolation(paths.steps, paths.norm.value.numpy(), means, title, quantity)
        write_figure(figure, out / "interpolation.png")


def _path_rows(measured: Measured) -> Iterable[dict]:
    paths, labels = measured.paths, measured.images.labels
    for pair, (first, second) in enumerate(paths.pairs):
        for step, t in enumerate(paths.steps):
            yield {
                "pair": pair,
                "from_image": measured.names[first],
                "to_image": measured.names[second],
                "from_class": _class(measured, labels[first]),
                "to_class": _class(measured, labels[second]),
                "t": float(t),
                "norm": float(paths.norm.value[pair, step]),
                "standard_error": float(paths.norm.error[pair, step]),
            }


def _class(measured: Measured, label: int) -> str:
    return measured.classes[label] if label >= 0 else "unknown"


def _describe_norm(settings: Settings) -> dict[str, str]:
    norm = settings.norm
    method = "exact: one backward pass for each value of f"
    if norm.probes is not None:
        method = (
            f"Hutchinson estimate with {norm.probes} Rademacher probes: unbiased for the squared "
            "norm; the norm is its root"
        )
    units = {
        "network": "the input of the network, after the data preprocessor",
        "pixel": "the image with pixels in [0, 1]",
    }
    return {"f": norm.space, "x": units[norm.units], "method": method}


def _describe_images(measured: Measured) -> dict[str, object]:
    images = measured.images
    drawn, available = images.counts(), images.available
    known = {
        name: {"drawn": drawn.get(label, 0), "of": available.get(label, 0)}
        for label, name in enumerate(measured.classes)
    }
    unknown = {"drawn": drawn.get(-1, 0), "of": available.get(-1, 0)}
    number = np.count_nonzero(images.known)
    return {
        "draw": "half known, half unknown, each in equal parts over its classes where possible",
        "known": int(number),
        "unknown": unknown["drawn"],
        "by_class": {**known, "unknown": unknown},
    }
