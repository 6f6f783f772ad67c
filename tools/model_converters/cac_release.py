"""Checkpoints of the public CAC release, as weights of our models.

The release's CIFAR10 files are legacy torch pickles of ``net``, ``acc`` and ``epoch``. ``net`` is
the state dict of the nine convolutions, of the linear layer behind them and, in the open-set
models, of the anchors. It holds each convolution and batch norm twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import torch
from torch import Tensor

from mmosr.classification.backbones.osrci_net import BLOCK, WIDTHS
from mmosr.datasets.class_splits import load_split
from mmosr.engine.checkpoint import read_checkpoint
from mmosr.runs.files import atomic_write
from mmosr.utils import InputError

SPLIT = "cac_release/cifar10"
CLASSES, FEATURES = 6, 2048
_OPTIONAL = ("means", "covars", "invcovars")
_UNUSED = ("covars", "invcovars")
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_NAME = re.compile(r"(?P<data>.+)_(?P<trial>\d+)_.*(CACclassifier|closedSetClassifier)")


@dataclass(frozen=True)
class CACRelease:
    """A file of the release that was checked.

    Args:
        net: Its weights, without the duplicates and the unused ones.
        accuracy: Closed-set validation accuracy that it states, in percent.
        epoch: Epoch that it states.
        trial: Number of the class split, None if not known.
    """

    net: Mapping[str, Tensor]
    accuracy: float
    epoch: int
    trial: int | None = None

    @property
    def open_set(self) -> bool:
        """Whether it is a CAC model; otherwise a softmax model without anchors."""
        return "means" in self.net


def read_release(path: str | os.PathLike, trial: int | None = None) -> CACRelease:
    """Read and check a CIFAR10 file of the release, without running code from it.

    Args:
        path: The file.
        trial: Number of its class split; default: the one in the file's name, as in
            ``CIFAR10_0_CACclassifierAnchorLoss.pth``.

    Raises:
        InputError: One line that names every kind of difference from the format: keys missing or
            unexpected, another shape or type, values that are not finite, duplicates that differ.
            Or the file's name says another data set or trial.
    """
    trial = _trial(Path(path), trial)
    content = read_checkpoint(path)
    faults = _compare(content, {"net", "acc", "epoch"}, "")
    net = content.get("net")
    if not faults:
        faults = [] if isinstance(net, Mapping) else ["net is not a state dict"]
        for key, kind in (("acc", Real), ("epoch", int)):
            if not isinstance(content[key], kind) or isinstance(content[key], bool):
                faults.append(f"{key} is not a number")
    if not faults:
        faults = _check_net(net)
    if faults:
        raise InputError(
            f"{path} is not a CIFAR10 checkpoint of the CAC release: {'; '.join(faults)}: use one "
            "of the files in its networks/weights/CIFAR10"
        )
    kept = {key: net[key] for key in (*_shapes(), "means") if key in net}
    return CACRelease(kept, float(content["acc"]), content["epoch"], trial)


def convert_release(release: CACRelease) -> dict[str, Tensor]:
    """State dict of ``mmosr.OpenSetImageClassifier`` with ``mmosr.OSRCINet``.

    The head is ``mmosr.CACClsHead``, whose anchors count as not yet re-estimated, or mmpretrain's
    ``LinearClsHead`` for a model without anchors.
    """
    net, state = release.net, {}
    for number in range(1, len(WIDTHS) + 1):
        layer = f"backbone.layers.{number - 1}"
        state[f"{layer}.conv.weight"] = net[f"encoder.conv{number}.weight"]
        for part in _NORM:
            state[f"{layer}.bn.{part}"] = net[f"encoder.bn{number}.{part}"]
    linear = "head.classifier.projection" if release.open_set else "head.fc"
    for part in ("weight", "bias"):
        state[f"{linear}.{part}"] = net[f"classify.{part}"]
    if release.open_set:
        anchors = net["means"].float()
        state["head.classifier.anchors"] = anchors
        state["head.classifier.reestimated_anchors"] = anchors.clone()
        state["head.classifier.fitted"] = torch.tensor(False)
    return state


def config_name(release: CACRelease) -> str | None:
    """The matching shipped config; None if the trial is not known."""
    if release.trial is None:
        return None
    method = "cac" if release.open_set else "softmax"
    return f"configs/{method}_osrcinet_cifar10-release-trial{release.trial}.py"


def write_release(release: CACRelease, path: str | os.PathLike) -> None:
    """Write a checkpoint of mmengine, whole.

    Its ``meta`` holds what the release states and, if the trial is known, the names of the known
    classes as ``dataset_meta``.
    """
    meta: dict = {"cac_release": {"accuracy": release.accuracy, "epoch": release.epoch}}
    if release.trial is not None:
        meta["cac_release"]["trial"] = release.trial
        meta["dataset_meta"] = {"classes": load_split(SPLIT, release.trial).known_names}
    with atomic_write(path) as temporary:
        torch.save({"meta": meta, "state_dict": convert_release(release)}, temporary)


def _trial(path: Path, given: int | None) -> int | None:
    """The trial; a file name that says otherwise is an error, as shapes cannot show it."""
    if given is not None:
        load_split(SPLIT, given)
    named = _NAME.match(path.name)
    if named is None:
        return given
    if named["data"] != "CIFAR10":
        raise InputError(f"{path}: by its name the model is for {named['data']}, not for CIFAR10")
    trial = int(named["trial"])
    if given not in (None, trial):
        raise InputError(f"{path}: by its name the model is for trial {trial}, not {given}")
    load_split(SPLIT, trial)
    return trial


def _shapes() -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of every used weight except the anchors."""
    shapes = {}
    for number, (before, width) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False), 1):
        shapes[f"encoder.conv{number}.weight"] = ((width, before, 3, 3), torch.float32)
        for part in _NORM:
            counts = part == "num_batches_tracked"
            kind = torch.int64 if counts else torch.float32
            shapes[f"encoder.bn{number}.{part}"] = (() if counts else (width,), kind)
    shapes["classify.weight"] = ((CLASSES, FEATURES), torch.float32)
    shapes["classify.bias"] = ((CLASSES,), torch.float32)
    return shapes


