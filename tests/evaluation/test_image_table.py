"""The CSV file of the scores of all images."""

import csv

import numpy as np
import pytest

from mmosr.evaluation.image_table import ImageTable, read_image_table, write_image_table
from mmosr.utils import InputError


def table_of(count):
    generator = np.random.default_rng(0)
    scores = {name: generator.normal(size=count).astype(np.float32) for name in ("a", 'b, "c"')}
    if count:
        scores["a"][0] = np.float32(1e-45)  # the smallest number
    names = [f'folder, one/"{index}".png' for index in range(count)]
    return ImageTable(names, np.arange(count) - 1, np.arange(count), scores)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_what_is_written_is_read(tmp_path, count):
    table = table_of(count)
    write_image_table(tmp_path / "t.csv", table)
    found = read_image_table(tmp_path / "t.csv")
    assert found.images == table.images
    assert found.truth.tolist() == table.truth.tolist() and found.truth.dtype == np.int64
    assert found.predictions.tolist() == table.predictions.tolist()
    assert list(found.scores) == list(table.scores)
    for name, values in table.scores.items():
        assert found.scores[name].tobytes() == values.tobytes()


def test_columns(tmp_path):
    table = ImageTable(["x.png"], np.array([-1]), np.array([2]), {"msp": np.float32([0.5])})
    write_image_table(tmp_path / "t.csv", table)
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"image": "x.png", "truth": "-1", "prediction": "2", "msp": "0.5"}
        ]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "image,truth,prediction,s\nx,1,1\n"])
def test_another_file(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match="t.csv' is not a table of images"):
        read_image_table(tmp_path / "t.csv")
