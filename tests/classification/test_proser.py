"""PROSER: losses against plain loops, and features that are mixed where and with whom they must."""

import copy
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint
from mmpretrain.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmosr.classification import PROSERClsHead
from mmosr.engine import StepSeedHook
from mmosr.registry import MODELS as MMOSR_MODELS
from mmosr.utils import InputError

from .contract import ClsHeadContract
from .toy import OPEN_SET, C, D, images, labelled, predict

M, SEED, GAMMA = 2, 5, 0.3
HEAD = dict(type="mmosr.PROSERClsHead", classifier=dict(num_placeholders=M))
LABELS = torch.tensor([0, 1, 2, 3, 1, 0, 2, 2, 3, 1])
DOCS = Path(__file__).parents[2] / "docs" / "proser.md"
pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


@MMOSR_MODELS.register_module(name="TestLayeredBackbone", force=True)
class LayeredBackbone(nn.Module):
    """Layers without batch norm: what becomes of an image does not depend on the others."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3)
        self.act = nn.Tanh()
        self.stages = nn.ModuleList([nn.Conv2d(5, 6, 1), nn.Conv2d(6, D, 1)])
        self.twins = nn.Identity()

    def after(self, x):
        """From the output of the first stage to the features."""
        x, _ = self.twins((x, x))
        return self.act(self.stages[1](self.act(x))).mean((2, 3))

    def forward(self, x):
        return (self.after(self.stages[0](self.act(self.first(x)))),)


def build(head=HEAD, backbone=None, **options):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    config = dict(
        type="mmosr.PROSER",
        backbone=backbone or dict(type="mmosr.TestLayeredBackbone"),
        head=dict(head, **OPEN_SET),
        mix_at="stages.0",
        mix_weight=GAMMA,
    )
    model = MODELS.build({**config, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model.train()


def losses_of(model, inputs, labels=LABELS, seed=SEED):
    torch.manual_seed(seed)
    return model(inputs, labelled(labels), mode="loss")


def drawn_pairs(labels, alpha=1.0, seed=SEED):
    """lambda and the permutation of the second half, as torch's generator gives them."""
    torch.manual_seed(seed)
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    return share, torch.randperm(len(labels)).tolist()


def cross_entropy(logits, target):
    return math.log(sum(math.exp(value) for value in logits)) - logits[target]


def augmented(model, features):
    """The C + 1 logits of the paper for each image, from features ``(N, D)``."""
    classifier = model.classifier
    known = F.linear(features, classifier.projection.weight, classifier.projection.bias)
    free = F.linear(features, classifier.placeholders.weight, classifier.placeholders.bias)
    return [[*k.tolist(), max(p.tolist())] for k, p in zip(known, free, strict=True)]


class TestHead(ClsHeadContract):
    def make(self, **cfg):
        return PROSERClsHead(classifier=dict(num_placeholders=M), **cfg)

    def expected_loss(self, scores, labels):
        return F.cross_entropy(scores, labels)


