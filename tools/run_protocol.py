"""Train and test methods on all trials of a protocol, and report mean and standard deviation.

python tools/run_protocol.py cifar10_6-4 --method configs/cac_osrcinet_cifar10-6-4.py --out-dir DIR

Any config of a method fits any protocol with the data of that protocol:

python tools/run_protocol.py ood_cifar10_isun --data configs/_base_/protocols/ood_cifar10_isun.py \
    --method configs/cac_osrcinet_cifar10-6-4.py --out-dir DIR

A run that was stopped continues with --resume; finished trials are kept. docs/protocols.md lists
the protocols.
"""

import argparse
import re
import sys

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names


def trial_numbers(text: str) -> list[int]:
    """``0-2,4`` as 0, 1, 2, 4, each once."""
    numbers = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"expected trials such as 0-4 or 0,2, got '{text}'")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(numbers))


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    parser.add_argument("protocol", help="identifier of a protocol, such as cifar10_6-4")
    parser.add_argument(
        "--method",
        nargs="+",
        required=True,
        metavar="CONFIG",
        help="config files; their data must be those of the protocol, unless --data is given",
    )
    parser.add_argument(
        "--data",
        metavar="CONFIG",
        help="replace the data of every method with those of this file, such as "
        "configs/_base_/protocols/NAME.py, and the number of classes with the protocol's",
    )
    parser.add_argument(
        "--trials", type=trial_numbers, metavar="0-4", help="such as 0-4 or 0,2; default: all"
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        metavar="SEED",
        help="run each trial with each of these; default: the config's own",
    )
    parser.add_argument(
        "--scores", nargs="+", metavar="NAME", help="anomaly scores, instead of the configs' own"
    )
    parser.add_argument("--out-dir", required=True, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--trained",
        metavar="DIR",
        help="results of another run, whose checkpoints are tested if the training is the same",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision")
    parser.add_argument("--resume", action="store_true", help="continue what is in --out-dir")
    cli.add_config_options(parser)
    return parser.parse_args(present_names({"--out": "--out-dir"}))


def main() -> None:
    args = parse_args()
    from mmosr.benchmark.images import run_protocol
    from mmosr.benchmark.images.report import print_report
    from mmosr.utils.stopping import stoppable

    with stoppable(args.out_dir):
        run = run_protocol(
            args.protocol,
            args.method,
            args.out_dir,
            args.trials,
            args.scores,
            data=args.data,
            trained=args.trained,
            seeds=args.seeds,
            amp=args.amp,
            resume=args.resume,
            cfg_options=args.cfg_options,
        )
    print_report(run)
    print("written:", *run.written, sep="\n  ")
    failed = sum(map(len, run.failures.values()))
    if failed:
        print(f"{failed} trials failed: --resume runs them again", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
