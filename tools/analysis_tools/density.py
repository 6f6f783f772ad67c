"""The measurements of benchmark_density.py."""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from rich.table import Table
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmosr.methods import GaussianMixture

CHUNK = 512  # samples at a time in float64, so that the reference itself needs little memory


@dataclass(frozen=True)
class Result:
    """Measurements of one implementation.

    Attributes:
        seconds: Median time of a call.
        best: Shortest time of a call, which other load on the machine affects least.
        error: Largest absolute difference from float64, in nats.
        largest: Elements of the largest tensor made.
    """

    seconds: float
    best: float
    error: float
    largest: int


class LargestTensor(TorchDispatchMode):
    """Record the elements of the largest result of any operation."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


def broadcast_log_prob(z: Tensor, means: Tensor, sigma: Tensor) -> Tensor:
    """``log N`` by torch.distributions, ``(N, C, K)``."""
    normal = Independent(Normal(means, sigma, validate_args=False), 1, validate_args=False)
    return normal.log_prob(z[:, None, None])


def make_inputs(args: argparse.Namespace) -> tuple[GaussianMixture, Tensor]:
    """A mixture with sigma in [0.7, 1.6] and features, both of unit mean square."""
    torch.manual_seed(args.seed)
    mixture = GaussianMixture(args.classes, args.components, args.dims)
    with torch.no_grad():
        mixture.means.normal_()
        sigma = 0.7 + 0.9 * torch.rand_like(mixture.rho)
        mixture.rho.copy_(torch.expm1(sigma - mixture.min_sigma).log())
    z = F.normalize(torch.randn(args.samples, args.dims), dim=1) * args.dims**0.5
    return mixture.to(args.device), z.to(args.device)


def synchronize(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def measure(
    functions: dict[str, Callable[[Tensor], Tensor]], z: Tensor, exact: Tensor, repeats: int
) -> dict[str, Result]:
    """Time the functions in turns, so that other load on the machine affects both equally."""
    largest, errors = {}, {}
    for name, function in functions.items():
        with LargestTensor() as recorder:
            out = function(z)  # this call also warms up
        largest[name] = recorder.elements
        errors[name] = (out.double() - exact).abs().max().item()
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            synchronize(z.device)
            start = time.perf_counter()
            function(z)
            synchronize(z.device)
            seconds[name].append(time.perf_counter() - start)
    return {
        name: Result(
            statistics.median(seconds[name]), min(seconds[name]), errors[name], largest[name]
        )
        for name in functions
    }


def run(args: argparse.Namespace) -> dict[str, Result]:
    """Measure both implementations; the first is ours."""
    if args.threads:
        torch.set_num_threads(args.threads)
    mixture, z = make_inputs(args)
    with torch.no_grad():
        means, sigma = mixture.means, mixture.sigma
        exact = torch.cat(
            [
                broadcast_log_prob(part.double(), means.double(), sigma.double())
                for part in z.split(CHUNK)
            ]
        )
        functions = {
            "mmosr": mixture.component_log_prob,
            "torch.distributions": lambda z: broadcast_log_prob(z, means, sigma),
        }
        return measure(functions, z, exact, args.repeats)


def report(args: argparse.Namespace, results: dict[str, Result]) -> Table:
    """The results as a table."""
    title = (
        f"{args.samples} samples, {args.dims} dimensions, {args.classes} classes x "
        f"{args.components} components, {args.device}, {torch.get_num_threads()} thread(s)"
    )
    table = Table(title=title)
    columns = ("median (ms)", "best (ms)", "ratio", "difference (nats)", "largest tensor (MB)")
    for column in ("", *columns):
        table.add_column(column, justify="right" if column else "left")
    ours = next(iter(results.values()))
    for name, result in results.items():
        table.add_row(
            name,
            f"{1e3 * result.seconds:.2f}",
            f"{1e3 * result.best:.2f}",
            f"{result.seconds / ours.seconds:.1f}x",
            f"{result.error:.1e}",
            f"{4e-6 * result.largest:.1f}",
        )
    return table
