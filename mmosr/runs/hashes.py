"""Hashes that show whether two runs, or two files, are the same."""

import hashlib
import json
from pathlib import Path


def content_hash(value: object) -> str:
    """SHA-256 of a part of a config, whatever the order of its keys."""
    return bytes_hash(json.dumps(value, sort_keys=True, default=str).encode())


def bytes_hash(content: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of the content of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
