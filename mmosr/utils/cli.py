"""What the command-line tools share: their options, and one-line errors.

A tool imports only this module, and everything else in its ``main`` after parsing the arguments, so
that ``--help`` and wrong arguments are answered at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from argparse import Action, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable

from .errors import explain

DEBUG_VARIABLE = "MMOSR_DEBUG"


class ConfigOptions(Action):
    """mmengine's ``KEY=VALUE`` action, with a usage error instead of a traceback."""

    def __call__(self, parser, namespace, values, option_string=None):
        for value in values or ():
            if "=" not in value:
                parser.error(f"{option_string}: expected KEY=VALUE, got '{value}'")
        from mmengine.config import DictAction

        try:
            DictAction(self.option_strings, self.dest)(parser, namespace, values, option_string)
        except (AssertionError, ValueError, SyntaxError) as error:
            parser.error(f"{option_string}: {error}")


def make_parser(text: str) -> ArgumentParser:
    """A parser whose help shows the docstring of a tool with its line breaks."""
    return ArgumentParser(description=text, formatter_class=RawDescriptionHelpFormatter)


def add_common_arguments(parser: ArgumentParser) -> None:
    """Add the options that train.py and test.py share, under OpenMMLab's names."""
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    add_config_options(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    # The default is text, so that it is parsed too and is set in the environment.
    parser.add_argument("--local_rank", "--local-rank", type=_local_rank, default="0")
    add_trust_argument(parser)


def _local_rank(text: str) -> int:
    """The number; also set in the environment for mmengine, as torchrun does."""
    os.environ.setdefault("LOCAL_RANK", str(int(text)))
    return int(text)


def add_config_argument(parser: ArgumentParser, of: str = "") -> None:
    """Add ``CONFIG``; ``of`` says what for, as in ``" of an image classifier"``."""
    parser.add_argument("config", help=f"config file{of}, or the name of one in the package")


def add_checkpoint_argument(parser: ArgumentParser) -> None:
    """Add ``CHECKPOINT``, with the same name in all tools."""
    parser.add_argument(
        "checkpoint",
        help="checkpoint file (*.pth, *.safetensors), or mmosr://NAME for weights in the package",
    )


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


def add_trust_argument(parser: ArgumentParser) -> None:
    """Add ``--trust-checkpoint``."""
    parser.add_argument(
        "--trust-checkpoint",
        action="store_true",
        help="read checkpoints that hold arbitrary Python objects; such a file can run any "
        "code, so do this only for your own files",
    )


def add_device_argument(parser: ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")


def add_resume_argument(parser: ArgumentParser, what: str) -> None:
    """Add ``--resume``, which continues ``what``."""
    parser.add_argument("--resume", action="store_true", help=f"continue an interrupted {what}")


def tool_command(file: str, command: str) -> str:
    """How the user starts another tool: as this one was started.

    Args:
        file: ``tools/FILE.py``.
        command: Its name as a command of ``mmosr``.
    """
    installed = sys.argv[0].startswith("mmosr ")
    return f"mmosr {command}" if installed else f"python tools/{file}.py"


def run_tool(main: Callable[[], object]) -> int:
    """Run the main function of a tool and turn wrong input into one line.

    Errors that a user can fix are printed as ``error: ...`` on standard error. Anything else is a
    bug and keeps its traceback; if the environment variable MMOSR_DEBUG is 1, everything does.

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
        # The process group is left as it is: destroying it could wait for the other ranks, which
        # the launcher stops once this process has ended.
        return 1
    close_process_group()
    return 0


def close_process_group() -> None:
    """Leave the process group, if there is one.

    With gloo the process ends here, with status 0, once every rank is done: its threads sometimes
    abort the process when the group or the interpreter is torn down, and the launcher would report
    a finished run as failed.
    """
    dist = sys.modules.get("torch.distributed")  # not imported: no group
    if dist is None or not (dist.is_available() and dist.is_initialized()):
        return
    if dist.get_backend() != "gloo":
        dist.destroy_process_group()
        return
    with contextlib.suppress(RuntimeError):  # a faster rank may have left the barrier
        dist.barrier()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
