"""Small downloads in the exact layouts of the public ones."""

import hashlib
import json
import os

import cv2
import numpy as np
from PIL import Image

SIZE = (4, 6)


def write_picture(path, seed=0, size=SIZE):
    """A random RGB picture, which is returned; equal to it after reading unless it is a jpg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    flags = [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else []
    assert cv2.imwrite(str(path), picture[..., ::-1], flags)
    return picture


def write_label(path, values, size=SIZE):
    """A label map that starts with some values and continues with the first one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.full(size, values[0], np.uint8)
    label.ravel()[: len(values)] = values
    Image.fromarray(label).save(path)
    return label


def read(path):
    """Pixels of a file: (H, W) or RGB (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image)


def snapshot(folder):
    """Everything in a folder: links, content, sizes and times."""
    state = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else None
        if content is None and path.is_file():
            content = path.read_bytes()
        state[path.relative_to(folder).as_posix()] = (status.st_mtime_ns, status.st_ino, content)
    return state


def manifest(folder):
    """The manifest, checked against the files on disk; there is nothing else."""
    content = json.loads((folder / "manifest.json").read_text())
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    assert files == {*content["outputs"], "manifest.json"}
    for path, entry in content["outputs"].items():
        data = (folder / path).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["size"] == len(data)
    return content


# Downloads. Each writes below ``root`` and returns it.


def lost_and_found(root):
    """Three test frames, one with unknown objects, and two training frames."""
    for split, names in {"test": "abc", "train": "de"}.items():
        for name in names:
            ident = f"0{ord(name) - 96}_Some_Street_{name}_000000_000030"
            image = root / "leftImg8bit" / split / f"street_{name}" / f"{ident}_leftImg8bit.png"
            label = root / "gtCoarse" / split / f"street_{name}" / f"{ident}_gtCoarse_labelIds.png"
            write_picture(image, ord(name))
            write_label(label, [1, 0, 2, 31, 43] if name == "a" else [1, 0])
            write_label(label.with_name(f"{ident}_gtCoarse_color.png"), [9])
    return root


def fishyscapes_lost_and_found(root):
    """Labels of two frames, of a test and a training frame of Lost and Found."""
    write_label(root / "0000_01_Some_Street_a_000000_000030_labels.png", [0, 1, 255])
    write_label(root / "0001_04_Some_Street_d_000000_000030_labels.png", [0, 255])
    return root


def fishyscapes_static(root, cityscapes):
    """Two overlays with their labels, and the Cityscapes images that they belong to.

    Returns:
        The expected images, by name.
    """
    wanted = {}
    for index in (0, 1):
        ident = f"frankfurt_00000{index}_000294"
        image = cityscapes / "leftImg8bit/val/frankfurt" / f"{ident}_leftImg8bit.png"
        picture = write_picture(image, index)
        target = np.random.default_rng(9 + index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        root.mkdir(parents=True, exist_ok=True)
        overlay = target.astype(np.int16) - picture
        np.savez_compressed(root / f"000{index}_{ident}_rgb.npz", rgb=overlay)
        write_label(root / f"000{index}_{ident}_labels.png", [0, 1, 255])
        wanted[f"000{index}_{ident}.png"] = target
    return wanted


def road_anomaly(root):
    """A jpg and a webp frame, each with labels, and what else lies in their folders."""
    for name, suffix in (("camel", ".jpg"), ("sheep_2", ".webp")):
        write_picture(root / "frames" / f"{name}{suffix}", 1)
        write_label(root / "frames" / f"{name}.labels" / "labels_semantic.png", [0, 2])
        write_label(root / "frames" / f"{name}.labels" / "labels_semantic_color.png", [77])
    (root / "frame_list.json").write_text(json.dumps(["camel.jpg", "sheep_2.webp"]))
    return root


def segment_me_if_you_can(root):
    """Two labelled images, one of them webp, and a test image without labels."""
    for name, suffix in (("validation0000", ".jpg"), ("validation0001", ".webp")):
        write_picture(root / "images" / f"{name}{suffix}", 2)
        write_label(root / "labels_masks" / f"{name}_labels_semantic.png", [0, 1, 255])
        write_label(root / "labels_masks" / f"{name}_labels_semantic_color.png", [77])
    write_picture(root / "images" / "test0000.jpg", 3)
    return root


def street_hazards(root):
    """One image of each split."""
    for folder in ("train/{}/training/t1-3", "train/{}/validation/t2", "test/{}/test/t5"):
        write_picture(root / folder.format("images") / "300.png", 4)
        label = [14, 1, 13] if folder.startswith("test") else [1, 13]
        write_label(root / folder.format("annotations") / "300.png", label)
    return root


BDD = {"train/a": [0, 255], "train/b": [0, 17], "val/c": [1, 12], "val/d": [0, 16]}


def bdd(root, new_release=False):
    """Four images of BDD100K's segmentation, two of them with an unknown class."""
    images, labels, ending = (
        ("bdd100k/images/10k", "bdd100k/labels/sem_seg/masks", ".png")
        if new_release
        else ("bdd100k/seg/images", "bdd100k/seg/labels", "_train_id.png")
    )
    for index, (name, values) in enumerate(BDD.items()):
        write_picture(root / images / f"{name}.jpg", index)
        write_label(root / labels / f"{name}{ending}", values)
    write_picture(root / images / "test" / "e.jpg", 9)
    return root


def camvid(root, suffix=".png"):
    """SegNet's tutorial: an image of each split, void is 11."""
    for index, split in enumerate(("train", "val", "test")):
        name = f"0001TP_00{index}690"
        write_picture(root / "CamVid" / split / f"{name}{suffix}", index)
        write_label(root / "CamVid" / f"{split}annot" / f"{name}.png", [*range(12), index])
    return root
