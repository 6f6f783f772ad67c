"""Convert a checkpoint of the public CAC release (CIFAR10) to mmosr.

python tools/model_converters/cac2mmosr.py CIFAR10_0_CACclassifierAnchorLoss.pth cac_trial0.pth

Every key and shape is checked; anything other than such a file is refused. docs/cac.md, "Published
weights", shows the next steps.
"""

import argparse
import shlex
import sys
from pathlib import Path

from mmosr.utils import InputError, cli


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    parser.add_argument("source", metavar="SRC", help="checkpoint of the release")
    parser.add_argument("out", metavar="DST", help="checkpoint to write")
    parser.add_argument(
        "--trial",
        type=int,
        help="number of the class split, 0 to 4; default: the one in the name of SRC",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from cac_release import config_name, read_release, write_release

    source, out = Path(args.source).expanduser(), Path(args.out).expanduser()
    if out.is_dir():
        raise InputError(f"{out} is a folder: give the name of a file")
    if out.exists() and out.samefile(source):
        raise InputError(f"{out} is the source itself: give another name")
    release = read_release(source, args.trial)
    write_release(release, out)
    kind = "CAC" if release.open_set else "softmax"
    print(
        f"{out} written: {kind} model, epoch {release.epoch}, validation accuracy "
        f"{release.accuracy:.2f} %"
    )
    config = config_name(release)
    if config is None:
        print("It has no class names, since the trial is not known: set --trial to add them")
        return
    tool = ("fit_score", "fit") if release.open_set else ("test", "test")
    what = "to re-estimate the anchors" if release.open_set else "to test it"
    print(f"{what}: {cli.tool_command(*tool)} {shlex.join([config, str(out)])}")


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
