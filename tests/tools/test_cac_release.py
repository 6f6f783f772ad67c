"""Files of the CAC release: what is read, what is rejected, and the result."""

import copy
import re

import numpy as np
import pytest
import torch
from cac_release import (
    config_name,
    convert_release,
    read_release,
    write_release,
)

from mmosr.engine.checkpoint import load_checkpoint_strict, read_checkpoint
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .cac_files import logits, release, save

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")
HEADS = {True: "mmosr.CACClsHead", False: "LinearClsHead"}


def build(open_set):
    torch.manual_seed(7)
    head = dict(type=HEADS[open_set], in_channels=2048, num_classes=6)
    backbone = dict(type="mmosr.OSRCINet")
    model = MODELS.build(dict(type="mmosr.OpenSetImageClassifier", backbone=backbone, head=head))
    model.eval()
    return model


def our_logits(model, inputs):
    with torch.no_grad():
        features = model.extract_feat(inputs)
        if model.classifier is None:
            return model.head(features)
        return model.classifier.embed(model.head.pre_logits(features))


@pytest.mark.parametrize("dropout_first", [False, True])
@pytest.mark.parametrize("open_set", [True, False])
def test_weights(tmp_path, open_set, dropout_first):
    content = release(open_set, dropout_first=dropout_first)
    source = save(content, tmp_path / "file.pth")
    found = read_release(source)
    assert (found.open_set, found.accuracy, found.epoch) == (open_set, 93.25, 148)
    assert found.trial is None and config_name(found) is None
    write_release(found, tmp_path / "out" / "ours.pth")
    model = build(open_set)
    inputs = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    expected = logits(content["net"], inputs)
    assert not torch.allclose(our_logits(model, inputs), expected, atol=0.1)
    load_checkpoint_strict(model, tmp_path / "out" / "ours.pth")
    assert expected.std() > 0.5
    torch.testing.assert_close(our_logits(model, inputs), expected, rtol=0, atol=1e-4)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ours.pth"]
    assert model.backbone.layers[8].bn.num_batches_tracked == 1009
    if open_set:
        anchors = 10 * torch.eye(6) + 0.25
        assert torch.equal(model.classifier.anchors, anchors)
        assert torch.equal(model.classifier.reestimated_anchors, anchors)
        with pytest.raises(InputError, match="anchors"):
            model.head(model.extract_feat(inputs))  # they still need to be re-estimated
        model.classifier.test_anchors = "fixed"
        distances = torch.cdist(expected, anchors)
        scores = model.head(model.extract_feat(inputs))
        torch.testing.assert_close(scores, -distances, rtol=1e-4, atol=1e-4)


def test_file_with_names(tmp_path):
    source = save(release(), tmp_path / "CIFAR10_2_CACclassifierAnchorLoss.pth")
    found = read_release(source)
    assert found.trial == 2
    assert config_name(found) == "configs/cac_osrcinet_cifar10-release-trial2.py"
    write_release(found, tmp_path / "ours.pth")
    meta = read_checkpoint(tmp_path / "ours.pth")["meta"]
    known = ("airplane", "automobile", "deer", "dog", "frog", "ship")
    assert meta == {
        "cac_release": {"accuracy": 93.25, "epoch": 148, "trial": 2},
        "dataset_meta": {"classes": known},
    }
    closed = save(release(False), tmp_path / "CIFAR10_4_closedSetClassifier.pth")
    name = config_name(read_release(closed))
    assert name == "configs/softmax_osrcinet_cifar10-release-trial4.py"
    other = save(release(), tmp_path / "mine.pth")
    assert read_release(other, trial=1).trial == 1 and read_release(source, trial=2).trial == 2


def test_a_name_that_says_something_else(tmp_path):
    # The shapes of SVHN's models are those of CIFAR10's.
    for data in ("SVHN", "CIFAR+10"):
        path = save(release(), tmp_path / f"{data}_0_CACclassifierAnchorLoss.pth")
        with pytest.raises(InputError, match=rf"for {re.escape(data)}, not for CIFAR10"):
            read_release(path)
    path = save(release(), tmp_path / "CIFAR10_1_CACclassifierAnchorLoss.pth")
    with pytest.raises(InputError, match="by its name the model is for trial 1, not 0"):
        read_release(path, trial=0)
    for path, trial in (("CIFAR10_5_closedSetClassifier.pth", None), ("mine.pth", 5)):
        with pytest.raises(InputError, match="has no trial 5"):
            read_release(save(release(), tmp_path / path), trial)


def refusal(tmp_path, content):
    """The one-line message for a rejected file."""
    path = save(content, tmp_path / "file.pth")
    with pytest.raises(InputError) as caught:
        read_release(path)
    text = str(caught.value)
    start = f"{path} is not a CIFAR10 checkpoint of the CAC release: "
    end = ": use one of the files in its networks/weights/CIFAR10"
    assert text.startswith(start) and text.endswith(end) and "\n" not in text
    return text[len(start) : -len(end)]


OPTIONAL = {"means", "covars", "invcovars"}
KEYS = list(release()["net"])


def test_every_key_is_needed(tmp_path):
    assert len(KEYS) == 2 * 9 * 6 + 2 + 3
    path = tmp_path / "file.pth"
    for key in KEYS:
        content = release()
        del content["net"][key]
        save(content, path)
        if key in OPTIONAL:
            assert read_release(path).open_set == (key != "means")
            continue
        with pytest.raises(InputError, match=re.escape(f": 1 missing (net.{key}): use")):
            read_release(path)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("covars", "invcovars")])
