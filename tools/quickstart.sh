#!/usr/bin/env bash
# From a bare machine to anomaly heatmaps, on embedded data: bash tools/quickstart.sh
#
# Sets up the environment, draws small street scenes, trains L-GMM on them, tests it on scenes with
# unknown objects, and exports heatmaps. A CPU is enough. It can be stopped and started again: what
# is finished is not repeated, and training goes on from its last checkpoint.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
config=configs/lgmm_deeplabv3plus_demo.py
data=data/demo_scenes
work=work_dirs/quickstart
pictures=$work/heatmaps
begin=$SECONDS

# Show the lines of a log that tell how far it is. None is no error.
progress() { grep --line-buffered -oE "($1).{0,110}" || true; }

say() { printf '\n[quickstart %4d s] %s\n' "$((SECONDS - begin))" "$*"; }

say "1/5 environment"
. tools/setup_env.sh base
# Use the copy of the package that stands beside this script.
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
# The libraries warn a lot; what matters is in the log below.
export PYTHONWARNINGS=ignore

say "2/5 scenes: $data"
python tools/dataset_converters/make_demo_scenes.py "$data"

steps=$(python -c 'import sys; from mmosr.utils.config import load_config as load
print(load(sys.argv[1]).train_cfg.max_iters)' "$config" | tail -n 1)
checkpoint=$work/iter_$steps.pth
if [ "$(basename "$(cat "$work/last_checkpoint" 2>/dev/null || true)")" = "iter_$steps.pth" ]; then
    say "3/5 training: finished before ($checkpoint)"
else
    say "3/5 training: $steps steps, log in $work"
    python tools/train.py "$config" --work-dir "$work" --resume |
        progress 'Iter\((train|val)\)|resumed epoch'
fi

say "4/5 test on scenes with unknown objects"
python tools/test.py "$config" "$checkpoint" --work-dir "$work/test" | tee "$work/test.log" |
    progress 'Iter\(test\)'

say "5/5 heatmaps"
python tools/export_heatmaps.py "$config" "$checkpoint" \
    "$data/leftImg8bit/test/demo/demo_00000[0-7]_leftImg8bit.png" --out-dir "$pictures" --resume

say "done"
echo "results on the test scenes, in percent:"
sed -n '/results in percent/,$p' "$work/test.log" | grep -E '^[+|]'
grep -oE '(aAcc|mIoU): [0-9.]+' "$work/test.log" | tail -n 2 | paste -sd ' '
echo "checkpoint:  $checkpoint"
echo "heatmaps:    $pictures (*_heatmap.png, *_overlay.png)"
