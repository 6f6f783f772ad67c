"""Two real processes train one L-GMM segmentor: theta and pi agree on both."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

import mmosr.engine  # noqa: F401  registers the optimiser constructor
from mmosr.segmentation import OpenSetEncoderDecoder

SIZE, CLASSES, STEPS = 32, 3, 4
HEAD = dict(
    type="mmosr.LGMMHead",
    host="mmseg.FCNHead",
    in_channels=16,
    channels=8,
    num_convs=1,
    concat_input=False,
    num_classes=CLASSES,
    norm_cfg=dict(type="BN"),
    classifier=dict(embed_dims=6, memory_size=40, samples_per_class=16, class_prior="count"),
)
BACKBONE = dict(
    type="mmseg.ResNetV1c",
    depth=18,
    base_channels=2,
    stem_channels=2,
    num_stages=4,
    out_indices=(3,),
    dilations=(1, 1, 1, 1),
    strides=(1, 2, 1, 1),
)
OPTIM = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9),
    constructor="mmosr.MixtureOptimWrapperConstructor",
)


def batch(step: int, rank: int) -> dict:
    generator = torch.Generator().manual_seed(10 * step + rank)
    samples = []
    for _ in range(2):
        label = torch.randint(0, CLASSES, (1, SIZE, SIZE), generator=generator)
        if step == 1 and rank == 1:
            label.fill_(255)  # this rank has nothing to learn from; the other must not wait for it
        if step == 2 and rank == 0:
            label[label == 2] = 255  # a class that only the other rank sees
        sample = SegDataSample(gt_sem_seg=PixelData(data=label))
        sample.set_metainfo(dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE)))
        samples.append(sample)
    inputs = [torch.randn(3, SIZE, SIZE, generator=generator) for _ in samples]
    return dict(inputs=inputs, data_samples=samples)


def train(rank: int) -> dict:
    torch.manual_seed(0)
    init_default_scope("mmseg")  # other tests have used these processes
    model = OpenSetEncoderDecoder(
        data_preprocessor=dict(type="mmseg.SegDataPreProcessor", size=(SIZE, SIZE)),
        backbone=BACKBONE,
        decode_head=HEAD,
        train_cfg=dict(),
        test_cfg=dict(mode="whole"),
    )
    wrapper = build_optim_wrapper(model, OPTIM)
    ddp = MMDistributedDataParallel(model, broadcast_buffers=False)
    for step in range(STEPS):
        torch.manual_seed(100 * step + rank)  # other dropout and other samples on each rank
        ddp.train_step(batch(step, rank), wrapper)
    state = {k: v.numpy() for k, v in model.state_dict().items() if "running_" not in k}
    return state


@pytest.fixture(scope="module")
def states(on_two_ranks):
    return on_two_ranks(train)


def test_all_weights_and_counts_agree(states):
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert (value == states[1][name]).all(), name


def test_the_run_moved_theta_and_filled_the_memory(states):
    state = states[0]
    prefix = "decode_head.classifier."
    counts = state[prefix + "memory.counts"]
    assert (counts.sum(1) == 40).all()  # two ranks x 16 samples x 3 or 4 steps, capped by the size
    # Labels at feature resolution of every rank and step, ignored ones left out.
    pixels = 2 * (SIZE // 8) ** 2
    expected = 0
    for step in range(STEPS):
        for rank in range(2):
            for sample in batch(step, rank)["data_samples"]:
                label = sample.gt_sem_seg.data[:, ::8, ::8]
                expected += int((label != 255).sum())
    assert 0 < expected < pixels * STEPS * 2
    assert state[prefix + "memory.class_counts"].sum() == expected
    assert (state[prefix + "mixture.rho"].std() > 0) and (
        state[prefix + "mixture.means"] != 0
    ).all()
