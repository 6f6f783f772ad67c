"""PROSER: predictions, weights of other classifiers, backbones and configs."""

import copy
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import load_checkpoint
from mmpretrain.registry import MODELS

from mmosr.utils import InputError

from .proser_toy import HEAD, LABELS, augmented, build, losses_of
from .toy import OPEN_SET, C, images, labelled, predict

DOCS = Path(__file__).parents[2] / "docs" / "proser.md"
pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


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
        with pytest.raises(InputError, match=f"is not a submodule of it: {self.LAYERS}"):
            build(mix_at=layer)

    @pytest.mark.parametrize(("layer", "times"), [("act", 3), ("stages", 0)])
    def test_a_layer_that_is_not_called_once(self, layer, times):
        model = build(mix_at=layer)
        with pytest.raises(InputError, match=f"'{layer}' is called {times} times.*{self.LAYERS}"):
            losses_of(model, images(10))

    def test_a_layer_that_gives_two_tensors(self):
        with pytest.raises(InputError, match=f"'twins' does not return one tensor.*{self.LAYERS}"):
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
        with pytest.raises(InputError, match=f"but {name} has none: use mmosr.PROSERClsHead"):
            build(head)

    def test_mixing_augmentations(self):
        augments = dict(augments=[dict(type="Mixup", alpha=0.8)])
        with pytest.raises(InputError, match="needs one class per image: remove MixUp"):
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
