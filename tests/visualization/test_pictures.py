"""Names of outputs."""

from pathlib import Path

from mmosr.visualization.pictures import name_images


def test_names_are_unique_and_each_source_counts_once():
    root = Path("/data")
    sources = [root / name for name in ("a/x.png", "a/x.jpg", "b/x.png", "a/x.png", "y.webp")]
    items = name_images(sources, root)
    assert [item.name for item in items] == ["a/x.png", "a/x.jpg", "b/x", "y"]
    assert [item.source for item in items] == [*sources[:3], sources[4]]
