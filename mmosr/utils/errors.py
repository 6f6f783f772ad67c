"""Errors that the user can fix, and their one-line messages."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterable, Sequence

_BUILD_FILE = os.path.join("mmengine", "registry", "build_functions.py")
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_WORKER = re.compile(r"^Caught (\w+) in DataLoader worker process \d+")


class InputError(ValueError):
    """Wrong input: file, configuration, checkpoint or label.

    The message is one line that says what is wrong, where, and how to fix it. The command-line
    tools print it without a traceback and exit with a non-zero status.
    """


def check_choice(owner: str, option: str, value: object, choices: Iterable) -> None:
    """Reject a value that is not one of the choices of an option.

    Raises:
        InputError: Names the owner, the option, its value and the choices.
    """
    choices = list(choices)
    if value not in choices:
        names = ", ".join(map(str, choices))
        raise InputError(f"{owner}: {option}={value!r}: choose from {names}")


def explain(error: BaseException) -> str | None:
    """One line for an error that the user can fix; None for any other.

    Args:
        error: What was raised. The traceback shows whether it happened while mmengine built a part
            from the config.
    """
    from urllib.error import URLError  # here: at the top it would make every start a tenth slower

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
        return one_line(
            f"a download failed ({error.reason}); is there a network? Without pretrained weights: "
            "--cfg-options model.backbone.init_cfg=None"
        )
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
                f": remove {argument[1]}; if it comes from an inherited config, write "
                "_delete_=True next to the new type"
            )
        elif text.startswith("persistent_workers option needs num_workers"):
            hint = ": set persistent_workers=False of the data loader as well"
        return one_line(f"the config cannot be built: {text or type(error).__name__}{hint}")
    if text.startswith("Expected more than 1 value per channel when training"):
        return "batch normalisation needs at least 2 images: set train_dataloader.batch_size=2"
    if type(error).__name__ == "OutOfMemoryError":
        return one_line(f"{text.split('. ')[0]}. Lower the batch size or the crop size.")
    return None


def some(names: Sequence[str], count: int = 3) -> str:
    """The first names, and a sign if there are more."""
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")


def one_line(text: str) -> str:
    """The text with every run of white space replaced by one blank."""
    return " ".join(text.split())


def _while_building(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.endswith(_BUILD_FILE) for frame in frames)
