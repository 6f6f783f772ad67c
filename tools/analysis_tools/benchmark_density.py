"""Compare the mixture density with torch.distributions: time, accuracy and memory.

Both compute ``log N(z; mu_yk, sigma_yk)`` of the same features of unit mean square, in float32, in
the same run, in turns. The difference is taken against torch.distributions in float64.

    python tools/analysis_tools/benchmark_density.py --samples 8192 --threads 1
"""

import argparse

from mmosr.utils import cli


def parse_args() -> argparse.Namespace:
    def positive(text: str) -> int:
        if int(text) < 1:
            raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
        return int(text)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=positive, default=8192, help="feature vectors (pixels)")
    parser.add_argument("--dims", type=positive, default=128)
    parser.add_argument("--classes", type=positive, default=19)
    parser.add_argument("--components", type=positive, default=3, help="components per class")
    parser.add_argument("--threads", type=positive, help="CPU threads (default: torch's choice)")
    parser.add_argument("--repeats", type=positive, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="such as cpu or cuda")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from density import report, run
    from rich.console import Console

    # Wide enough for the table, wherever the output goes.
    console = Console(width=max(100, Console().width))
    console.print(report(args, run(args)))


if __name__ == "__main__":
    raise SystemExit(cli.run_tool(main))
