"""Compute anomaly scores of images with a classifier.

python tools/score_images.py CONFIG CHECKPOINT INPUT --out scores.csv

For each image the CSV file has the predicted known class, its probability and every score; a
larger score means more unknown. With --reject-threshold, or reject_threshold in the model's config,
the column 'unknown' says whether the first score is above it.
"""

import argparse
import sys
from pathlib import Path

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_config_argument(parser)
    cli.add_checkpoint_argument(parser)
    parser.add_argument("input", help="image, folder, glob pattern, or .txt list of images")
    parser.add_argument("--out", default="outputs/scores.csv", help="default: %(default)s")
    parser.add_argument(
        "--scores", nargs="+", metavar="NAME", help="anomaly scores; default: the config's"
    )
    parser.add_argument(
        "--reject-threshold", type=float, help="first score above which an image is unknown"
    )
    cli.add_device_argument(parser)
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    cli.add_resume_argument(parser, "run")
    cli.add_config_options(parser)
    cli.add_trust_argument(parser)
    return parser.parse_args(present_names({"--score": "--scores"}))


def main() -> None:
    args = parse_args()
    from mmosr import apis
    from mmosr.apis.terminal import report_scores

    out = Path(args.out).expanduser()
    items = apis.find_images(args.input, out)
    files, options = (args.config, args.checkpoint), (args.cfg_options, args.trust_checkpoint)
    loaded = apis.load(*files, args.scores, args.device, *options, launcher="none")
    inferencer, scores = apis.ImageInferencer(loaded), loaded.model.score_names
    if args.reject_threshold is not None:
        loaded.set_reject_threshold(args.reject_threshold)
    run = apis.describe_run(loaded, " ".join(scores), args.input)
    table = apis.score_images(inferencer, items, out, run, args.batch_size, args.resume)
    report_scores(table, scores[0], len(items), out)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
