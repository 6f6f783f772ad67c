"""Fit anomaly scores that need statistics of the training data.

python tools/fit_score.py CONFIG CHECKPOINT --scores sml mahalanobis

Shows every training image once to the model and writes a copy of the checkpoint with the
statistics added to the unchanged weights. It works on the checkpoint of any mmseg or mmpretrain
config. With CAC it re-estimates the anchors, which are part of the weights. A score that cannot be
fitted does not stop the others: they are written, and the exit status is not 0. On several GPUs:

bash tools/dist_fit_score.sh CONFIG CHECKPOINT 8 --scores sml mahalanobis
"""

import argparse
import shlex
import sys

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_config_argument(parser)
    cli.add_checkpoint_argument(parser)
    parser.add_argument(
        "--scores",
        nargs="+",
        metavar="NAME",
        help="scores to fit; default: those of the config that need it, and the anchors of CAC",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="default: CHECKPOINT's name with _fitted; for mmosr://NAME in the work folder",
    )
    cli.add_common_arguments(parser)
    return parser.parse_args(present_names({"--score": "--scores"}))


def main() -> None:
    args = parse_args()
    from mmosr.config.loading import load_run_config
    from mmosr.engine.fit_checkpoint import fit_checkpoint

    cfg = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    done = fit_checkpoint(cfg, args.checkpoint, args.scores, args.out, args.trust_checkpoint)
    if done.path is not None:
        options = [args.config, str(done.path)]
        options += ["--scores", *done.scores] if done.scores else []
        more = " with the same --cfg-options" if args.cfg_options else ""
        print(
            f"fitted {', '.join(done.parts)}: {done.path} written; to test it: "
            f"{cli.tool_command('test', 'test')} {shlex.join(options)}{more}"
        )
    if done.error is not None:
        raise done.error


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
