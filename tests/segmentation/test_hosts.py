"""Every decode head of mmseg in a whole segmentor: trained, tested, or rejected in one line."""

import importlib.util
from importlib import import_module
from pathlib import Path

import mmcv
import mmseg.models.decode_heads as decode_heads
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from scipy.special import expit, logsumexp, softmax
from torch.nn import functional as F

from mmosr.segmentation import LGMMHead
from mmosr.utils import InputError

from .hosts import HOSTS, NUM_CLASSES, images

pytestmark = pytest.mark.usefixtures("mmseg_scope")
METHODS = {
    "lgmm": dict(
        type="mmosr.LGMMHead",
        classifier=dict(embed_dims=6, num_components=2, normalization="l2", temperature=3.0),
    ),
    "cac": dict(type="mmosr.CACHead", classifier=dict(test_anchors="fixed")),
    "movr": dict(type="mmosr.MOvRHead", classifier=dict(scale=8.0)),
    "doc": dict(
        type="mmosr.OpenSetHead",
        classifier=dict(type="mmosr.LinearClassifier"),
        loss_decode=dict(type="mmosr.MOvRLoss", margin=0, scale=None),
    ),
}
MAIN = ("FCNHead", "DepthwiseSeparableASPPHead", "SegformerHead", "UPerHead", "OCRHead")
WRAPPED = [name for name, host in HOSTS.items() if not host.open_set]
PAIRS = [
    (name, method)
    for i, name in enumerate(WRAPPED)
    for method in (METHODS if name in MAIN else [list(METHODS)[i % len(METHODS)]])
]
SCORED = [name for name, host in HOSTS.items() if not host.scores]


@pytest.fixture(scope="session")
def operators():
    """Function to mmcv's operators by name: those written in Python need no compiled part."""

    def load(file):
        path = Path(mmcv.__path__[0], "ops", file)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    files = {"CrissCrossAttention": "cc_attention.py", "point_sample": "point_sample.py"}
    loaded = {}

    def get(name):
        if name not in loaded:
            loaded[name] = getattr(load(files[name]), name)
        return loaded[name]

    return get


@pytest.fixture
def build(operators, monkeypatch):
    """Function from a host's name and the part of a method to the segmentor."""

    def make(name, method=None, auxiliary=False, **model_cfg):
        host = HOSTS[name]
        head = dict(host.cfg, type=name)
        if "kernel_generate_head" not in head:
            head["num_classes"] = NUM_CLASSES
        if method is not None:
            head = {**head, **METHODS[method], "host": name}
        module = import_module(getattr(decode_heads, name).__module__)
        if host.operator and getattr(module, host.operator) is None:
            if host.compiled:
                pytest.skip(f"mmcv has no compiled {host.operator} here")
            monkeypatch.setattr(module, host.operator, operators(host.operator))
        first = dict(HOSTS["FCNHead"].cfg, type="FCNHead", num_classes=NUM_CLASSES)
        cascade = dict(type="mmosr.OpenSetCascadeEncoderDecoder", num_stages=2)
        test_cfg = dict(mode="whole")
        if name == "PointHead":
            test_cfg.update(subdivision_steps=2, subdivision_num_points=20, scale_factor=2)
        cfg = dict(
            type="mmosr.OpenSetEncoderDecoder",
            backbone=host.backbone,
            decode_head=[first, head] if host.cascade else head,
            auxiliary_head=first if auxiliary else None,
            data_preprocessor=dict(type="SegDataPreProcessor"),
            test_cfg=test_cfg,
        )
        torch.manual_seed(0)
        return MODELS.build(ConfigDict({**cfg, **(cascade if host.cascade else {}), **model_cfg}))

    return make


