"""Export anomaly heatmaps of images.

For an image street/x.png below INPUT this writes, below the output folder:
  street/x_score.npy    raw float32 anomaly scores at the resolution of the image
  street/x_pred.png     label ids
  street/x_heatmap.png  the scores in colours
  street/x_overlay.png  the colours over the image
and export.json with the colour range, the score and the hashes of config and checkpoint. The
whole run has one colour range, so colours can be compared between images.
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
    parser.add_argument("--out-dir", default="outputs/heatmaps", help="default: %(default)s")
    parser.add_argument(
        "--scores", metavar="NAME", help="one anomaly score, such as energy; default: the config's"
    )
    parser.add_argument(
        "--range",
        nargs=2,
        type=float,
        metavar=("LO", "HI"),
        help="scores of the first and the last colour; default: computed over the whole run",
    )
    parser.add_argument(
        "--range-from",
        choices=["percentile", "minmax"],
        default="percentile",
        help="range over the run: percentiles 1 and 99 of all pixels, or the extremes",
    )
    parser.add_argument(
        "--per-image-range",
        action="store_true",
        help="a range for each image; colours can then not be compared between images",
    )
    parser.add_argument(
        "--colorbar", action="store_true", help="draw a colour bar next to heatmaps"
    )
    parser.add_argument("--color-pred", action="store_true", help="also write x_pred_color.png")
    parser.add_argument("--alpha", type=float, default=0.5, help="weight of colours in overlays")
    parser.add_argument(
        "--cmap", default="inferno", help="matplotlib colour map; default: %(default)s"
    )
    cli.add_device_argument(parser)
    parser.add_argument("--batch-size", type=int, default=1)
    cli.add_resume_argument(parser, "export")
    cli.add_config_options(parser)
    cli.add_trust_argument(parser)
    return parser.parse_args(present_names({"--score": "--scores"}))


def main() -> None:
    args = parse_args()
    from mmosr import apis
    from mmosr.apis.terminal import report_export
    from mmosr.visualization import HeatmapStyle

    out_dir = Path(args.out_dir)
    settings = apis.ExportSettings(
        out_dir=out_dir,
        style=HeatmapStyle(args.cmap, args.alpha, args.colorbar),
        value_range=None if args.range is None else tuple(args.range),
        range_from=args.range_from,
        per_image_range=args.per_image_range,
        color_pred=args.color_pred,
        batch_size=args.batch_size,
        resume=args.resume,
    )
    items = apis.find_images(args.input, out_dir)
    files, options = (args.config, args.checkpoint), (args.cfg_options, args.trust_checkpoint)
    loaded = apis.load(*files, args.scores, args.device, *options, launcher="none")
    inferencer = apis.AnomalyInferencer(loaded)
    run = apis.describe_run(loaded, loaded.model.score_names[0], args.input)
    result = apis.export_heatmaps(inferencer, items, settings, run)
    report_export(result, len(items), out_dir)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
