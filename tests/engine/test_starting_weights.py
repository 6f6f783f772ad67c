"""What a training starts from: the weights that fit, under either name in a decode head."""

from collections import OrderedDict

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from torch import nn

from mmosr.engine.starting_weights import describe_start, prepare_start, rename_hosts
from mmosr.utils import InputError

HEAD = dict(
    in_channels=32,
    in_index=3,
    channels=8,
    dilations=(1, 2),
    c1_in_channels=4,
    c1_channels=4,
    num_classes=3,
)
HOST = "DepthwiseSeparableASPPHead"
HEADS = {
    "softmax": dict(type=HOST, **HEAD),
    "lgmm": dict(type="mmosr.LGMMHead", host=HOST, classifier=dict(embed_dims=5), **HEAD),
}
STREETS = dict(
    type="EncoderDecoder",
    backbone=dict(type="ResNetV1c", depth=18, base_channels=4, stem_channels=4),
)
IMAGES = dict(
    type="ImageClassifier",
    backbone=dict(type="ResNet_CIFAR", depth=18, base_channels=4, stem_channels=4),
    neck=dict(type="GlobalAveragePooling"),
)


def segmentor(head, seed):
    init_default_scope("mmseg")
    return filled(MODELS.build(dict(STREETS, decode_head=HEADS[head])), seed)


def classifier(head, seed):
    init_default_scope("mmpretrain")
    return filled(
        MODELS.build(dict(IMAGES, head=dict(in_channels=32, num_classes=3, **head))), seed
    )


def filled(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 1, generator=generator)
        else:
            value.fill_(seed)
    return model


@pytest.fixture
def start(tmp_path, request):
    """Start ``model`` from the weights of ``given``: what it had before, and the log."""

    def run(model, given, bare=False, **cfg):
        path = tmp_path / "start.pth"
        state = given.state_dict()
        torch.save(state if bare else {"state_dict": state, "meta": {}}, path)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        work = tmp_path / "work"
        cfg = Config(dict(load_from=str(path), **cfg))
        runner = Runner(
            model,
            str(work),
            load_from=str(path),
            experiment_name=f"starting_weights_{request.node.name}_{id(model)}",
        )
        prepare_start(runner, cfg)
        runner.load_or_resume()
        log = "".join(file.read_text() for file in sorted(work.glob("*/*.log")))
        (line,) = [line for line in log.splitlines() if f"load_from={path}:" in line]
        return before, line.partition(": ")[2]

    return run


def host_of(key):
    return key.replace("decode_head.", "decode_head.host.", 1)


def counted(keys, start=""):
    """Names of weights, without the counters of batch norm."""
    return [k for k in keys if k.startswith(start) and not k.endswith("num_batches_tracked")]


@pytest.mark.parametrize("bare", [False, True])
def test_a_plain_head_starts_from_an_open_set_head(start, bare):
    plain, given = segmentor("softmax", 1), segmentor("lgmm", 2)
    before, line = start(plain, given, bare)
    expected, last = given.state_dict(), counted(before, "decode_head.conv_seg.")
    for key, value in plain.state_dict().items():
        assert torch.equal(value, before[key] if key in last else expected[host_of(key)]), key
    total, own = len(counted(before)), counted(expected, "decode_head.classifier.")
    renamed = counted(before, "decode_head.")[2:]
    assert line == (
        f"{total - 2} of {total} weights taken, {len(renamed)} renamed "
        f"({host_of(renamed[0])} to {renamed[0]}, {host_of(renamed[1])} to {renamed[1]}, ...), "
        f"2 not in the file ({last[0]}, {last[1]}), {len(own)} not used ({own[0]}, {own[1]}, ...)"
    )