def test_the_table_holds_every_head_of_mmseg():
    parts_of_knet = {"KernelUpdateHead", "KernelUpdator"}
    assert set(HOSTS) == set(decode_heads.__all__) - parts_of_knet


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_trains_one_step(build, name, method):
    model = build(name, method, auxiliary=name in MAIN).train()
    size = HOSTS[name].size
    labels = torch.randint(0, NUM_CLASSES, (2, 1, *size))
    labels[:, :, :4] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    losses = model(torch.stack(images(size)), samples, mode="loss")
    assert ("aux.loss_ce" in losses) == (name in MAIN)
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total) and total > 0
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    total.backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    # Distributed training waits for the gradient of every parameter.
    assert [n for n, p in trained.items() if p.grad is None] == []
    before = {n: p.detach().clone() for n, p in trained.items()}
    optimiser.step()
    moved = [n for n, p in trained.items() if not torch.equal(p, before[n])]
    # Attention blocks start at zero: what is before them changes from the second step on.
    assert len(moved) > 0.6 * len(trained)
    assert any(n.startswith("backbone") for n in moved)
    assert any("classifier" in n for n in moved)


def predict(model, size):
    """The samples of two images, and what the classifier saw."""
    meta = dict(img_shape=size, ori_shape=size)
    pictures = images(size)
    samples = [SegDataSample(metainfo=meta) for _ in pictures]
    torch.manual_seed(1)  # LightHamHead draws its bases in every forward pass
    with torch.no_grad(), model.classifier_input() as seen:
        samples = model.eval().test_step(dict(inputs=pictures, data_samples=samples))
    return samples, seen


def class_scores_by_hand(method, classifier, features):
    """Class scores ``(N, C, h, w)`` of features, in NumPy and float64."""
    state = {name: value.double().numpy() for name, value in classifier.state_dict().items()}
    rows = np.moveaxis(features.double().numpy(), 1, -1)
    if method == "movr":
        unit = state["prototypes"] / np.linalg.norm(state["prototypes"], axis=1, keepdims=True)
        norm = np.linalg.norm(rows, axis=-1, keepdims=True)
        scores = 8.0 * rows / np.where(norm == 0, 1, norm) @ unit.T  # ReLU may leave nothing
    else:
        z = rows @ state["projection.weight"].T + state["projection.bias"]
        if method == "doc":
            scores = z
        elif method == "cac":
            differences = z[..., None, :] - 10 * np.eye(NUM_CLASSES)
            scores = -np.linalg.norm(differences, axis=-1)
        else:
            z *= np.sqrt(6) / np.linalg.norm(z, axis=-1, keepdims=True)
            sigma = classifier.mixture.sigma.detach().double().numpy()
            offsets = (z[..., None, None, :] - state["mixture.means"]) / sigma
            log_normal = -0.5 * (offsets**2 + np.log(2 * np.pi)) - np.log(sigma)
            # Two components of the same weight, prior 1 / C, temperature 3.
            density = logsumexp(log_normal.sum(-1) - np.log(2), axis=-1)
            scores = density / 3.0 - np.log(NUM_CLASSES)
    return torch.from_numpy(np.moveaxis(scores, -1, 1).copy())


def anomaly_by_hand(method, scores):
    """The method's first score of class scores ``(C, H, W)``."""
    if method == "lgmm":
        return -(3.0 * (scores + np.log(NUM_CLASSES))).max(0)
    if method == "cac":
        return (-scores * (1 - softmax(scores, 0))).min(0)
    if method == "doc":
        return 1 - expit(scores.max(0))
    others = np.logaddexp(0, scores).sum(0) - np.logaddexp(0, scores.max(0))
    return others + np.logaddexp(0, -scores.max(0))


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_anomaly_map_by_value(build, name, method):
    model, size = build(name, method), HOSTS[name].size
    samples, seen = predict(model, size)
    by_hand = class_scores_by_hand(method, model.classifier, seen[0])
    logits = F.interpolate(by_hand, size, mode="bilinear").numpy()
    assert len(seen) == 1
    for sample, expected in zip(samples, logits, strict=True):
        assert sample.pred_anomaly.data.shape == (1, *size)
        values = sample.pred_anomaly.data[0].numpy()
        np.testing.assert_allclose(values, anomaly_by_hand(method, expected), rtol=1e-3, atol=1e-3)
        assert np.isfinite(values).all() and values.std() > 1e-4
        known = sample.pred_sem_seg.data[0].numpy()
        assert (known == expected.argmax(0)).mean() > 0.99  # but for ties