class TestLoss:
    @pytest.mark.parametrize("count", [10, 9, 3])
    def test_against_a_plain_restatement(self, count):
        model, inputs, labels = build(mix_alpha=0.8), images(count), LABELS[:count]
        found = losses_of(model, inputs, labels)
        first = count - count // 2
        share, permutation = drawn_pairs(labels[first:], 0.8)
        backbone = model.backbone
        with torch.no_grad():
            plain = augmented(model, backbone(inputs[:first])[0])
            hidden = backbone.stages[0](backbone.act(backbone.first(inputs[first:])))
            mixed = []
            for index, other in enumerate(permutation):
                if labels[first + index] != labels[first + other]:
                    one = share * hidden[index] + (1 - share) * hidden[other]
                    mixed += augmented(model, backbone.after(one[None]))
        whole = sum(cross_entropy(f, y) for f, y in zip(plain, labels.tolist(), strict=False))
        second = 0.0
        for logits, label in zip(plain, labels.tolist(), strict=False):
            others = logits[:label] + logits[label + 1 :]
            second += cross_entropy(others, C - 1)
        data = sum(cross_entropy(f, C) for f in mixed) / max(len(mixed), 1)
        assert set(found) == {"loss", "loss_known", "loss_placeholder", "loss_mixed"}
        close = dict(rel=1e-4, abs=1e-6)
        assert (found["loss"] + found["loss_known"]).item() == pytest.approx(whole / first, **close)
        assert found["loss_placeholder"].item() == pytest.approx(second / first, **close)
        assert found["loss_mixed"].item() == pytest.approx(GAMMA * data, **close)
        assert len(mixed) < len(permutation) or count == 3  # with a pair of one class

    def test_what_the_backbone_computes(self, monkeypatch):
        """One forward pass of the batch, mixed behind the layer and nowhere before."""
        model, inputs = build(), images(10)
        seen = []
        for layer in (model.backbone.first, *model.backbone.stages):
            layer.register_forward_hook(lambda _, i, out: seen.append((i[0], out)))
        losses_of(model, inputs)
        share, permutation = drawn_pairs(LABELS[5:])
        assert len(seen) == 3 and torch.equal(seen[0][0], inputs)
        hidden = seen[1][1]  # of a hook that was there before that of the model
        passed = seen[2][0].atanh()
        torch.testing.assert_close(passed[:5], hidden[:5], rtol=1e-3, atol=1e-3)
        for index, other in enumerate(permutation):
            same = LABELS[5 + index] == LABELS[5 + other]
            expected = share * hidden[5 + index] + (1 - share) * hidden[5 + other]
            expected = hidden[5 + index] if same else expected
            torch.testing.assert_close(passed[5 + index], expected, rtol=1e-3, atol=1e-3)

    def test_gradients_of_the_images(self):
        """Each half enters its own losses alone, and a pair of one class none."""
        model, inputs = build(), images(10).requires_grad_()
        found = losses_of(model, inputs)
        mixed = found.pop("loss_mixed")
        (plain,) = torch.autograd.grad(sum(found.values()), inputs, retain_graph=True)
        assert (plain[:5].flatten(1).abs().sum(1) > 0).all() and (plain[5:] == 0).all()
        (data,) = torch.autograd.grad(mixed, inputs, retain_graph=True)
        _, permutation = drawn_pairs(LABELS[5:])
        used = set()
        for index, other in enumerate(permutation):
            if LABELS[5 + index] != LABELS[5 + other]:
                used |= {5 + index, 5 + other}
        reached = data.flatten(1).abs().sum(1) > 0
        assert 2 <= len(used) < 5 and reached.nonzero().flatten().tolist() == sorted(used)
        for name, gradient in zip(
            dict(model.named_parameters()),
            torch.autograd.grad(mixed, list(model.parameters())),
            strict=True,
        ):
            assert gradient.abs().sum() > 0, name

    @pytest.mark.parametrize("labels", [[0, 1, 2, 3, 2, 2, 2, 2], [1], [3, 0]])
    def test_no_pair(self, labels):
        """The second half is of one class, or of one image, or empty."""
        model, labels = build(), torch.tensor(labels)
        found = losses_of(model, images(len(labels)), labels)
        assert found["loss_mixed"].item() == 0 and found["loss"].item() > 0
        gradients = torch.autograd.grad(found["loss_mixed"], list(model.parameters()))
        assert all((gradient == 0).all() for gradient in gradients)

    def test_accuracy_is_of_the_known_classes(self):
        model, inputs = build(dict(HEAD, cal_acc=True)), images(10)
        with torch.no_grad():
            model.classifier.placeholders.bias += 100  # it would win everywhere
            logits = model(inputs[:5])
        right = (logits.argmax(1) == LABELS[:5]).float().mean()
        found = losses_of(model, inputs)["accuracy_top-1"]
        torch.testing.assert_close(found.squeeze(), 100 * right)

    def test_a_resumed_run_draws_the_same(self):
        model, inputs, found = build(), images(10), []
        for step in (3, 4, 3):
            runner = SimpleNamespace(iter=step, world_size=1, rank=0, seed=7)
            StepSeedHook().before_train_iter(runner, 0)
            found.append(model(inputs, labelled(LABELS), mode="loss")["loss_mixed"].item())
        assert found[0] == found[2] != found[1]

    def test_bfloat16(self):
        model, data = build(), dict(inputs=list(images(10)), data_samples=labelled(LABELS))
        twin, logs = copy.deepcopy(model), []
        for one, kind in ((model, "OptimWrapper"), (twin, "mmosr.BFloat16OptimWrapper")):
            torch.manual_seed(SEED)
            optimizer = dict(type="SGD", lr=0.1)
            wrapper = build_optim_wrapper(one, dict(type=kind, optimizer=optimizer))
            logs.append(one.train_step(copy.deepcopy(data), wrapper))
        for name, value in logs[0].items():
            assert logs[1][name].dtype == torch.float32
            torch.testing.assert_close(logs[1][name], value, rtol=0.05, atol=0.02)
        assert logs[1]["loss_mixed"] != logs[0]["loss_mixed"]
        for name, value in model.state_dict().items():
            torch.testing.assert_close(twin.state_dict()[name], value, rtol=0.1, atol=0.02)

    @pytest.mark.parametrize("place", [2, 8])
    def test_unknown_images_never_reach_training(self, place):
        labels = LABELS.clone()
        labels[place] = -1
        with pytest.raises(InputError, match=f"{place}.png has label -1, and .* are 0 to 3"):
            losses_of(build(), images(10), labels)


