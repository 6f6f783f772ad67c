"""Test several segmentation models on the same data: one table, and a sheet of pictures.

python tools/compare.py --model NAME CONFIG CHECKPOINT [--model ...] --out-dir DIR

Each --model is tested on the test data of its own config, which should be the same for all. DIR
gets comparison.csv, and sheet.png of the first model: image with the unknown objects outlined,
prediction, and heatmap of its first score.
"""

import argparse
import sys
from pathlib import Path

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    parser.add_argument(
        "--model",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "CONFIG CHECKPOINT"),
        help="a name for the table, config and checkpoint, and scores instead of the config's own",
    )
    parser.add_argument("--out-dir", default="outputs/comparison", help="default: %(default)s")
    parser.add_argument("--images", type=int, default=6, help="rows of the sheet; 0 for none")
    parser.add_argument("--title", default="", help="of the sheet")
    cli.add_config_options(parser)
    cli.add_trust_argument(parser)
    args = parser.parse_args(present_names({"--out": "--out-dir"}))
    if args.images < 0:
        parser.error(f"--images {args.images}: give 0 or more")
    for model in args.model:
        if len(model) < 3:
            parser.error(f"--model {' '.join(model)}: give NAME CONFIG CHECKPOINT [SCORE ...]")
    return args


def main() -> None:
    args = parse_args()
    from mmosr.apis import comparison

    out, results = Path(args.out_dir), []
    for name, config, checkpoint, *scores in args.model:
        model = comparison.Contestant(name, config, checkpoint, tuple(scores), args.cfg_options)
        frames = 0 if results else args.images
        results.append(comparison.compare(model, frames, args.trust_checkpoint))
    comparison.write_comparison(results, out / "comparison.csv")
    comparison.show_comparison(results)
    print(f"table: {out / 'comparison.csv'}")
    if results[0].frames:
        comparison.draw_sheet(results[0], out / "sheet.png", args.title or results[0].name)
        print(f"sheet: {out / 'sheet.png'}")


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