@pytest.mark.parametrize("name", SCORED)
def test_post_hoc_scores_of_a_plain_head(build, name):
    model = build(name, score=["msp", "energy"])
    size, features = HOSTS[name].size, HOSTS[name].features
    samples, seen = predict(model, size)
    if features:
        logits = F.interpolate(model.last_head.conv_seg(seen[0]), size, mode="bilinear")
    assert len(seen) == features
    for i, sample in enumerate(samples):
        shown = sample.seg_logits.data
        assert shown.shape == (NUM_CLASSES, *size) and shown.std() > 0
        if features:
            torch.testing.assert_close(shown, logits[i], rtol=1e-4, atol=1e-5)
        shown = shown.double().numpy()
        scores = {name: sample.pred_anomaly.get(name)[0].numpy() for name in ("msp", "energy")}
        np.testing.assert_allclose(scores["msp"], 1 - softmax(shown, 0).max(0), atol=1e-5)
        np.testing.assert_allclose(scores["energy"], -logsumexp(shown, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if host.scores])
def test_scores_refused_at_build(name):
    cfg = dict(type="mmosr.OpenSetEncoderDecoder", backbone=HOSTS["FCNHead"].backbone)
    with pytest.raises(InputError, match=f"{name} outputs {HOSTS[name].scores}.*not one logit"):
        MODELS.build(dict(cfg, decode_head=dict(type=name, num_classes=NUM_CLASSES)))


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if host.open_set])
def test_open_set_head_refused_at_build(name):
    cfg = dict(HOSTS[name].cfg)
    if "kernel_generate_head" not in cfg:
        cfg["num_classes"] = NUM_CLASSES
    with pytest.raises(InputError, match=f"'{name}' {HOSTS[name].open_set}.*use a head such as"):
        LGMMHead(name, dict(embed_dims=4), **cfg)


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if host.operator])
@pytest.mark.parametrize("method", [None, "cac"])
def test_missing_operators_are_named(monkeypatch, name, method):
    host = HOSTS[name]
    module = import_module(getattr(decode_heads, name).__module__)
    monkeypatch.setattr(module, host.operator, None)
    head = dict(host.cfg, type=name, num_classes=NUM_CLASSES)
    if method and host.open_set:
        pytest.skip("refused before it is built")
    if method:
        head = {**head, **METHODS[method], "host": name}
    cfg = dict(type="mmosr.OpenSetEncoderDecoder", backbone=host.backbone, decode_head=head)
    with pytest.raises(InputError, match=f"cannot be built: .*mmcv.*{host.operator}"):
        MODELS.build(cfg)


@pytest.mark.parametrize("method", [None, "cac"])
def test_head_of_a_cascade_alone(method):
    head = dict(HOSTS["OCRHead"].cfg, type="OCRHead", num_classes=NUM_CLASSES)
    if method:
        head = {**head, **METHODS[method], "host": "OCRHead"}
    cfg = dict(type="mmosr.OpenSetEncoderDecoder", backbone=HOSTS["OCRHead"].backbone)
    with pytest.raises(InputError, match="OCRHead works on the output of another.*Cascade"):
        MODELS.build(dict(cfg, decode_head=head))


def test_the_table_of_the_documentation():
    """``docs/hosts.md`` says what the tests above show."""
    text = Path(__file__).parents[2].joinpath("docs", "hosts.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    found = {row[0].strip("`"): row[2:5] for row in rows if row and row[0].startswith("`")}
    words = {True: "yes", False: "no"}
    expected = {
        name: [
            words[not host.scores],
            words[not host.scores and host.features],
            words[not host.open_set],
        ]
        for name, host in HOSTS.items()
    }
    assert found == expected
