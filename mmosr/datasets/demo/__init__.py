"""Embedded street scenes with Cityscapes labels and unknown objects."""
