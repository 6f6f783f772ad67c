"""What data loaders load, read back from the pixels that the network gets."""

import torch
from mmpretrain.registry import DATASETS, MODELS

from mmosr.datasets.seeded_draws import SeededIndex

from .protocol_files import identity


def build(cfg, loader):
    """The data of a loader; those of training without augmentation."""
    dataset = cfg[loader].dataset
    if loader == "train_dataloader":
        dataset = dict(dataset, pipeline=cfg.val_dataloader.dataset.pipeline)
    return DATASETS.build(dataset)


def at_the_network(items, cfg):
    """RGB in 0 .. 255 ``(N, 3, H, W)`` as the network gets it, before normalisation; and labels."""
    assert all(item["inputs"].dtype == torch.uint8 for item in items)
    preprocessor = MODELS.build(dict(cfg.model.data_preprocessor, type="ClsDataPreprocessor"))
    inputs = preprocessor(dict(inputs=[item["inputs"] for item in items]))["inputs"]
    images = (inputs * preprocessor.std + preprocessor.mean).round()
    return images, [int(item["data_samples"].gt_label) for item in items]


def shown(dataset, cfg, size):
    """``{(data set, class, number): label}`` of what reaches the network, by its pixels."""
    items = [dataset[SeededIndex(index, index)] for index in range(len(dataset))]
    images, labels = at_the_network(items, cfg)
    assert images.shape[1:] == (3, size, size)
    return pictures(images, labels)


def pictures(images, labels):
    centre = images.shape[-1] // 2
    found = [identity(image[:, centre, centre]) for image in images]
    assert len(set(found)) == len(found)
    return dict(zip(found, labels, strict=True))
