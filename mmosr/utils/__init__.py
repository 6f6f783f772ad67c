"""Small helpers shared by the whole package."""

from .errors import InputError, check_choice
from .labels import IGNORE_LABEL, UNKNOWN, UNKNOWN_LABEL

__all__ = ["IGNORE_LABEL", "UNKNOWN", "UNKNOWN_LABEL", "InputError", "check_choice"]
