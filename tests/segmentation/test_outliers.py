"""Label 254 in training: what sees it, and what rejects it."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmosr.segmentation.outliers import set_outliers_apart, with_outliers
from mmosr.utils import InputError

from .toy import PIXEL_HEAD, build

pytestmark = pytest.mark.usefixtures("mmseg_scope")
LGMM = dict(
    PIXEL_HEAD,
    type="mmosr.LGMMHead",
    host="FCNHead",
    dropout_ratio=0.0,
    num_classes=4,
    classifier=dict(embed_dims=6, outlier_components=2),
)
AUXILIARY = dict(PIXEL_HEAD, type="FCNHead", in_index=0, num_classes=4, dropout_ratio=0.0)


def samples(ignored=255):
    labels = torch.randint(4, (2, 1, 6, 8), generator=torch.Generator().manual_seed(0))
    labels[0, :, :2], labels[1, :, 3:, 4:] = 254, 254
    labels[1, :, 0] = ignored
    return [
        SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_path=f"{i}.png"))
        for i, label in enumerate(labels)
    ]


def test_apart_and_together_again():
    before = samples()
    apart = set_outliers_apart(before, 255)
    for old, new in zip(before, apart, strict=True):
        label = old.gt_sem_seg.data
        assert torch.equal(new.gt_outliers.data, label == 254) and (label == 254).any()
        assert torch.equal(new.gt_sem_seg.data, torch.where(label == 254, 255, label))
        assert new.img_path == old.img_path
    stacked = torch.stack([sample.gt_sem_seg.data for sample in before])
    masked = torch.stack([sample.gt_sem_seg.data for sample in apart])
    assert torch.equal(with_outliers(masked, apart), stacked)
    assert torch.equal(with_outliers(masked, before), masked)  # nothing was set apart


def losses_of(model, data):
    torch.manual_seed(0)
    return model.train().loss(torch.randn(2, 3, 6, 8), data)


def test_only_the_classifier_sees_outliers():
    """Host and auxiliary head have the same loss as with 255; the classifier sees 254."""
    ignored = samples()
    for sample in ignored:
        sample.gt_sem_seg.data[sample.gt_sem_seg.data == 254] = 255
    found, seen = [], []
    for data in (samples(), ignored):
        model = build("lgmm", decode_head=LGMM, auxiliary_head=AUXILIARY)
        own = model.classifier.loss
        model.classifier.loss = lambda z, y, ignore, own=own: seen.append(y) or own(z, y, ignore)
        found.append(losses_of(model, data))
    for name in ("decode.loss_ce", "aux.loss_ce", "decode.loss_mle"):
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-6, atol=0)
    assert [losses["decode.loss_mle_outlier"].item() == 0 for losses in found] == [False, True]
    assert torch.equal(seen[0], torch.stack([s.gt_sem_seg.data for s in samples()]).squeeze(1))
    assert not (seen[1] == 254).any()


@pytest.mark.parametrize("head", ["plain", "lgmm", "movr"])
def test_refused_where_nothing_learns_from_them(head):
    model = build(head)
    with pytest.raises(InputError, match="labels of 0.png hold 254"):
        losses_of(model, samples())


@pytest.mark.parametrize(("own", "auxiliary"), [(255, 7), (254, 254)])
def test_heads_that_do_not_agree_on_what_is_ignored(own, auxiliary):
    model = build(
        "lgmm",
        decode_head=dict(LGMM, ignore_index=own),
        auxiliary_head=dict(AUXILIARY, ignore_index=auxiliary),
    )
    with pytest.raises(InputError, match="needs one ignore_index for all heads"):
        losses_of(model, samples())
