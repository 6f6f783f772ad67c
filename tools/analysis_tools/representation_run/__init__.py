"""A run of representation.py: which images, what is measured of them, tables, plots and record."""
