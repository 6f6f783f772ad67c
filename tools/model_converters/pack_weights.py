"""Convert a checkpoint of tools/train.py to a small weights file for the package.

python tools/model_converters/pack_weights.py CHECKPOINT mmosr/weights/NAME.safetensors

The weights become float16, and what only training needs is left out. Every tool accepts the file
instead of a checkpoint, by its path or, from that folder, as mmosr://NAME.
"""

import argparse
import sys
from pathlib import Path

from mmosr.utils import InputError, cli


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_checkpoint_argument(parser)
    parser.add_argument("out", metavar="OUT", help="file to write, *.safetensors")
    parser.add_argument(
        "--source",
        metavar="TEXT",
        help="how the weights were made: command, config, seeds; default: as noted in CHECKPOINT",
    )
    parser.add_argument("--max-bytes", type=int, metavar="N", help="refuse to write a larger file")
    cli.add_trust_argument(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from weight_packing import pack_weights

    from mmosr.engine.checkpoint import read_checkpoint
    from mmosr.engine.packaged_weights import checkpoint_file

    out = Path(args.out).expanduser()
    if out.is_dir():
        raise InputError(f"{out} is a folder: give the name of a file")
    if out.exists() and out.samefile(checkpoint_file(args.checkpoint)):
        raise InputError(f"{out} is the checkpoint itself: give another name")
    content = read_checkpoint(args.checkpoint, args.trust_checkpoint)
    packed = pack_weights(content, out, args.checkpoint, args.source, args.max_bytes)
    print(f"{out} written: {packed.size} bytes, {packed.tensors} tensors")
    print(
        f"rounded to float16: by at most {packed.rounding:.2g} of the largest value of a tensor"
        + (f" ({packed.roundest})" if packed.roundest else "")
    )
    if packed.left_out:
        print(f"left out: {', '.join(packed.left_out)}")
    print(f"source: {packed.source or 'not known: set it with --source'}")


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
