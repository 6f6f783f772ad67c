"""A run of representation.py: the images, what is measured on them, tables, plots and record."""
