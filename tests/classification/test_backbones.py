"""The networks of the papers, against their definitions in plain PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from torch import nn

from mmosr.classification import CROSRVGG13, OSRCINet, WideResNet
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .toy import labelled

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


def images(size=32, count=2):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(3))


def randomise(network):
    """Random weights, also of norms and their running statistics, in evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=generator)
            if "running_var" in name:
                value.copy_(0.5 + noise.square())
            elif value.dim() > 1:
                value.copy_(noise * (2 / value[0].numel()) ** 0.5)
            else:
                value.copy_(0.3 * noise + ("weight" in name))
    network.eval()  # the host's returns nothing
    return network


def conv(x, state, name, stride=1, padding=1):
    return F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)


def norm(x, state, name):
    parts = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.{part}"] for part in parts))


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


class TestOSRCINet:
    @pytest.mark.parametrize(("size", "side"), [(32, 4), (64, 8), (28, 4)])
    def test_nine_convolutions(self, size, side):
        network = randomise(OSRCINet(input_size=size))
        state, x = network.state_dict(), images(size)
        for n in range(9):
            stride = 2 if n in (2, 5, 8) else 1
            x = conv(x, state, f"layers.{n}.conv", stride)
            x = F.leaky_relu(norm(x, state, f"layers.{n}.bn"), 0.2)
        assert x.shape == (2, 128, side, side)
        (features,) = network(images(size))
        assert network.out_channels == 128 * side * side == features.shape[1]
        # Channel-first: feature 1 is the neighbour to the right of feature 0 in channel 0.
        torch.testing.assert_close(features.reshape(2, 128, side, side), x, rtol=1e-4, atol=1e-4)

    def test_parameters(self):
        widths = [3, 64, 64, 128, 128, 128, 128, 128, 128, 128]
        expected = sum(9 * a * b + 2 * b for a, b in zip(widths, widths[1:], strict=False))
        assert parameters(OSRCINet()) == expected == 999_104

    def test_initialisation_of_the_release(self):
        MMLogger.get_instance("backbones", log_level="ERROR")
        network = OSRCINet()
        network.init_weights()
        for layer in network.layers:
            deviation = (2 / (9 * layer.conv.out_channels)) ** 0.5  # He et al., fan out
            assert layer.conv.weight.std().item() == pytest.approx(deviation, rel=0.06)
            assert layer.conv.bias is None
            assert (layer.bn.weight == 1).all() and (layer.bn.bias == 0).all()

    def test_dropout_of_channels_before_each_block(self):
        network = OSRCINet(dropout=0.999999)
        seen = []
        for index, layer in enumerate(network.layers):
            nn.init.ones_(layer.bn.bias)
            layer.register_forward_pre_hook(lambda _, x, i=index: seen.append((i, x[0].any())))
        network(images(count=8))
        empty = [index for index, any_left in seen if not any_left]
        assert empty == [0, 3, 6]
        network = OSRCINet(dropout=0.5)
        network.layers[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        network(images(count=8))
        kept = (seen[-1] != 0).float().mean((2, 3))
        assert set(kept.unique().tolist()) == {0.0, 1.0}  # whole channels
        torch.testing.assert_close(seen[-1][kept == 1], 2 * images(count=8)[kept == 1])
        assert [OSRCINet().dropout.p, type(OSRCINet().dropout)] == [0.2, nn.Dropout2d]

    def test_another_size_is_refused(self):
        message = r"OSRCINet takes images of 32 x 32, got 32 x 64: resize or crop .*input_size"
        with pytest.raises(InputError, match=message):
            OSRCINet()(torch.zeros(1, 3, 32, 64))


class TestWideResNet:
    @pytest.mark.parametrize(
        ("depth", "width", "millions"),
        [(16, 4, 2.75), (28, 10, 36.5), (40, 4, 8.9), (40, 1, 0.6), (22, 8, 17.2)],
    )
    def test_published_number_of_parameters(self, depth, width, millions):
        network = WideResNet(depth, width)
        head = 10 * network.out_channels + 10
        digits = len(str(millions).split(".")[1])
        assert round((parameters(network) + head) / 1e6, digits) == pytest.approx(
            millions, abs=0.06
        )
        if (depth, width) == (16, 4):
            assert parameters(network) + head == 2_748_890

    def test_pre_activation_blocks(self):
        network = randomise(WideResNet(16, 2))
        state = network.state_dict()
        x = conv(images(), state, "conv1")
        for group in range(3):
            for block in range(2):
                name, first = f"groups.{group}.{block}", block == 0
                stride = 2 if group and first else 1
                active = norm(x, state, f"{name}.norm1").relu()
                inner = norm(conv(active, state, f"{name}.conv1", stride), state, f"{name}.norm2")
                change = conv(inner.relu(), state, f"{name}.conv2")
                x = conv(active, state, f"{name}.shortcut", stride, 0) if first else x
                x = x + change
        x = norm(x, state, "norm").relu()
        (maps,) = network(images())
        assert maps.shape == (2, 128, 8, 8)
        torch.testing.assert_close(maps, x, rtol=1e-4, atol=1e-4)
        assert network(images(48))[0].shape == (2, 128, 12, 12)

    def test_dropout_between_the_convolutions(self):
        torch.manual_seed(0)  # one in a million values is kept
        network = WideResNet(10, 1, dropout=0.999999)
        values = []
        for group in network.groups:
            group[0].conv1.register_forward_hook(lambda *a: values.append(a[2].abs().sum()))
            group[0].conv2.register_forward_hook(lambda *a: values.append(a[2].abs().sum()))
        network(images())
        assert all(values[0::2]) and not any(values[1::2])

    @pytest.mark.parametrize("depth", [4, 15, 18])
    def test_depth(self, depth):
        with pytest.raises(ValueError, match=rf"6 n \+ 4, such as 16 or 28, got {depth}"):
            WideResNet(depth, 4)


class TestCROSRVGG13:
    def test_three_features(self):
        network = randomise(CROSRVGG13())
        state, x, maps = network.state_dict(), images(), {}
        for stage in range(5):
            for layer, stride in ((0, 1), (1, 2)):
                name = f"stages.{stage}.{layer}"
                x = norm(conv(x, state, f"{name}.conv", stride), state, f"{name}.bn")
                x = F.prelu(x, state[f"{name}.activate.weight"])
            maps[x.shape[-1]] = x
        latent = F.linear(x[..., 0, 0], state["latent.weight"], state["latent.bias"])
        found = network(images())
        shapes = [(2, 64, 16, 16), (2, 256, 4, 4), (2, 32)]
        assert [tuple(feature.shape) for feature in found] == shapes
        for feature, expected in zip(found, (maps[16], maps[4], latent), strict=True):
            torch.testing.assert_close(feature, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network.maps(images())[2], x.flatten(1), rtol=1e-4, atol=1e-4)

    def test_thirteen_layers_of_which_ten_are_convolutions(self):
        network = CROSRVGG13(latent_dims=7)
        widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert widths == [64, 64, 128, 128, 256, 256, 512, 512, 512, 512]
        assert network.out_channels == 7 == network(images())[-1].shape[1]

    def test_another_size_is_refused(self):
        with pytest.raises(InputError, match="CROSRVGG13 takes images of 32 x 32, got 64 x 64"):
            CROSRVGG13()(images(64))


@pytest.mark.parametrize(
    ("backbone", "neck", "channels"),
    [
        (dict(type="mmosr.OSRCINet"), None, 2048),
        (dict(type="mmosr.OSRCINet", norm_cfg=dict(type="SyncBN")), None, 2048),
        (dict(type="mmosr.WideResNet"), dict(type="GlobalAveragePooling"), 256),
        (dict(type="mmosr.CROSRVGG13"), None, 32),
    ],
)
def test_behind_an_open_set_head(backbone, neck, channels):
    head = dict(type="mmosr.CACClsHead", in_channels=channels, num_classes=6)
    model = MODELS.build(
        dict(type="mmosr.OpenSetImageClassifier", backbone=backbone, neck=neck, head=head)
    )
    if "norm_cfg" in backbone:
        assert isinstance(model.backbone.layers[0].bn, nn.SyncBatchNorm)
        return
    losses = model.loss(images(), labelled([1, 5]))
    losses["loss"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.backbone.parameters())
