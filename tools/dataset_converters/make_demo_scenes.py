"""Write the embedded demo scenes: street pictures with Cityscapes labels and unknown objects.

Example:
    python tools/dataset_converters/make_demo_scenes.py data/demo_scenes
"""

import argparse
import signal
import sys
from collections.abc import Iterable, Sequence

from mmosr.utils import InputError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Write the embedded demo scenes in the folder layout of Cityscapes. "
        "A finished set with the same parameters is left alone."
    )
    parser.add_argument("root", nargs="?", default="data/demo_scenes", help="folder of the set")
    parser.add_argument("--train", type=int, default=400, help="training scenes (known classes)")
    parser.add_argument("--val", type=int, default=50, help="validation scenes (known classes)")
    parser.add_argument(
        "--test",
        type=int,
        default=100,
        help="test scenes with unknown objects: of the test kinds in set 0, of the test kinds and "
        "new kinds in every other set",
    )
    parser.add_argument(
        "--val-unknown",
        type=int,
        default=0,
        metavar="N",
        help="scenes of the split val_unknown: streets of val with unknown objects of kinds that "
        "are in no test scene, for choosing settings",
    )
    parser.add_argument(
        "--size", type=int, nargs=2, default=(128, 256), metavar=("H", "W"), help="pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="number of the set (see --test)")
    return parser.parse_args()


def show_progress(scenes: Sequence) -> Iterable:
    from rich.progress import track

    return track(scenes, description="Drawing scenes")


def main() -> int:
    args = parse_args()
    from mmosr.datasets.demo.scenes import write_demo_scenes

    try:
        root = write_demo_scenes(
            args.root,
            args.train,
            args.val,
            args.test,
            tuple(args.size),
            args.seed,
            show_progress,
            args.val_unknown,
        )
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: run the same command again to continue", file=sys.stderr)
        return 128 + signal.SIGINT
    counts = f"train {args.train}, val {args.val}, test {args.test}"
    if args.val_unknown:
        counts += f", val_unknown {args.val_unknown}"
    print(f"Demo scenes: {root} ({counts})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
