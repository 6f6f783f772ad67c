"""The version of mmosr."""

__version__ = "0.1.0"