def test_an_open_set_head_starts_from_a_plain_head(start):
    open_set, given = segmentor("lgmm", 1), segmentor("softmax", 2)
    before, line = start(open_set, given)
    expected = given.state_dict()
    for key, value in open_set.state_dict().items():
        own = key.startswith("decode_head.classifier.")
        source = before[key] if own else expected[key.replace(".host.", ".", 1)]
        assert own and key.endswith("num_batches_tracked") or torch.equal(value, source), key
    total, own = len(counted(before)), len(counted(before, "decode_head.classifier."))
    assert line.startswith(f"{total - own} of {total} weights taken")
    assert f"{own} not in the file" in line
    assert line.endswith("2 not used (decode_head.conv_seg.weight, decode_head.conv_seg.bias)")


def test_all_of_the_same_model(start):
    model, given = segmentor("lgmm", 1), segmentor("lgmm", 2)
    before, line = start(model, given)
    total = len(counted(before))
    assert line == f"{total} of {total} weights taken"
    assert all(torch.equal(model.state_dict()[k], v) for k, v in given.state_dict().items())


def test_image_classifiers_share_the_backbone(start):
    """The names differ only in the head."""
    plain = classifier(dict(type="LinearClsHead"), 1)
    given = classifier(dict(type="mmosr.LGMMClsHead"), 2)
    before, line = start(plain, given)
    for key, value in plain.state_dict().items():
        source = given.state_dict()[key] if key.startswith("backbone.") else before[key]
        assert torch.equal(value, source), key
    total = len(counted(before))
    assert f"{total - 2} of {total} weights taken" in line
    assert "2 not in the file (head.fc.weight, head.fc.bias)" in line


def test_conversions_of_the_model_count(start):
    """PROSER itself takes over the last layer of a plain head."""
    proser = classifier(dict(type="mmosr.PROSERClsHead"), 1)
    before, line = start(proser, classifier(dict(type="LinearClsHead"), 2))
    missing = [key for key in before if "placeholder" in key]
    total = len(counted(before))
    assert line.startswith(f"{total - len(missing)} of {total} weights taken")
    assert "not used" not in line


def test_another_model_is_refused(start):
    with pytest.raises(InputError, match=r"start.pth is for another model: 0 of \d+ weights taken"):
        start(segmentor("lgmm", 1), nn.Linear(2, 2))


def test_weights_that_fit_by_chance_are_refused(start):
    """Norms of other networks have the same names and shapes, but almost no values."""
    model = segmentor("lgmm", 1)
    state = OrderedDict((key, value) for key, value in model.state_dict().items() if ".bn1." in key)
    with pytest.raises(InputError, match="is for another model: [1-9]"):
        describe_start(model, state, "x.pth", state)


def test_a_model_that_cannot_convert_the_weights():
    class Fails(nn.Linear):
        def _load_from_state_dict(self, *args):
            raise KeyError("old")

    with pytest.raises(
        InputError, match="load_from=x is for another model: not converted.*KeyError"
    ):
        describe_start(Fails(1, 1), OrderedDict(), "x", {})


def test_renaming():
    state = OrderedDict([("a.host.w", 1), ("a.0.x", 2), ("b.w", 3), ("c", 4)])
    state._metadata = {"a": {"version": 2}}
    renamed = rename_hosts(state, ["a.w", "a.0.host.x", "b.w", "b.host.v"])
    assert list(renamed.items()) == [("a.w", 1), ("a.0.host.x", 2), ("b.w", 3), ("c", 4)]
    assert renamed._metadata == state._metadata
    # A name that is already in the file is not used twice.
    both = OrderedDict([("a.host.w", 1), ("a.w", 2)])
    assert rename_hosts(both, ["a.w"]) == both


def test_weights_alone_are_not_resumed(start):
    model = segmentor("lgmm", 1)
    with pytest.raises(
        InputError, match="start.pth holds weights but no training state.*load_from="
    ):
        start(model, segmentor("lgmm", 2), resume=True)


def test_nothing_to_start_from(tmp_path):
    runner = Runner(nn.Linear(1, 1), str(tmp_path), experiment_name="starting_weights_nothing")
    before = list(runner.hooks)
    prepare_start(runner, Config(dict(load_from=None)))
    assert runner.hooks == before
