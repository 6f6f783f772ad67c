"""Export anomaly heatmaps of images.

For an image street/x.png below INPUT this writes, below the output folder:
  street/x_score.npy    raw float32 anomaly scores at the resolution of the image
  street/x_pred.png     label ids
  street/x_heatmap.png  the scores in colours
  street/x_overlay.png  the colours over the image
and export.json with the colour range, the score and the hashes of config and checkpoint. One
colour range holds for the whole run, so colours can be compared between images.
"""

import argparse
import sys
from pathlib import Path

from mmosr.apis import (
    AnomalyInferencer,
    ExportReport,
    ExportSettings,
    describe_run,
    export_heatmaps,
    find_images,
    init_model,
    load_config,
)
from mmosr.utils import InputError
from mmosr.utils.cli import (
    add_checkpoint_argument,
    add_config_options,
    add_trust_argument,
    run_tool,
)
from mmosr.utils.threads import use_free_processors
from mmosr.visualization import DEFAULT_CMAP, HeatmapStyle


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    add_checkpoint_argument(parser)
    parser.add_argument("input", help="image, folder, glob pattern, or .txt list of images")
    parser.add_argument("--out-dir", default="outputs/heatmaps", help="default: %(default)s")
    parser.add_argument("--score", help="anomaly score, such as energy; default: the config's")
    parser.add_argument(
        "--range",
        nargs=2,
        type=float,
        metavar=("LO", "HI"),
        help="scores of the first and the last colour; default: taken over the whole run",
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
    parser.add_argument("--colorbar", action="store_true", help="draw a colour bar beside heatmaps")
    parser.add_argument("--color-pred", action="store_true", help="also write x_pred_color.png")
    parser.add_argument("--alpha", type=float, default=0.5, help="weight of colours in overlays")
    parser.add_argument(
        "--cmap", default=DEFAULT_CMAP, help="matplotlib colour map; default: %(default)s"
    )
    parser.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="continue an interrupted export")
    add_config_options(parser)
    add_trust_argument(parser)
    return parser.parse_args()


def report(result: ExportReport, total: int, out_dir: Path) -> None:
    for source, reason in result.failed.items():
        # The reason of an unreadable image already names it.
        named = reason if source in reason else f"image '{source}': {reason}"
        print(f"failed: {named}", file=sys.stderr)
    for source in result.not_finite:
        print(f"warning: '{source}' has scores that are NaN or infinite", file=sys.stderr)
    bounds = (
        "per image" if result.value_range is None else "{:g} to {:g}".format(*result.value_range)
    )
    end = f", colour range {bounds}" if result.written else ""
    print(f"{result.written} of {total} images exported to {out_dir}{end}")
    if result.failed:
        raise InputError(f"{len(result.failed)} of {total} images failed, see above")


def main() -> None:
    args = parse_args()
    out_dir = Path(args.out_dir)
    settings = ExportSettings(
        out_dir=out_dir,
        style=HeatmapStyle(args.cmap, args.alpha, args.colorbar),
        value_range=None if args.range is None else tuple(args.range),
        range_from=args.range_from,
        per_image_range=args.per_image_range,
        color_pred=args.color_pred,
        batch_size=args.batch_size,
        resume=args.resume,
    )
    items = find_images(args.input, out_dir)
    config = load_config(args.config, args.cfg_options)
    model = init_model(
        config, args.checkpoint, args.device, score=args.score, trust=args.trust_checkpoint
    )
    inferencer = AnomalyInferencer(model)
    use_free_processors(measure_load=False)  # a resumed run shall give the same digits
    run = describe_run(model.cfg, args.checkpoint, model.score_names[0], args.input)
    report(export_heatmaps(inferencer, items, settings, run), len(items), out_dir)


if __name__ == "__main__":
    sys.exit(run_tool(main))