class TestPrediction:
    def test_scores(self):
        model, inputs = build(score=["proser", "proser_margin", "msp", "energy"]).eval(), images()
        with torch.no_grad():
            outputs = torch.tensor(augmented(model, model.backbone(inputs)[0]))
        known, free = outputs[:, :C], outputs[:, C]
        expected = {
            "proser": outputs.softmax(1)[:, C].logit(),
            "proser_margin": free - known.amax(1),
            "msp": 1 - known.softmax(1).amax(1),
            "energy": -known.logsumexp(1),
        }
        for index, sample in enumerate(predict(model, inputs)):
            torch.testing.assert_close(sample.pred_score, known[index].softmax(0))
            assert list(sample.anomaly_scores) == list(expected)
            for name, values in expected.items():
                found = sample.anomaly_scores[name]
                torch.testing.assert_close(found, values[index], rtol=1e-4, atol=1e-5)

    def test_the_decision_of_the_paper(self):
        model, inputs = build(score="proser_margin", reject_threshold=0.0).eval(), images(40)
        with torch.no_grad():
            margin = model.classifier.margin(model.classifier.embed(model.backbone(inputs)[0]))
            model.classifier.placeholders.bias -= margin.median()
            outputs = augmented(model, model.backbone(inputs)[0])
        expected = [max(range(C + 1), key=row.__getitem__) for row in outputs]
        found = [sample.pred_open_set.item() for sample in predict(model, inputs)]
        assert found == [-1 if label == C else label for label in expected]
        assert 0 < found.count(-1) < 40

    def test_own_score_by_default(self):
        assert build().score_names == ("proser",)

    def test_nothing_is_mixed_outside_of_the_training(self):
        model, inputs = build(), images(10)
        with torch.no_grad():
            expected = model(inputs)
            losses_of(model, inputs)
            with pytest.raises(RuntimeError):
                losses_of(model, torch.zeros(10, 2, 5, 5))
            assert torch.equal(model(inputs), expected)


@pytest.mark.parametrize("plain", ["LinearClsHead", "linear classifier"])
def test_weights_of_a_closed_set_classifier(plain, tmp_path):
    head = dict(type="LinearClsHead")
    if plain != "LinearClsHead":
        head = dict(type="mmosr.OpenSetClsHead", classifier=dict(type="mmosr.LinearClassifier"))
    source = MODELS.build(
        dict(
            type="ImageClassifier",
            backbone=dict(type="mmosr.TestLayeredBackbone"),
            head=dict(head, **OPEN_SET),
        )
    ).eval()
    torch.save(dict(state_dict=source.state_dict()), tmp_path / "softmax.pth")
    for way in ("mmengine", "torch"):
        model = build().eval()
        before = copy.deepcopy(model.classifier.placeholders.state_dict())
        if way == "mmengine":
            load_checkpoint(model, str(tmp_path / "softmax.pth"))
        else:
            found = model.load_state_dict(source.state_dict(), strict=False)
            assert not found.unexpected_keys
            expected = [f"head.classifier.placeholders.{name}" for name in ("weight", "bias")]
            assert found.missing_keys == expected
        assert torch.equal(model(images()), source(images()))
        for name, value in model.classifier.placeholders.state_dict().items():
            assert torch.equal(value, before[name])
    other = build().eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(images()), source(images()))


