"""What the command-line tools share: options, and errors that read as one line."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Callable
from urllib.error import URLError

from mmengine.config import DictAction

from .errors import InputError

DEBUG_VARIABLE = "MMOSR_DEBUG"
_BUILD_FILE = os.path.join("mmengine", "registry", "build_functions.py")
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_WORKER = re.compile(r"^Caught (\w+) in DataLoader worker process \d+")


class ConfigOptions(DictAction):
    """mmengine's ``KEY=VALUE`` action, with a usage error instead of a traceback."""

    def __call__(self, parser, namespace, values, option_string=None):
        for value in values or ():
            if "=" not in value:
                parser.error(f"{option_string}: expected KEY=VALUE, got '{value}'")
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError, SyntaxError) as error:
            parser.error(f"{option_string}: {error}")


def add_common_arguments(parser: ArgumentParser) -> None:
    """Add the options that train.py and test.py share, under OpenMMLab's names."""
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    add_config_options(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    add_trust_argument(parser)


def add_config_options(parser: ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=ConfigOptions,
        metavar="KEY=VALUE",
        help="change settings of each config, for example train_dataloader.batch_size=4; "
        'lists are written key=a,b or key="[(a,b),(c,d)]"',
    )


def add_checkpoint_argument(parser: ArgumentParser) -> None:
    """Add ``CHECKPOINT``, under the name that the tools share."""
    parser.add_argument(
        "checkpoint",
        help="checkpoint file (*.pth, *.safetensors), or mmosr://NAME for weights of the package",
    )


def add_trust_argument(parser: ArgumentParser) -> None:
    """Add ``--trust-checkpoint``."""
    parser.add_argument(
        "--trust-checkpoint",
        action="store_true",
        help="read checkpoints that hold arbitrary Python objects; such a file can run any "
        "code, so do this only for files of your own",
    )


def run_tool(main: Callable[[], object]) -> int:
    """Run the main function of a tool and turn wrong input into one line.

    Errors that a user can mend are printed as ``error: ...`` on standard error. Anything else
    is a fault of the program and keeps its traceback, and so does everything when the
    environment variable MMOSR_DEBUG is 1.

    Args:
        main: Called without arguments.

    Returns:
        The exit status: 0, or 1 after an error.
    """
    try:
        main()
    except Exception as error:
        message = None if os.environ.get(DEBUG_VARIABLE) == "1" else explain(error)
        if message is None:
            traceback.print_exc()
        else:
            print(f"error: {message}", file=sys.stderr, flush=True)
        # The process group is left as it is: to destroy it can wait for the other ranks, and
        # these are stopped by the launcher once this process has ended.
        return 1
    close_process_group()
    return 0


def close_process_group() -> None:
    """Leave the process group, when there is one.

    With gloo the process ends here, with status 0, once every rank is through: its threads abort
    the process now and then when the group or the interpreter is torn down, and the launcher
    would call a finished run failed.
    """
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    if dist.get_backend() != "gloo":
        dist.destroy_process_group()
        return
    with contextlib.suppress(RuntimeError):  # a rank that is ahead may have left the barrier
        dist.barrier()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def explain(error: BaseException) -> str | None:
    """One line for an error that the user can mend, None for any other.

    Args:
        error: What was raised. The traceback tells whether it happened while mmengine built a
            part from the config.
    """
    text = str(error)
    worker = _WORKER.match(text)
    if worker and isinstance(error, (InputError, OSError, ValueError, AssertionError)):
        # torch puts the traceback of the worker into the message; its last line is the error.
        return re.sub(r"^[\w.]+: ", "", text.strip().splitlines()[-1])
    if isinstance(error, InputError):
        return one_line(text)
    if isinstance(error, KeyError) and " registry" in text and "is not in the" in text:
        return one_line(text.strip("'\"").split(". More details")[0])
    if isinstance(error, URLError):
        return one_line(f"a download failed ({error.reason}); is there a network?")
    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.strerror}: {error.filename}")
    if isinstance(error, FileNotFoundError):
        return one_line(text)
    if _while_building(error) and isinstance(
        error, (TypeError, ValueError, AssertionError, ImportError)
    ):
        hint = ""
        argument = _UNEXPECTED.search(text)
        if argument:
            hint = (
                f": remove {argument[1]}; where it comes from the config that is inherited, write "
                "_delete_=True beside the new type"
            )
        return one_line(f"the config does not build: {text or type(error).__name__}{hint}")
    if text.startswith("Expected more than 1 value per channel when training"):
        return "batch normalisation needs at least 2 images: set train_dataloader.batch_size=2"
    if type(error).__name__ == "OutOfMemoryError":
        return one_line(f"{text.split('. ')[0]}. Lower the batch size or the crop size.")
    return None


def one_line(text: str) -> str:
    """The text with every run of white space made one blank."""
    return " ".join(text.split())


def _while_building(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.endswith(_BUILD_FILE) for frame in frames)
