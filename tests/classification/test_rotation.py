"""The rotation head: exact quarter turns, right labels, and classes that never see a copy."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmosr.classification import RotationHead
from mmosr.utils import InputError

from .toy import C, D, build, images, labelled, random_labels

ROTATION = dict(type="mmosr.RotationHead")


def test_all_four_rotations():
    inputs = images(3, (5, 5))
    views, turns = RotationHead(D).views(inputs)
    assert views.shape == (12, 3, 5, 5)
    assert turns.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for index, view in enumerate(views):
        expected = np.rot90(inputs[index % 3].numpy(), index // 3, axes=(1, 2))
        assert (view.numpy() == expected).all()


def test_one_copy_at_random():
    inputs = images(40, (5, 5))
    torch.manual_seed(3)
    views, turns = RotationHead(D, copies="one").views(inputs)
    assert torch.equal(views[:40], inputs) and (turns[:40] == -100).all()
    assert set(turns[40:].tolist()) == {0, 1, 2, 3}
    for image, view, turn in zip(inputs, views[40:], turns[40:], strict=True):
        assert (view.numpy() == np.rot90(image.numpy(), turn, axes=(1, 2))).all()


@pytest.mark.parametrize("copies", ["all", "one"])
@pytest.mark.parametrize("weight", [None, 0.5])
@pytest.mark.parametrize("head", ["movr", "plain"])
def test_losses_of_a_model(head, weight, copies):
    options = {} if weight is None else dict(loss_weight=weight)
    model = build(head, rotation_head=dict(ROTATION, copies=copies, **options))
    inputs, samples = images(6, (6, 6)), labelled(random_labels(6))
    torch.manual_seed(1)
    losses = model(inputs, samples, mode="loss")
    torch.manual_seed(1)
    views, turns = model.rotation_head.views(inputs)
    views, turns = views[turns >= 0], turns[turns >= 0]
    logits = model.rotation_head.fc(model.backbone(views)[1])
    expected = (weight or 0.1) * F.cross_entropy(logits, turns)
    torch.testing.assert_close(losses["loss_rotation"], expected)
    right = 100 * (logits.argmax(1) == turns).float().mean()
    torch.testing.assert_close(losses["accuracy_rotation"], right)
    # The loss on the classes is that of the unrotated images.
    alone = model.head.loss(model.backbone(inputs), samples)
    assert losses.keys() == {"loss_rotation", "accuracy_rotation", *alone}
    torch.testing.assert_close(losses["loss"], alone["loss"])
    gradient = torch.autograd.grad(losses["loss_rotation"], model.backbone.conv.weight)
    assert gradient[0].abs().sum() > 0


def test_transformer_tokens():
    model = build("movr", "tokens", rotation_head=ROTATION)
    inputs, samples = images(4, (6, 6)), labelled(random_labels(4))
    losses = model(inputs, samples, mode="loss")
    expected = model.head.loss(model.backbone(inputs), samples)["loss"]
    torch.testing.assert_close(losses["loss"], expected)


def test_predictions_do_not_see_it():
    model, plain = build("movr", rotation_head=ROTATION), build("movr", seed=4)
    assert model.rotation_head.fc.in_features == D and model.head.num_classes == C
    missing, unexpected = plain.load_state_dict(model.state_dict(), strict=False)
    assert not missing and {key.split(".")[0] for key in unexpected} == {"rotation_head"}
    with torch.no_grad():
        for ours, theirs in zip(
            model(images(), mode="predict"), plain(images(), mode="predict"), strict=True
        ):
            assert torch.equal(ours.pred_score, theirs.pred_score)
            assert torch.equal(ours.anomaly_score, theirs.anomaly_score)


def test_bad_options():
    with pytest.raises(InputError, match=r"needs square images, got \(5, 6\)"):
        RotationHead(D).views(images(2, (5, 6)))
    with pytest.raises(ValueError, match="copies must be 'all' or 'one', got 'two'"):
        RotationHead(D, copies="two")