HOSTS = dict(
    wide=(dict(type="mmosr.WideResNet", depth=10, width=1), "groups.1", 64, True),
    osrci=(dict(type="mmosr.OSRCINet"), "layers.5", 2048, False),
    resnet=(dict(type="ResNet_CIFAR", depth=18, base_channels=8), "layer2", 64, True),
    vit=(
        dict(
            type="VisionTransformer",
            arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8),
            img_size=32,
            patch_size=16,
        ),
        "layers.0",
        8,
        False,
    ),
)


@pytest.mark.parametrize("host", HOSTS)
def test_backbones(host):
    backbone, layer, channels, pooled = HOSTS[host]
    options = dict(neck=dict(type="GlobalAveragePooling")) if pooled else {}
    head = dict(HEAD, in_channels=channels, num_classes=C)
    config = dict(type="mmosr.PROSER", backbone=backbone, head=head, mix_at=layer, **options)
    model = MODELS.build(config)
    model.init_weights()
    inputs, samples = images(6, (32, 32)), labelled(LABELS[:6])
    found = model.train()(inputs, samples, mode="loss")
    assert found["loss_mixed"] > 0
    sum(found.values()).backward()
    parameters = dict(model.named_parameters())
    idle = {name for name, value in parameters.items() if value.grad is None}
    assert not idle, "distributed training waits for every gradient"


def test_config_of_the_documentation():
    text = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    config = Config.fromstring(text, ".py")
    model = MODELS.build(config.model)
    model.init_weights()
    defaults = MODELS.build(dict(config.model, head=dict(HEAD, in_channels=512, num_classes=6)))
    assert (defaults.mix_alpha, defaults.mix_weight) == (model.mix_alpha, model.mix_weight)
    assert defaults.classifier.placeholder_weight == model.classifier.placeholder_weight
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    data = dict(inputs=list(images(4, (32, 32))), data_samples=labelled(LABELS[:4]))
    assert model.train_step(data, wrapper)["loss"].isfinite()
    (sample,) = predict(model.eval(), images(1, (32, 32)))
    assert list(sample.anomaly_scores) == config.model.score


class TestBadConfigs:
    LAYERS = r"choose one from the middle of first, act, stages.0, stages.1, twins, or"

    @pytest.mark.parametrize("layer", [None, "", "layer2"])
    def test_no_such_layer(self, layer):
        with pytest.raises(InputError, match=f"is no submodule of it: {self.LAYERS}"):
            build(mix_at=layer)

    @pytest.mark.parametrize(("layer", "times"), [("act", 3), ("stages", 0)])
    def test_a_layer_that_is_not_called_once(self, layer, times):
        model = build(mix_at=layer)
        with pytest.raises(InputError, match=f"'{layer}' is called {times} times.*{self.LAYERS}"):
            losses_of(model, images(10))

    def test_a_layer_that_gives_two_tensors(self):
        with pytest.raises(InputError, match=f"'twins' does not give one tensor.*{self.LAYERS}"):
            losses_of(build(mix_at="twins"), images(10))

    @pytest.mark.parametrize(
        "head",
        [
            dict(type="LinearClsHead"),
            dict(type="mmosr.OpenSetClsHead", classifier=dict(type="mmosr.LinearClassifier")),
        ],
    )
    def test_a_head_without_placeholders(self, head):
        name = head["type"].rpartition(".")[2]
        with pytest.raises(InputError, match=f"and {name} has none: use mmosr.PROSERClsHead"):
            build(head)

    def test_mixing_augmentations(self):
        augments = dict(augments=[dict(type="Mixup", alpha=0.8)])
        with pytest.raises(InputError, match="needs one class an image: remove MixUp"):
            build(train_cfg=augments, data_preprocessor=dict(num_classes=C))

    def test_rotation_head(self):
        with pytest.raises(InputError, match="without rotated images: remove rotation_head"):
            build(rotation_head=dict(type="mmosr.RotationHead"))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (dict(mix_alpha=0), "mix_alpha must be above 0, got 0"),
            (dict(mix_weight=0), "mix_weight must be above 0, got 0: .*OpenSetImageClassifier"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            build(**options)
