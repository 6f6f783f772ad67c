"""Which images two parts of the data share."""

import hashlib

import numpy as np
import pytest

from mmosr.datasets.shared_images import check_apart, image_identity
from mmosr.utils import InputError


def test_a_file_by_any_of_its_names(tmp_path, monkeypatch):
    image, other = tmp_path / "real/cat/1.png", tmp_path / "real/dog/1.png"
    for path in (image, other):
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "folders").symlink_to(tmp_path / "real")
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.png").symlink_to(image)
    monkeypatch.chdir(tmp_path)
    names = [image, "real/cat/1.png", "real/dog/../cat/1.png", "folders/cat/1.png", "files/a.png"]
    assert {image_identity(dict(img_path=name)) for name in names} == {str(image)}
    assert image_identity(dict(img_path=other)) == str(other)
    assert image_identity(dict(img_path="s3://bucket/1.png")) == "s3://bucket/1.png"


def test_a_picture_without_a_file_by_its_pixels():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2)).transpose(1, 0, 2)
    expected = hashlib.sha256(bytes(range(24))).digest()
    assert image_identity(dict(img=picture)) == image_identity(dict(img=turned)) == expected
    assert image_identity(dict(img=picture + 1)) != expected


def numbered(*numbers):
    return [f"/data/{number}.png" for number in numbers]


@pytest.mark.parametrize(
    ("one", "other", "mend"),
    [
        ("train", "val", ", and use the same val_fraction and val_seed in both"),
        ("train", "test", ""),
        ("val", "test", ""),
    ],
)
def test_files_in_two_parts(one, other, mend):
    """One is enough, among any number."""
    images = dict(train=numbered("a", "b"), val=numbered("c"), test=numbered("d", "e"))
    check_apart(images)
    images[one], images[other] = numbered(*range(500)), numbered(600, 7, 601)
    message = (
        f"the {one} and {other} data share 1 images, such as /data/7.png: an image belongs to one "
        "of training, validation and test; check their data_root, data_prefix and ann_file" + mend
    )
    with pytest.raises(InputError) as error:
        check_apart(images)
    assert str(error.value) == message


def test_pictures_that_published_data_hold_twice():
    """Of 200 test pictures 2 may be training pictures, and 3 may not."""
    pictures = [bytes([number]) for number in range(256)]
    others = [b"other" + picture for picture in pictures]
    check_apart(dict(train=pictures, test=pictures[:2] + others[:198]))
    with pytest.raises(InputError, match="share 3 images, such as number 197 of the test images:"):
        check_apart(dict(train=pictures, test=others[:197] + pictures[:3]))
    with pytest.raises(InputError, match=r"share 1 images, such as /data/1.png:"):
        check_apart(dict(train=pictures + numbered(1), test=pictures[:1] + numbered(1, *"a" * 99)))
