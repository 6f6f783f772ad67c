"""The one way to keep a run: records, journals, whole files, tables, progress, ranks, hashes."""
