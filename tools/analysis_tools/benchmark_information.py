"""Compare the estimates of mutual information with networks on joined pairs.

Both compute the four estimates of M2IOSR and their gradient for the same features and weights, in
the same run, in turns, and must agree.

    python tools/analysis_tools/benchmark_information.py --hidden 512
"""

import argparse

from mmosr.utils import InputError, cli


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
        raise InputError("--batch must be at least 2, the other numbers at least 1")
    from information import run
    from rich.console import Console

    Console(width=max(100, Console().width)).print(run(args))


if __name__ == "__main__":
    raise SystemExit(cli.run_tool(main))
