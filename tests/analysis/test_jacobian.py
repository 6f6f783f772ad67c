"""Jacobian norms against torch's own Jacobian and against closed forms, in float64."""

import pytest
import torch
from torch import nn

from mmosr.analysis import (
    NormEstimate,
    exact_squared_norm,
    hutchinson_squared_norm,
    input_scale,
    space_function,
    to_norm,
)
from mmosr.analysis.spaces import own_centres
from mmosr.utils import InputError
from tests.classification.toy import C, D, build, images

SCALE = torch.tensor([2.0, 0.5, 3.0]).double().reshape(3, 1, 1)


@pytest.fixture
def network():
    """Convolution, batch norm with its own statistics, pooling: 5 values of 3 x 4 x 4."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    layers = nn.Sequential(nn.Conv2d(3, 6, 3), norm, nn.LeakyReLU(0.2), nn.Flatten())
    return nn.Sequential(layers, nn.Linear(24, 5), nn.Tanh()).double().eval()


def inputs(count=4):
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(1)).double()


def jacobians(function, batch):
    """``(N, D, d)``, one image at a time."""
    found = [torch.autograd.functional.jacobian(function, image[None]) for image in batch]
    return torch.stack([one.reshape(one.shape[1], -1) for one in found])


def test_exact_is_the_norm_of_the_whole_jacobian(network):
    with torch.no_grad():
        found = exact_squared_norm(network, inputs())
    expected = jacobians(network, inputs()).square().sum((1, 2))
    torch.testing.assert_close(found.value, expected, rtol=1e-12, atol=0)
    assert not found.error.any()
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_values_of_any_shape_and_inputs_that_already_belong_to_a_graph(network):
    batch = inputs().requires_grad_() * 2
    found = exact_squared_norm(lambda x: network[0](x).reshape(len(x), 6, 2, 2), batch)
    expected = jacobians(network[0], batch.detach()).square().sum((1, 2))
    torch.testing.assert_close(found.value, expected, rtol=1e-12, atol=0)


def test_scale_is_a_change_of_variable(network):
    expected = jacobians(lambda u: network(SCALE * u + 1), inputs()).square().sum((1, 2))
    moved = SCALE * inputs() + 1
    found = exact_squared_norm(network, moved, SCALE).value
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    many = hutchinson_squared_norm(network, moved, range(4), 4000, SCALE)
    assert ((many.value - expected).abs() < 4 * many.error).all()


def test_closed_form_of_a_linear_map_and_of_unit_length():
    torch.manual_seed(0)
    weight, batch = torch.randn(5, 7).double(), torch.randn(3, 7).double()
    linear = exact_squared_norm(lambda x: x @ weight.T, batch).value
    torch.testing.assert_close(linear, weight.square().sum().expand(3), rtol=1e-12, atol=0)
    unit = exact_squared_norm(lambda x: nn.functional.normalize(x @ weight.T), batch).value
    z = batch @ weight.T
    length = z.norm(dim=1)
    along = (z / length[:, None]) @ weight  # (I - f f^T) W / |z|
    expected = (weight.square().sum() - along.square().sum(1)) / length.square()
    torch.testing.assert_close(unit, expected, rtol=1e-12, atol=0)


def test_hutchinson_is_unbiased_and_knows_its_error():
    """2000 estimates of one Jacobian: their mean, and their variance by the closed form."""
    torch.manual_seed(0)
    weight = torch.randn(4, 6).double()
    gram = weight @ weight.T
    off = gram - torch.diag(gram.diagonal())
    probes, count = 8, 2000
    variance = 2 * off.square().sum() / probes
    found = hutchinson_squared_norm(
        lambda x: x @ weight.T, torch.zeros(count, 6).double(), range(count), probes
    )
    expected = weight.square().sum()
    assert abs(found.value.mean() - expected) < 3 * (variance / count).sqrt()
    assert found.value.var().item() == pytest.approx(variance.item(), rel=0.1)
    assert found.error.square().mean().item() == pytest.approx(variance.item(), rel=0.1)


def test_rademacher_is_exact_for_orthogonal_rows():
    rows = torch.linalg.qr(torch.randn(6, 6).double())[0][:4] * torch.arange(1.0, 5).unsqueeze(1)
    arguments = (lambda x: x @ rows.T, torch.zeros(3, 6).double(), range(3), 2)
    found = hutchinson_squared_norm(*arguments)
    expected = torch.full((3,), 30.0).double()  # 1 + 4 + 9 + 16
    torch.testing.assert_close(found.value, expected, rtol=1e-12, atol=0)
    assert found.error.max() < 1e-12


def test_probes_of_an_image_depend_on_its_seed_alone(network):
    whole = hutchinson_squared_norm(network, inputs(), [5, 6, 7, 8], 4)
    alone = hutchinson_squared_norm(network, inputs()[2:3], [7], 4)
    torch.testing.assert_close(alone.value, whole.value[2:3], rtol=1e-12, atol=0)
    torch.testing.assert_close(alone.error, whole.error[2:3], rtol=1e-9, atol=0)
    other = hutchinson_squared_norm(network, inputs()[2:3], [9], 4)
    assert (other.value - alone.value).abs() > 1e-6


def test_root_and_its_error():
    squared = NormEstimate(torch.tensor([4.0, 0.0]).double(), torch.tensor([0.4, 0.0]).double())
    norm = to_norm(squared)
    assert norm.value.tolist() == [2, 0]
    assert norm.error.tolist() == pytest.approx([0.1, 0])


def test_wrong_input():
    batch = inputs()
    with pytest.raises(InputError, match="1 probes give no standard error"):
        hutchinson_squared_norm(nn.Flatten(), batch, range(4), 1)
    with pytest.raises(InputError, match="no gradient reaches the input"):
        exact_squared_norm(lambda x: torch.zeros(len(x), 2), batch)


# --- of a classifier ----------------------------------------------------------------------------


def by_hand(model, space, batch):
    """The values of a space, from the parts of the toy model."""
    maps = model.backbone.conv(batch).tanh()
    features = maps[..., : batch.shape[3] // 2].mean((2, 3))
    if space == "features":
        return features
    if space == "unit-features":
        return features / features.norm(dim=1, keepdim=True)
    if space == "logits":
        return model.head.fc(features)
    return features / features.norm(dim=1, keepdim=True)  # m-OvR


@pytest.mark.parametrize(
    ("head", "space", "meaning"),
    [
        ("plain", "embedding", "features"),
        ("plain", "features", "features"),
        ("plain", "unit-features", "unit-features"),
        ("plain", "logits", "logits"),
        ("movr", "features", "features"),
        ("movr", "embedding", "movr"),
    ],
)
def test_space_of_a_model(head, space, meaning):
    model = build(head)
    batch = images(3)
    found = exact_squared_norm(space_function(model, space), batch).value
    expected = jacobians(lambda x: by_hand(model, meaning, x), batch).square().sum((1, 2))
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=0)


def test_the_embedding_of_cac_is_its_logit_space():
    model = build(dict(type="mmosr.CACClsHead", classifier=dict(test_anchors="fixed")))
    values = space_function(model, "embedding")(images(3))
    features = by_hand(model, "features", images(3))
    torch.testing.assert_close(values, model.classifier.projection(features))
    torch.testing.assert_close(own_centres(model, "embedding"), 10 * torch.eye(C))
    assert own_centres(model, "features") is None
    assert own_centres(build("movr"), "embedding") is None
    logits = space_function(model, "logits")(images(3))
    torch.testing.assert_close(logits, -torch.cdist(values, 10 * torch.eye(C)))
    # also with a custom backward function
    found = exact_squared_norm(space_function(model, "logits"), images(3)).value
    z = jacobians(space_function(model, "embedding"), images(3))
    directions = values[:, None] - 10 * torch.eye(C)
    directions = directions / directions.norm(dim=2, keepdim=True)
    torch.testing.assert_close(
        found, (directions @ z).double().square().sum((1, 2)), rtol=1e-4, atol=0
    )


def test_cac_before_its_anchors_are_fitted():
    model = build("cac")
    with pytest.raises(InputError, match="anchors"):
        own_centres(model, "embedding")


def test_units_of_the_input():
    mean, std = [100.0, 120.0, 90.0], [50.0, 60.0, 70.0]
    model = build("movr", data_preprocessor=dict(mean=mean, std=std, to_rgb=True))
    pixels = torch.rand(3, 3, 5, 6)
    shift, width = (torch.tensor(part).reshape(3, 1, 1) for part in (mean, std))
    function = space_function(model)
    network = exact_squared_norm(function, (255 * pixels - shift) / width)
    expected = jacobians(lambda u: function((255 * u - shift) / width), pixels)
    pixel = exact_squared_norm(
        function, (255 * pixels - shift) / width, input_scale(model, "pixel")
    )
    torch.testing.assert_close(
        pixel.value, expected.double().square().sum((1, 2)), rtol=1e-4, atol=0
    )
    assert (pixel.value / network.value).min() > (255 / 70) ** 2
    assert input_scale(model) == 1.0
    assert input_scale(build(), "pixel") == 255.0


def test_wrong_space_and_units():
    with pytest.raises(InputError, match="no space 'feature': choose from embedding"):
        space_function(build(), "feature")
    with pytest.raises(InputError, match="no units 'px': choose from network, pixel"):
        input_scale(build(), "px")
    two = build(dict(type="DeiTClsHead"), layout="two tokens")
    with pytest.raises(InputError, match="--embedding logits"):
        space_function(two, "embedding")
    assert space_function(two, "logits")(images(2)).shape == (2, C)


def test_zero_features_have_no_direction():
    model = build()
    model.backbone.conv.bias.data.zero_()
    found = exact_squared_norm(space_function(model, "unit-features"), torch.zeros(1, 3, 5, 6))
    torch.testing.assert_close(found.value, jacobians_of_features(model))


def jacobians_of_features(model):
    batch = torch.zeros(1, 3, 5, 6)
    found = jacobians(lambda x: by_hand(model, "features", x), batch)
    assert found.shape[1] == D
    return found.double().square().sum((1, 2))
