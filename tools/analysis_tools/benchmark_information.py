"""Compare the estimates of mutual information with networks on joined pairs.

Both give the four estimates of M2IOSR and their gradient for the same features and weights, in the
same run, in turns, and must agree.

    python tools/analysis_tools/benchmark_information.py --hidden 512
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mmosr.methods.mutual_information import MutualInformation, jensen_shannon, of_other_images
from mmosr.utils import InputError
from mmosr.utils.cli import run_tool

CHECKED = 8  # images whose values are compared in float64

Estimate = Callable[..., dict[str, Tensor]]


def make_features(batch: int, latent_dims: int) -> list[Tensor]:
    """``f_16``, ``f_4`` and ``f_1`` of the VGG-13 of CROSR."""
    shapes = ((64, 16, 16), (256, 4, 4), (latent_dims,))
    return [torch.randn(batch, *shape, requires_grad=True) for shape in shapes]


def estimate_joined(
    module: MutualInformation, map_16: Tensor, map_4: Tensor, latent: Tensor
) -> dict[str, Tensor]:
    """The definition: both sides of each pair are joined, then the whole network."""

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
    """Estimates and, in the parameters and features, the gradient of eq. 9."""
    module.zero_grad()
    for part in features:
        part.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        estimates = estimate(*features)
    module.combine(estimates).backward()
    return estimates


def check_agreement(module: MutualInformation, features: Sequence[Tensor]) -> None:
    """Compare estimates and gradients of some of the images in float64.

    In float32 rounding puts units near 0 on either side of their ReLU, which moves gradients.

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


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128, help="images")
    parser.add_argument("--hidden", type=int, default=512, help="width of the discriminators")
    parser.add_argument("--latent-dims", type=int, default=32)
    parser.add_argument("--bfloat16", action="store_true", help="under autocast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if min(args.batch - 1, args.hidden, args.latent_dims, args.threads, args.repeats) < 1:
        raise InputError("--batch needs at least 2, the other numbers at least 1")
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
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    raise SystemExit(run_tool(main))
