#!/usr/bin/env bash
# mmengine 0.10.12, OneCycleLR: all parameter groups get the same learning rate. eta_max is one
# number, and the groups' own rates, such as ten times as much for a new head, are lost at the first
# step; torch's scheduler takes a peak for each group. LinearLR with CosineAnnealingLR or PolyLR
# multiply each group's own rate.
# Seen: groups with rates 0.1 and 0.001, eta_max 0.1, ten steps: both 0.004, 0.052, 0.1, 0.09505, ...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" torch==2.15.0 numpy==2.4.6 onedl-mmengine==0.10.12
"$python" - <<'PY'
import torch
from mmengine.optim import LinearLR, OneCycleLR


def rates(scheduler, **options):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in (0.1, 0.001)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler, seen = scheduler(optimizer, **options), []
    for _ in range(4):
        seen.append([round(group["lr"], 5) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return seen


cycle = rates(OneCycleLR, eta_max=0.1, total_steps=10)
linear = rates(LinearLR, start_factor=0.5, end=3)
print("OneCycleLR", cycle)
print("LinearLR  ", linear)
assert all(first == second for first, second in cycle), "OneCycleLR keeps the groups apart now"
assert cycle[2] == [0.1, 0.1]
assert all(abs(first - 100 * second) < 1e-3 for first, second in linear)
PY
