"""Mutual information between feature scales, by value."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn
from torch.nn import functional as F

from mmosr.methods.mutual_information import (
    FLOOR,
    GlobalDiscriminator,
    LocalDiscriminator,
    MutualInformation,
    jensen_shannon,
    of_other_images,
)
from mmosr.utils import InputError

WIDE, NARROW, SIZE, J = 3, 4, 6, 2
TINY = dict(
    map_channels=(WIDE, NARROW), map_size=SIZE, latent_dims=J, hidden=8, conv_channels=(5, 3)
)
TERMS = {"global": "global_1t16", "1t16": "local_1t16", "1t4": "local_1t4", "4t4": "local_4t4"}


def make(seed=0, **options):
    """Small discriminators with scores that differ clearly from each other."""
    torch.manual_seed(seed)
    module = MutualInformation(**{**TINY, **options}).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def features(count=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((WIDE, SIZE, SIZE), (NARROW, 2, 3), (J,))
    return tuple(
        torch.randn(count, *shape, generator=generator, dtype=torch.float64) for shape in shapes
    )


def parameters_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


class TestEstimator:
    def test_by_hand(self):
        positive, negative = torch.tensor([[0.0, 2.0]]), torch.tensor([[-1.0], [3.0], [0.5]])
        sigmoid = {t: 1 / (1 + math.exp(-t)) for t in (0.0, 2.0, -1.0, 3.0, 0.5)}
        expected = (math.log(sigmoid[0.0]) + math.log(sigmoid[2.0])) / 2
        expected += sum(math.log(1 - sigmoid[t]) for t in (-1.0, 3.0, 0.5)) / 3
        torch.testing.assert_close(jensen_shannon(positive, negative).item(), expected)

    def test_scores_of_zero_give_the_floor(self):
        assert math.isclose(FLOOR, 2 * math.log(0.5))
        assert math.isclose(
            jensen_shannon(torch.zeros(3), torch.zeros(4)).item(), FLOOR, rel_tol=1e-6
        )

    def test_best_discriminator_gives_the_divergence(self):
        # Eight draws of a joint table of two bits, and sixteen of the product of its marginals.
        joint, product = np.array([3, 1, 1, 3]) / 8, np.full(4, 1 / 4)
        score = torch.tensor(joint / product).log()
        positive, negative = score.repeat_interleave(torch.tensor([3, 1, 1, 3])), score.repeat(4)
        expected = 2 * jensenshannon(joint, product) ** 2 + FLOOR
        assert math.isclose(jensen_shannon(positive, negative).item(), expected, rel_tol=1e-12)
        for change in (0.9 * score, score + 0.1, torch.zeros(4)):
            worse = jensen_shannon(change.repeat_interleave(torch.tensor([3, 1, 1, 3])), change)
            assert worse < expected

    def test_large_scores(self):
        scores = torch.tensor([500.0, -500.0], requires_grad=True)
        value = jensen_shannon(scores, scores)
        value.backward()
        assert value.item() == -500
        assert scores.grad.tolist() == [-0.5, 0.5]

    def test_half_precision_counts_in_float32(self):
        positive, negative = torch.linspace(-3, 3, 999), torch.linspace(-2, 5, 999)
        expected = jensen_shannon(positive.bfloat16().float(), negative.bfloat16().float())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = jensen_shannon(positive.bfloat16(), negative.bfloat16())
        assert found.dtype == torch.float32 and torch.equal(found, expected)

    def test_gradient(self):
        scores = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
        assert torch.autograd.gradcheck(jensen_shannon, tuple(scores))


class TestNegativePairs:
    @pytest.mark.parametrize("count", range(2, 9))
    def test_another_image_for_each(self, count):
        images = torch.arange(count)
        others = of_other_images(images)
        assert (others != images).all() and sorted(others.tolist()) == images.tolist()

    @pytest.mark.parametrize("count", range(2, 9))
    @pytest.mark.parametrize("term", TERMS)
    def test_whose_features_a_score_depends_on(self, term, count):
        discriminator = getattr(make(), TERMS[term])
        wide, narrow, latent = features(count)
        maps = wide if term in ("global", "1t16") else narrow
        other = narrow.clone() if term == "4t4" else latent
        sides = (maps.requires_grad_(), other.requires_grad_())
        images = set(range(count))
        for kind, scores in zip(("positive", "negative"), discriminator.pairs(*sides), strict=True):
            seen = []
            for score in scores:
                grads = torch.autograd.grad(score.sum(), sides, retain_graph=True)
                touched = [grad.flatten(1).any(1).nonzero()[:, 0].tolist() for grad in grads]
                assert all(len(found) == 1 for found in touched)
                seen.append((touched[0][0], touched[1][0]))
            # Each image once on either side: together they are draws of the marginals.
            assert {left for left, _ in seen} == {right for _, right in seen} == images
            assert all((left == right) == (kind == "positive") for left, right in seen)

    def test_one_image_is_refused(self):
        with pytest.raises(InputError, match=r"2 or more images.*batch_size.*drop_last=True"):
            make()(*features(1))


class TestDiscriminators:
    def test_global_is_table_1(self):
        module = GlobalDiscriminator(64, 16, 32)
        linear = [layer for layer in module.layers if isinstance(layer, nn.Linear)]
        assert [layer.out_features for layer in linear] == [512, 512, 1]
        assert linear[0].in_features == 32 * 12 * 12 + 32
        assert [layer.kernel_size for layer in module.convs if isinstance(layer, nn.Conv2d)] == [
            (3, 3),
            (3, 3),
        ]
        convolutions = (64 * 9 + 1) * 64 + (64 * 9 + 1) * 32
        assert parameters_of(module) == convolutions + 4641 * 512 + 513 * 512 + 513
        assert module(torch.zeros(2, 64, 16, 16), torch.zeros(2, 32)).shape == (2, 1)

    @pytest.mark.parametrize(("channels", "other"), [(64, 32), (256, 32), (256, 256)])
    def test_local_is_table_2(self, channels, other):
        module = LocalDiscriminator(channels, other)
        layers = [layer for layer in module.layers if isinstance(layer, nn.Conv2d)]
        assert [(layer.out_channels, layer.kernel_size) for layer in layers] == [
            (512, (1, 1)),
            (512, (1, 1)),
            (1, (1, 1)),
        ]
        assert parameters_of(module) == (channels + other + 1) * 512 + 513 * 512 + 513
        assert module(torch.zeros(2, channels, 3, 5), torch.zeros(2, other)).shape == (2, 1, 3, 5)

    def test_global_by_value(self):
        module = make().global_1t16
        maps, _, latent = features()
        first, second = module.convs[0], module.convs[2]
        x = F.conv2d(maps, first.weight, first.bias).clamp_min(0)
        x = torch.cat([F.conv2d(x, second.weight, second.bias).flatten(1), latent], 1)
        for layer in (module.layers[0], module.layers[2]):
            x = (x @ layer.weight.T + layer.bias).clamp_min(0)
        last = module.layers[4]
        torch.testing.assert_close(module(maps, latent), x @ last.weight.T + last.bias)

    def test_map_too_small(self):
        with pytest.raises(ValueError, match="maps of 5 x 5 or more, got 4"):
            GlobalDiscriminator(3, 4, 2)


def local_score(discriminator, left, right):
    """The score of one location from its two vectors."""
    x = torch.cat([left, right])
    first, second, last = (discriminator.layers[i] for i in (0, 2, 4))
    for layer in (first, second):
        x = (layer.weight[:, :, 0, 0] @ x + layer.bias).clamp_min(0)
    return (last.weight[:, :, 0, 0] @ x + last.bias).item()


class TestEstimates:
    def test_local_terms_by_loops(self):
        module, (map_16, map_4, latent) = make(), features(4)
        found = module(map_16, map_4, latent)
        for term, maps in (("1t16", map_16), ("1t4", map_4), ("4t4", map_4)):
            values = {0: [], -1: []}
            for shift, scores in values.items():
                for i in range(4):
                    for y in range(maps.shape[2]):
                        for x in range(maps.shape[3]):
                            fixed = map_4[i, :, y, x] if term == "4t4" else latent[i]
                            left = maps[i + shift, :, y, x]
                            scores.append(local_score(getattr(module, TERMS[term]), left, fixed))
            positive = np.mean([-math.log1p(math.exp(-t)) for t in values[0]])
            negative = np.mean([math.log1p(math.exp(t)) for t in values[-1]])
            np.testing.assert_allclose(found[term].item(), positive - negative, rtol=1e-10)

    def test_global_term_by_loops(self):
        module, (map_16, map_4, latent) = make(), features(4)
        scores = {
            shift: torch.cat(
                [module.global_1t16(map_16[i + shift, None], latent[i, None]) for i in range(4)]
            )
            for shift in (0, -1)
        }
        expected = (scores[0].sigmoid().log() + (1 - scores[-1].sigmoid()).log()).mean()
        found = module(map_16, map_4, latent)
        assert found.keys() == TERMS.keys()
        torch.testing.assert_close(found["global"], expected)

    def test_weights(self):
        module = make(global_weight=0.3, local_weight=0.7, scale_weights=(0.5, 0.2, 0.3))
        estimates = {"global": -1.0, "1t16": -2.0, "1t4": -3.0, "4t4": -5.0}
        expected = -0.3 - 0.7 * (0.5 * 2 + 0.2 * 3 + 0.3 * 5)
        assert math.isclose(module.combine(estimates), expected)

    @pytest.mark.parametrize(
        "weights", [(0.5, 0.5, 0.5), (0.5, 0.5), (1 / 3, 1 / 3, 0.33), (0, 0, 0)]
    )
    def test_scale_weights_add_up_to_one(self, weights):
        with pytest.raises(ValueError, match=r"a_1, a_2 and a_3 of eq. 10, with a sum of 1"):
            make(scale_weights=weights)

    @pytest.mark.parametrize(
        "weights",
        [dict(scale_weights=(1.5, -0.5, 0)), dict(global_weight=-1), dict(local_weight=-1)],
    )
    def test_negative_weights(self, weights):
        with pytest.raises(ValueError, match="must be 0 or above"):
            make(**weights)

    def test_thirds_are_one(self):
        assert make(scale_weights=(1 / 3, 1 / 3, 1 / 3)).scale_weights == (1 / 3,) * 3

    def test_gradient(self):
        module = make(hidden=4)
        inputs = [x.requires_grad_() for x in features(3)]
        assert torch.autograd.gradcheck(lambda *x: module.combine(module(*x)), inputs)


def draw(dependent, count, generator):
    """Features that all contain one hidden vector per image, or nothing of each other."""

    def noise(*shape):
        return torch.randn(count, *shape, generator=generator)

    latent = noise(J)
    hidden = latent if dependent else noise(J)
    wide = hidden.repeat(1, 2)[:, :WIDE, None, None] + 0.3 * noise(WIDE, SIZE, SIZE)
    narrow = hidden.repeat(1, 2)[:, :, None, None] + 0.3 * noise(NARROW, 2, 3)
    return wide, narrow, latent


@pytest.mark.parametrize("dependent", [True, False])
def test_bound_rises_only_for_dependent_features(dependent):
    torch.manual_seed(0)
    module = MutualInformation(**{**TINY, "hidden": 32})
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    with torch.no_grad():
        before = module(*draw(dependent, 512, generator))
    for _ in range(150):
        optimizer.zero_grad()
        (-module.combine(module(*draw(dependent, 128, generator)))).backward()
        optimizer.step()
    with torch.no_grad():
        after = module(*draw(dependent, 2048, generator))
    for term in TERMS:
        assert abs(before[term] - FLOOR) < 0.1
        if dependent or term == "4t4":  # a map always has information about itself
            assert after[term] > FLOOR + 0.4, term
        else:
            assert abs(after[term] - FLOOR) < 0.05, term
        assert after[term] < 0
