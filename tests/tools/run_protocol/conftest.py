"""Images and a config, and two runs on them, shared by the tests of the tool."""

import json
import subprocess
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from mmosr.benchmark.images import launch, run_protocol
from tests.processes import Script

from .tiny_protocol import BROKEN, CLASSES, CONFIG, COUNTS, SCORES, start


@pytest.fixture(scope="session", autouse=True)
def forked_trials():
    """The trials of a run in this process need not import the hosts again."""

    def start(command, stdout, stderr):
        _, _, module, *arguments = command  # python -m MODULE ...
        return Script(module, *arguments, log=stdout.name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "subprocess", Mock(wraps=subprocess, Popen=start))
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The config, and images with a colour that depends slightly on their class."""
    root = tmp_path_factory.mktemp("protocol")
    generator = np.random.default_rng(0)
    colours = generator.integers(60, 200, (len(CLASSES), 3))
    for part, count in COUNTS.items():
        for name, colour in zip(CLASSES, colours, strict=True):
            for number in range(count):
                image = np.clip(colour + generator.normal(0, 40, (16, 16, 3)), 0, 255)
                path = root / "data" / part / name / f"{number:04}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), image.astype(np.uint8))
    (root / "tiny.py").write_text(CONFIG.replace("{root}", str(root / "data")))
    return root


@pytest.fixture(scope="session")
def runs(folder):
    """The output of two runs: trial 1 fails because of a broken image, which is then fixed."""
    out, broken = folder / "out", folder / "data/train" / BROKEN
    whole = broken.read_bytes()
    broken.write_bytes(b"no image")
    first = start(folder, out, "0-1")
    texts = first.communicate(timeout=300)
    report = json.loads((out / "protocol.json").read_text())
    kept = (out / "tiny/trial_0/result.json").stat().st_mtime_ns
    broken.write_bytes(whole)
    second = run_protocol("cifar10_6-4", [folder / "tiny.py"], out, [0, 1], SCORES, resume=True)
    return dict(status=first.returncode, texts=texts, report=report, kept=kept, second=second)
