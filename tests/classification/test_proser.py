"""PROSER: losses against plain loops, and features mixed in the right place and pairs."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch.nn import functional as F

from mmosr.classification import PROSERClsHead
from mmosr.engine import StepSeedHook
from mmosr.utils import InputError

from .contract import ClsHeadContract
from .proser_toy import GAMMA, HEAD, LABELS, SEED, M, augmented, build, losses_of
from .toy import C, images, labelled

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


def drawn_pairs(labels, alpha=1.0, seed=SEED):
    """lambda and the permutation of the second half, as torch's generator gives them."""
    torch.manual_seed(seed)
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    return share, torch.randperm(len(labels)).tolist()


def cross_entropy(logits, target):
    return math.log(sum(math.exp(value) for value in logits)) - logits[target]


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
        """One forward pass of the batch, mixed after the layer and nowhere before."""
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
        """Each half only enters its own losses, and a pair of one class enters none."""
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
        with pytest.raises(InputError, match=f"{place}.png has label -1, but .* are 0 to 3"):
            losses_of(build(), images(10), labels)
