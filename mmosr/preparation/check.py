"""Reports in tables what is in the folder of a data set, and what is wrong with it."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.registry import DATASETS, init_default_scope
from mmseg.datasets import BaseSegDataset
from rich import box

from mmosr.config.definitions import FOLDER, read_definition
from mmosr.datasets.anomaly_dataset import AnomalySegDataset
from mmosr.datasets.fishyscapes import VERSION_FILE
from mmosr.datasets.road_anomaly import FRAME_LIST
from mmosr.runs.hashes import file_hash
from mmosr.runs.tables import log_console, share, terminal_table
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError
from mmosr.utils.cli import tool_command
from mmosr.utils.errors import some

from .recipes import RECIPES
from .records import JOURNAL, MANIFEST, Records
from .survey import Survey, missing_counterparts, survey, unused_files


@dataclass
class Report:
    """The result of a check.

    Attributes:
        facts: What is there, as pairs of topic and text.
        values: Raw label value, meaning, number of pixels, and their share.
        problems: What is wrong, each with its fix.
        ready: Text if nothing is wrong.
    """

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    values: list[tuple[str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ready: str = ""

    @property
    def verdict(self) -> str:
        """The last line: ready, or the first problem and its fix."""
        if not self.problems:
            return f"ready: {self.ready}"
        more = len(self.problems) - 1
        return f"not ready: {self.problems[0]}" + (f" (and {more} more, above)" if more else "")


def check_data_set(
    name: str,
    root: str | os.PathLike,
    config: str | os.PathLike | None = None,
    checksums: bool = False,
    options: Mapping | None = None,
) -> Report:
    """Read all images and labels of a data set in a folder.

    Args:
        name: Name of a file in ``configs/_base_/benchmarks``; with ``config`` only a title.
        root: The folder, replaces the ``data_root`` of the config.
        config: File with ``benchmark = dict(dataset=dict(...))``.
        checksums: Compare all files with the checksums of ``manifest.json``.
        options: Arguments of the data set that differ from the config's.

    Raises:
        InputError: The name, config or folder does not exist.
    """
    path, benchmark = read_definition(name if config is None else os.fspath(config))
    shown, definition = str(config or FOLDER / path.name), benchmark["dataset"].to_dict()
    root = Path(os.path.abspath(root))
    if not root.is_dir():
        raise InputError(f"folder {root} does not exist; docs/data.md says how to obtain {name}")
    asked = {**definition, **(options or {})}
    changed = [
        f"{key}={value!r}"
        for key, value in (options or {}).items()
        if _differs(definition, key, value)
    ]
    ready = shown + (f", with {', '.join(changed)} in its dataset" if changed else "")
    report = Report(title=f"{name} in {root}", ready=ready)
    records = Records(root)
    _check_records(report, records, root, name, checksums)
    prepared = records.header.get("dataset") or {}
    report.problems += [
        f"the folder was prepared for {key}={value!r}, the config says {asked.get(key)!r}: set it "
        f"in a copy of {shown}, or prepare the data again"
        for key, value in prepared.items()
        if _differs(asked, key, value)
    ]
    dataset = _build(report, {**asked, **prepared, "data_root": str(root)})
    if dataset is None:
        return report
    items = [dataset.get_data_info(index) for index in range(len(dataset))]
    public = RECIPES[name].images if config is None and name in RECIPES else None
    _report_files(report, dataset, items, root, public)
    classes = tuple(dataset.metainfo.get("classes") or ())
    _report_survey(report, survey(items, len(classes)), dataset, root)
    return report


def show(report: Report) -> None:
    """Print the tables, all problems, and the verdict as the last line."""
    console, lines = log_console(), dict(box=box.HEAVY_HEAD, show_edge=True)
    facts = dict(title=report.title, title_justify="left", show_header=False)
    console.print(terminal_table(["", ""], rows=report.facts, **facts, **lines))
    if report.values:
        head = ["value", "meaning", "pixels", "share"]
        console.print(terminal_table(head, rows=report.values, title="label values", **lines))
    for problem in report.problems[1:]:
        print(f"also wrong: {problem}")
    print(report.verdict, flush=True)


def _differs(settings: Mapping, key: str, value: object) -> bool:
    def plain(item: object) -> object:
        return list(item) if isinstance(item, (list, tuple)) else item

    return plain(settings.get(key)) != plain(value)


def _check_records(
    report: Report, records: Records, root: Path, name: str, checksums: bool
) -> None:
    """What prepare.py noted, and whether its files are still there."""
    again = f"{tool_command('dataset_converters/prepare', 'prepare')} {name} SRC {root}"
    if not records.exist:
        report.facts.append(("prepared", f"not by prepare.py (no {MANIFEST})"))
        if checksums:
            report.problems.append(
                f"no checksums to compare with: {root / MANIFEST} is missing: run {again}"
            )
        return
    header, entries = records.header, records.entries
    options = ", ".join(f"{key}={value}" for key, value in (header.get("options") or {}).items())
    made = f"{header.get('tool')}, {len(entries)} files from {header.get('source')}"
    report.facts.append(("prepared", made + (f" ({options})" if options else "")))
    if records.unfinished:
        report.problems.append(f"the preparation was not completed: run {again}")
    missing = [path for path in entries if not (root / path).is_file()]
    if missing:
        report.problems.append(
            f"{len(missing)} of {len(entries)} prepared files are missing, or their sources: "
            f"{some(missing)}: run {again}"
        )
    if checksums:
        changed = [
            path
            for path, entry in entries.items()
            if path not in missing and file_hash(root / path) != entry["sha256"]
        ]
        right = len(entries) - len(missing) - len(changed)
        report.facts.append(("checksums", f"{right} of {len(entries)} files are unchanged"))
        if changed:
            report.problems.append(
                f"{len(changed)} of {len(entries)} files do not have the checksum in {MANIFEST}: "
                f"{some(changed)}: run {again}"
            )


def _build(report: Report, settings: dict) -> BaseSegDataset | None:
    """The data set; None if it cannot be read: the report says why."""
    init_default_scope("mmseg")
    try:
        dataset = DATASETS.build({**copy.deepcopy(settings), "lazy_init": True})
        if isinstance(dataset, BaseSegDataset) and not isinstance(dataset, AnomalySegDataset):
            missing = missing_counterparts(dataset)
            if missing:
                report.problems.append(
                    f"{len(missing)} files are missing next to existing ones: "
                    f"{some(missing)}: complete the download, or prepare the data again"
                )
        dataset.full_init()
    except (InputError, FileNotFoundError) as error:
        report.problems.append(str(error))
        return None
    return dataset


def _report_files(
    report: Report, dataset: BaseSegDataset, items: list, root: Path, public: int | None
) -> None:
    for attribute in ("layout", "version", "split"):
        value = getattr(dataset, attribute, None)
        if value is not None:
            report.facts.append((attribute, str(value)))
    count = f"{len(items)}"
    if public is not None and public != len(items):
        count += f", but the public benchmark has {public}: figures cannot be compared"
        report.ready += f" ({len(items)} of {public} images: its figures cannot be compared)"
    report.facts += [("images", count), ("labels", str(len({i["seg_map_path"] for i in items})))]
    kinds = ("img_path", "seg_map_path", "overlay_path")
    used = [item[key] for item in items for key in kinds if key in item]
    used += [root / file for file in (MANIFEST, JOURNAL, VERSION_FILE, FRAME_LIST)]
    unused = unused_files(root, [*used, dataset.ann_file or root])
    report.facts.append(("not used", f"{len(unused)} files: {some(unused)}" if unused else "none"))


def _report_survey(report: Report, found: Survey, dataset: BaseSegDataset, root: Path) -> None:
    sizes = [f"{h} x {w} ({number})" for (h, w), number in found.sizes.most_common()]
    unknown, known, ignored = found.count(UNKNOWN_LABEL), found.count(), found.count(IGNORE_LABEL)
    total = sum(found.pixels.values())
    of_counted = share(unknown, known + unknown)
    without = [os.path.relpath(path, root) for path in found.without_unknown]
    report.facts += [
        ("sizes", some(sizes) or "none"),
        ("unknown", f"{unknown} pixels, {of_counted} of the known and unknown pixels"),
        ("ignored", f"{ignored} pixels, {share(ignored, total)} of all"),
        ("without unknown", f"{len(without)} images: {some(without)}" if without else "none"),
    ]
    report.values = [
        (str(value), _meaning(value, found, dataset), str(number), share(number, total))
        for value, number in sorted(found.pixels.items())
    ]
    if total and not unknown:
        report.problems.append(
            "no label file has unknown pixels, so nothing can be measured: use the test labels"
        )
    _report_faults(report, found)


def _report_faults(report: Report, found: Survey) -> None:
    wrong = [f"{path} {values}" for path, values in found.wrong.items()]
    for faults, what, fix in (
        (found.unreadable, "cannot be read", "unpack the download again"),
        (wrong, "hold label values that are not allowed", "use the labels of the benchmark"),
        (
            found.unequal,
            "differ in size from their image",
            "use images and labels from the same source",
        ),
    ):
        if faults:
            report.facts.append((what, f"{len(faults)} files"))
            report.problems.append(f"{len(faults)} files {what}: {some(faults)}: {fix}")


def _meaning(value: int, found: Survey, dataset: BaseSegDataset) -> str:
    if value not in found.meanings:
        return "not allowed"
    label, classes = found.meanings[value], dataset.metainfo.get("classes") or ()
    if label not in (UNKNOWN_LABEL, IGNORE_LABEL):
        name = classes[label] if label < len(classes) else str(label)
        return "known" if name == "known" else f"known: {name}"
    kind = "unknown" if label == UNKNOWN_LABEL else "ignored"
    names = getattr(dataset, "file_classes", ())  # of the ids in the label files
    index = value - int(dataset.reduce_zero_label or False)
    return f"{kind}: {names[index]}" if 0 <= index < len(names) else kind