def test_every_shape_and_type_is_checked(tmp_path, key):
    content = release()
    value = content["net"][key]
    wrong = value[None] if value.dim() < 2 else value[..., :-1]
    content["net"][key] = wrong
    expected = f"1 of another shape or type (net.{key} is {tuple(wrong.shape)} "
    assert refusal(tmp_path, content).startswith(expected)
    content["net"][key] = value.half()
    found = refusal(tmp_path, content)
    assert f"(net.{key} is {tuple(value.shape)} float16 instead of {tuple(value.shape)} " in found


def test_duplicates_must_be_exact(tmp_path):
    duplicates = [key for key in KEYS if re.match(r"encoder\.encoder\d", key)]
    assert len(duplicates) == 9 * 6
    content = release()
    for key in duplicates:
        changed = copy.copy(content["net"])
        changed[key] = changed[key].clone()
        changed[key].view(-1)[-1] += 1 if changed[key].dtype == torch.int64 else 1e-6
        assert not torch.equal(changed[key], content["net"][key])
        expected = f"1 duplicates that are not exact duplicates (net.{key})"
        assert refusal(tmp_path, dict(content, net=changed)) == expected
    # One block with the dropout in front and the others with it after is not such a file.
    mixed = {k: v for k, v in content["net"].items() if "encoder.encoder2" not in k}
    other = release(dropout_first=True)["net"]
    mixed.update({k: v for k, v in other.items() if "encoder.encoder2" in k})
    assert "missing" in refusal(tmp_path, dict(content, net=mixed))


def change(**changes):
    return lambda content: content["net"].update(changes)


WRONG = {
    "other key": (change(anchors=torch.eye(6)), "1 unexpected (net.anchors)"),
    "names of several": (
        lambda content: [content["net"].pop(f"classify.{part}") for part in ("weight", "bias")],
        "2 missing (net.classify.bias, net.classify.weight)",
    ),
    "two kinds": (
        lambda content: [content["net"].pop("classify.bias"), change(z=torch.ones(1))(content)],
        "1 missing (net.classify.bias); 1 unexpected (net.z)",
    ),
    "64 pixels": (
        change(**{"classify.weight": torch.zeros(20, 8192), "classify.bias": torch.zeros(20)}),
        "2 of another shape or type (net.classify.weight is (20, 8192) float32 instead of "
        "(6, 2048) float32, net.classify.bias is (20,) float32 instead of (6,) float32)",
    ),
    "anchors in float32": (
        change(means=torch.eye(6)),
        "1 of another shape or type (net.means is (6, 6) float32 instead of (6, 6) float64)",
    ),
    "no tensor": (
        change(**{"classify.bias": [0.0] * 6, "covars": None}),
        "2 of another shape or type (net.classify.bias is a list instead of (6,) float32, "
        "net.covars is not a tensor)",
    ),
    "not finite": (
        change(means=torch.full((6, 6), float("nan"), dtype=torch.float64)),
        "1 not finite (net.means)",
    ),
    "no net": (lambda content: content.pop("net"), "1 missing (net)"),
    "no epoch": (lambda content: content.pop("epoch"), "1 missing (epoch)"),
    "more": (lambda content: content.update(optimizer={}), "1 unexpected (optimizer)"),
    "net": (lambda content: content.update(net=[1]), "net is not a state dict"),
    "acc": (lambda content: content.update(acc="high"), "acc is not a number"),
    "epoch": (lambda content: content.update(epoch=1.5), "epoch is not a number"),
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused(tmp_path, name):
    break_it, message = WRONG[name]
    content = release()
    break_it(content)
    assert refusal(tmp_path, content) == message


def test_long_lists_are_cut(tmp_path):
    content = release()
    for key in list(content["net"]):
        if key.startswith("encoder.encoder"):
            del content["net"][key]
    expected = "54 missing (net.encoder.encoder1.0.weight, net.encoder.encoder1.1.bias, ...)"
    assert refusal(tmp_path, content) == expected


class Spy:
    """Runs code when it is unpickled."""

    ran = False

    def __reduce__(self):
        return setattr, (Spy, "ran", True)


def test_no_code_of_the_file_runs(tmp_path):
    path = save(dict(release(), acc=Spy()), tmp_path / "file.pth")
    with pytest.raises(InputError, match="could run code"):
        read_release(path)
    assert not Spy.ran
    with pytest.raises(InputError, match="does not exist"):
        read_release(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    with pytest.raises(InputError, match="is not a checkpoint"):
        read_release(tmp_path / "text.pth")


def test_figures_as_numpy_scalars(tmp_path):
    content = dict(release(), acc=np.float64(90.5))
    assert read_release(save(content, tmp_path / "file.pth")).accuracy == 90.5


def test_written_whole(tmp_path, monkeypatch):
    found = read_release(save(release(), tmp_path / "file.pth"))
    out = tmp_path / "ours.pth"
    out.write_bytes(b"before")

    def fail(content, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_release(found, out)
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.pth", "ours.pth"]


def test_state_dict_has_nothing_of_the_duplicates(tmp_path):
    state = convert_release(read_release(save(release(), tmp_path / "file.pth")))
    assert len(state) == 9 * 6 + 2 + 3
    assert all(value.dtype != torch.float64 for value in state.values())
