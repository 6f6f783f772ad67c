"""Files of an analysis: tables as CSV, figures as PNG, the record as JSON; and what is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from mmosr.runs.record import write_json
from mmosr.runs.tables import terminal_table, write_csv
from mmosr.visualization.figure_parts import write_figure

from .figures import compute_figures
from .images import count_labels
from .plots import draw_histograms, draw_interpolation, draw_map
from .run import RECORD, Measured
from .settings import Settings

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
    """Write all files atomically, the record last.

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
    space = SPACE_TEXT[settings.space]
    quantity = f"Jacobian norm of {space} {UNIT_TEXT[settings.units]}"
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
    method = "exact: one backward pass for each value of f"
    if settings.probes is not None:
        method = (
            f"Hutchinson estimate with {settings.probes} Rademacher probes: unbiased for the "
            "squared norm; the norm is its root"
        )
    units = {
        "network": "the input of the network, after the data preprocessor",
        "pixel": "the image with pixels in [0, 1]",
    }
    return {"f": settings.space, "x": units[settings.units], "method": method}


def _describe_images(measured: Measured) -> dict[str, object]:
    images = measured.images
    drawn, available = count_labels(images.labels), images.available
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


def print_record(record: Mapping, path: Path) -> None:
    """Print the figures of a record, and what they describe.

    Args:
        record: From :func:`write_report`.
        path: Its file.
    """
    table = terminal_table(["figure", "value", "standard error"])
    for name, figure in record["figures"].items():
        cells = (figure["value"], figure.get("standard_error"))
        table.add_row(name, *("" if cell is None else f"{cell:.4g}" for cell in cells))
    Console().print(table)
    images, norm = record["images"], record["jacobian"]
    print(f"{images['known']} known and {images['unknown']} unknown images; f: {norm['f']}")
    print(f"norms: {norm['method']}; x: {norm['x']}")
    print(f"distances: {record['distances']}")
    print(f"written: {path}")
