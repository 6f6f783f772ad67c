#!/usr/bin/env bash
# mmsegmentation (onedl 1.4.2): eval() and train() of its ResNet return None. torch.nn.Module returns
# the module itself, so `features = backbone.eval()(images)` works for most networks, and for this
# one calls None. mmpretrain's ResNet 1.3.6 does the same. Call eval() on a line of its own.
# Seen: None, None for both.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" torch==2.15.0 torchvision==0.29.2 numpy==2.4.6 \
    onedl-mmengine==0.10.12 onedl-mmcv==2.3.6 onedl-mmsegmentation==1.4.2 onedl-mmpretrain==1.3.6 \
    ftfy==6.3.1 regex==2026.11.15 prettytable==3.18.0
"$python" - <<'PY' 2>/dev/null
import torch
from mmpretrain.models.backbones import ResNet as ImageResNet
from mmseg.models.backbones import ResNet

for kind in (ResNet, ImageResNet):
    network = kind(18)
    found = network.eval(), network.train()
    print(kind.__module__, found)
    assert found == (None, None), "it returns itself now"
assert torch.nn.Linear(1, 1).eval() is not None
PY
