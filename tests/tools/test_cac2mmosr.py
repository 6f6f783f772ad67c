"""tools/model_converters/cac2mmosr.py and what a user does with its file."""

import json

import cv2
import pytest
import torch

from mmosr.engine.checkpoint import read_checkpoint
from tests.classification.test_release_configs import MEANS, NAMES, ROOT, STDS
from tests.tools.cac_files import crops, logits, normalised, release, save

TRIAL = 1
KNOWN = [1, 3, 4, 5, 6, 7]
CONFIG = ROOT / f"cac_osrcinet_cifar10-release-trial{TRIAL}.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four photographs per class and part."""
    root = tmp_path_factory.mktemp("cifar10_jpeg")
    pictures = iter(crops(80))
    for part in ("train", "test"):
        for name in NAMES:
            (root / part / name).mkdir(parents=True)
            for index in range(4):
                cv2.imwrite(str(root / part / name / f"{index}.jpg"), next(pictures))
    return root


def plain(folder, part, net, mirrored=False):
    """Labels ``(N,)``, -1 unknown, and logits ``(N, 6)`` of all images, in plain PyTorch."""
    labels, inputs = [], []
    for index, name in enumerate(NAMES):
        for path in sorted((folder / part / name).glob("*.jpg")):
            labels.append(KNOWN.index(index) if index in KNOWN else -1)
            inputs.append(normalised(path, MEANS[TRIAL], STDS[TRIAL]))
    inputs = torch.stack(inputs)
    return torch.tensor(labels), logits(net, inputs.flip(-1) if mirrored else inputs)


def test_convert_fit_and_test(folder, tmp_path, call):
    content = release(seed=4)
    # Logits that follow the images, so that some of them are classified correctly.
    net = content["net"]
    labels, found = plain(folder, "train", net)
    net["classify.weight"] /= found[labels >= 0].std(0)[:, None]
    net["classify.bias"] -= found[labels >= 0].mean(0)
    net["classify.bias"] /= found[labels >= 0].std(0)
    source = save(content, tmp_path / f"CIFAR10_{TRIAL}_CACclassifierAnchorLoss.pth")
    ours, fitted = tmp_path / "ours.pth", tmp_path / "ours_fitted.pth"
    assert call("model_converters/cac2mmosr", source, ours) == (0, "")

    options = (
        *("--work-dir", tmp_path / "work", "--cfg-options"),
        *(f"{part}_dataloader.dataset.data_root={folder}" for part in ("fit", "test")),
        "test_dataloader.num_workers=0",
    )
    status, error = call("test", CONFIG, ours, *options)
    assert status == 1 and "anchors" in error.splitlines()[-1]  # not re-estimated yet
    status, error = call("fit_score", CONFIG, ours, *options)
    assert status == 0, error
    before, after = read_checkpoint(ours), read_checkpoint(fitted)
    assert after["meta"]["dataset_meta"]["classes"] == tuple(NAMES[index] for index in KNOWN)

    rows = [plain(folder, "train", net, mirrored) for mirrored in (False, True)]
    labels = torch.cat([row[0] for row in rows])
    found = torch.cat([row[1] for row in rows])
    anchors = 10 * torch.eye(6) + 0.25
    counts = []
    for label in range(6):
        right = (labels == label) & (found.argmax(1) == label)
        counts.append(int(right.sum()))
        if right.any():
            anchors[label] = found[right].mean(0)
    assert 0 in counts and sum(count > 0 for count in counts) >= 3
    state = after["state_dict"]
    moved = state.pop("head.classifier.reestimated_anchors")
    torch.testing.assert_close(moved, anchors, rtol=1e-4, atol=1e-4)
    assert state.pop("head.classifier.fitted")
    for key, value in state.items():
        assert torch.equal(value, before["state_dict"][key]), key

    status, error = call("test", CONFIG, fitted, *options)
    assert status == 0, error
    (file,) = sorted((tmp_path / "work").glob("*/*.json"))[-1:]
    figures = json.loads(file.read_text().splitlines()[-1])
    labels, found = plain(folder, "test", net)
    distances = torch.cdist(found, anchors)
    gamma = distances * (1 - (-distances).softmax(1))
    right = (gamma.argmin(1) == labels)[labels >= 0].double().mean()
    assert figures["accuracy/top1"] == pytest.approx(100 * right.item(), abs=1e-3)
    score = gamma.amin(1)
    wins = score[labels < 0][:, None] > score[labels >= 0][None]
    assert figures["cac/AUROC"] == pytest.approx(100 * wins.double().mean().item(), abs=1e-3)


def test_what_it_says(tmp_path, call, monkeypatch):
    said = []
    monkeypatch.setattr("builtins.print", lambda *text, **_: said.append(" ".join(map(str, text))))
    tool, out = "model_converters/cac2mmosr", tmp_path / "with space" / "ours.pth"
    source = save(release(), tmp_path / "mine.pth")
    assert call(tool, source, out)[0] == 0
    assert said[0] == f"{out} written: CAC model, epoch 148, validation accuracy 93.25 %"
    assert said[1].endswith("set --trial to add them")
    assert "dataset_meta" not in read_checkpoint(out)["meta"]
    assert call(tool, source, out, "--trial", 3)[0] == 0
    config = "configs/cac_osrcinet_cifar10-release-trial3.py"
    assert said[3] == f"to re-estimate the anchors: python tools/fit_score.py {config} '{out}'"
    closed = save(release(False), tmp_path / "CIFAR10_0_closedSetClassifier.pth")
    assert call(tool, closed, tmp_path / "closed.pth")[0] == 0
    assert said[4].endswith("softmax model, epoch 148, validation accuracy 93.25 %")
    config = "configs/softmax_osrcinet_cifar10-release-trial0.py"
    assert said[5] == f"to test it: python tools/test.py {config} {tmp_path / 'closed.pth'}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{}/none.pth", "{}/out.pth"), "checkpoint {}/none.pth does not exist"),
        (
            ("{}/wrong.pth", "{}/out.pth"),
            "is not a CIFAR10 checkpoint of the CAC release: 1 missing",
        ),
        (("{}/right.pth", "{}"), "{} is a folder: give the name of a file"),
        (("{}/right.pth", "{}/right.pth"), "is the source itself: give another name"),
        (("{}/right.pth", "{}/out.pth", "--trial", "7"), "has no trial 7: choose one of 0, 1, 2"),
    ],
)
def test_one_line_for_what_is_wrong(tmp_path, call, arguments, message):
    save(release(), tmp_path / "right.pth")
    content = release()
    del content["net"]["classify.bias"]
    save(content, tmp_path / "wrong.pth")
    files = sorted(tmp_path.iterdir())
    before = [path.read_bytes() for path in files]
    arguments = (part.format(tmp_path) for part in arguments)
    status, error = call("model_converters/cac2mmosr", *arguments)
    assert status == 1 and error.count("\n") == 1
    assert error.startswith("error: ") and message.format(tmp_path) in error
    assert sorted(tmp_path.iterdir()) == files
    assert [path.read_bytes() for path in files] == before
