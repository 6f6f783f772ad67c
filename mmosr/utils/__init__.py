"""Small helpers shared by the whole package."""

from .errors import InputError
from .files import atomic_write
from .labels import IGNORE_LABEL, UNKNOWN_LABEL

__all__ = ["IGNORE_LABEL", "UNKNOWN_LABEL", "InputError", "atomic_write"]
