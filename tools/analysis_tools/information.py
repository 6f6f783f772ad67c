"""The measurements of benchmark_information.py."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence

import torch
from rich.table import Table
from torch import Tensor

from mmosr.methods.mutual_information import MutualInformation, jensen_shannon, of_other_images
from mmosr.utils import InputError

CHECKED = 8  # images whose values are compared in float64

Estimate = Callable[..., dict[str, Tensor]]


def make_features(batch: int, latent_dims: int) -> list[Tensor]:
    """``f_16``, ``f_4`` and ``f_1`` of the VGG-13 of CROSR."""
    shapes = ((64, 16, 16), (256, 4, 4), (latent_dims,))
    return [torch.randn(batch, *shape, requires_grad=True) for shape in shapes]


def estimate_joined(
    module: MutualInformation, map_16: Tensor, map_4: Tensor, latent: Tensor
) -> dict[str, Tensor]:
    """The definition: both sides of each pair are joined and go through the whole network."""

    def tiled(maps: Tensor) -> Tensor:
        return latent[:, :, None, None].expand(-1, -1, *maps.shape[2:])

    def whole(maps: Tensor) -> Tensor:
        convs, layers = module.global_1t16.convs, module.global_1t16.layers
        return layers(torch.cat([convs(maps).flatten(1), latent], 1))

    def local(layers: torch.nn.Module, other: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda maps: layers(torch.cat([maps, other], 1))

    terms = {
        "global": (whole, map_16),
        "1t16": (local(module.local_1t16.layers, tiled(map_16)), map_16),
        "1t4": (local(module.local_1t4.layers, tiled(map_4)), map_4),
        "4t4": (local(module.local_4t4.layers, map_4), map_4),
    }
    return {
        name: jensen_shannon(score(maps), score(of_other_images(maps)))
        for name, (score, maps) in terms.items()
    }


def step(
    module: MutualInformation, estimate: Estimate, features: Sequence[Tensor], bfloat16: bool
) -> dict[str, Tensor]:
    """The estimates; the gradient of eq. 9 is left in the parameters and features."""
    module.zero_grad()
    for part in features:
        part.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        estimates = estimate(*features)
    module.combine(estimates).backward()
    return estimates


def check_agreement(module: MutualInformation, features: Sequence[Tensor]) -> None:
    """Compare estimates and gradients of some of the images in float64.

    In float32 rounding puts units near 0 on either side of their ReLU, which changes gradients.

    Raises:
        InputError: They differ.
    """
    module = copy.deepcopy(module).double()
    features = [part[:CHECKED].detach().double().requires_grad_() for part in features]
    results = []
    for estimate in (module, lambda *parts: estimate_joined(module, *parts)):
        estimates = step(module, estimate, features, bfloat16=False)
        gradients = [tensor.grad.clone() for tensor in (*features, *module.parameters())]
        results.append([*estimates.values(), *gradients])
    for ours, joined in zip(*results, strict=True):
        if not torch.allclose(ours, joined, rtol=1e-9, atol=1e-12):
            raise InputError("the two implementations differ: one of them is wrong")


def measure(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Shortest CPU time of a call in seconds, taken in turns."""
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return {name: min(times) for name, times in seconds.items()}


def run(args: argparse.Namespace) -> Table:
    """Compare both implementations; returns a table of their times."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    module = MutualInformation(latent_dims=args.latent_dims, hidden=args.hidden)
    features = make_features(args.batch, args.latent_dims)
    check_agreement(module, features)
    ways: dict[str, Estimate] = {
        "mmosr": module,
        "joined pairs": lambda *parts: estimate_joined(module, *parts),
    }
    calls = {
        name: lambda way=way: step(module, way, features, args.bfloat16)
        for name, way in ways.items()
    }
    seconds = measure(calls, args.repeats)
    table = Table(
        title=f"{args.batch} images, discriminators of {args.hidden}, {args.threads} thread(s), "
        f"{'bfloat16' if args.bfloat16 else 'float32'}, equal values and gradients"
    )
    for column in ("", "CPU time in ms", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name, value in seconds.items():
        table.add_row(name, f"{1e3 * value:.0f}", f"{value / seconds['mmosr']:.2f}x")
    return table