def _duplicates(first: int) -> Iterator[tuple[str, str]]:
    """Each duplicate and its original; ``first`` is the position of a block's first convolution.

    A block is a sequence of convolution, norm and activation, three times, and one dropout.
    """
    for number in range(1, len(WIDTHS) + 1):
        block, index = divmod(number - 1, BLOCK)
        place = f"encoder.encoder{block + 1}.{{}}"
        conv = first + 3 * index
        yield f"{place.format(conv)}.weight", f"encoder.conv{number}.weight"
        for part in _NORM:
            yield f"{place.format(conv + 1)}.{part}", f"encoder.bn{number}.{part}"


def _check_net(net: Mapping) -> list[str]:
    """All differences from the format, one phrase per kind."""
    shapes = _shapes()
    # With the dropout in front of a block, everything is one position later.
    layouts = [dict(_duplicates(first)) for first in (0, 1)]
    duplicates = max(layouts, key=lambda layout: len(layout.keys() & net.keys()))
    shapes.update({copy: shapes[original] for copy, original in duplicates.items()})
    faults = _compare(net, set(shapes), "net.", _OPTIONAL)
    if "means" in net:
        shapes["means"] = ((CLASSES, CLASSES), torch.float64)
    different, infinite = [], []
    for key, (shape, kind) in shapes.items():
        if key not in net:
            continue
        value = net[key]
        if not torch.is_tensor(value) or (tuple(value.shape), value.dtype) != (shape, kind):
            different.append(f"net.{key} is {_describe(value)} instead of {_text(shape, kind)}")
        elif not value.isfinite().all():
            infinite.append(f"net.{key}")
    different += [
        f"net.{k} is not a tensor" for k in _UNUSED if k in net and not torch.is_tensor(net[k])
    ]
    faults += _phrase(different, "of another shape or type")
    faults += _phrase(infinite, "not finite")
    if not faults:
        unequal = [f"net.{c}" for c, o in duplicates.items() if not torch.equal(net[c], net[o])]
        faults += _phrase(unequal, "duplicates that are not exact duplicates")
    return faults


def _compare(
    found: Mapping, needed: set[str], prefix: str, optional: tuple[str, ...] = ()
) -> list[str]:
    """Missing and unexpected keys, one phrase each."""
    missing = [prefix + key for key in sorted(needed - found.keys())]
    unexpected = [prefix + str(key) for key in found if key not in needed and key not in optional]
    return _phrase(missing, "missing") + _phrase(unexpected, "unexpected")


def _phrase(entries: list[str], kind: str) -> list[str]:
    if not entries:
        return []
    return [f"{len(entries)} {kind} ({', '.join(entries[:2])}{', ...' * (len(entries) > 2)})"]


def _describe(value: object) -> str:
    if not torch.is_tensor(value):
        return f"a {type(value).__name__}"
    return _text(tuple(value.shape), value.dtype)


def _text(shape: tuple[int, ...], kind: torch.dtype) -> str:
    return f"{shape} {str(kind).removeprefix('torch.')}"
