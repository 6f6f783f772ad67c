#!/usr/bin/env bash
# From a bare machine to anomaly heatmaps, on embedded data: bash tools/quickstart.sh
#
#   --seed N         other scenes, with unknown objects of the same kinds and of new ones (default 0)
#   --from-scratch   train from random weights, on more scenes: about half an hour on two cores
#
# Sets up the environment, draws small street scenes, fine-tunes L-GMM with synthetic outliers and a
# softmax twin from the same start, side by side, and tests both on scenes with unknown objects. A
# CPU is enough. It can be stopped and started again: what is finished is not repeated, and training
# continues from its last checkpoint.
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

seed=0 long=""
while [ $# -gt 0 ]; do
    case $1 in
        --seed) seed=${2:-} && shift ;;
        --from-scratch) long=-long ;;
        -h | --help) usage && exit 0 ;;
        *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
    esac
    [ $# -eq 0 ] || shift
done
[[ $seed =~ ^(0|[1-9][0-9]{0,5})$ ]] || { echo "error: --seed takes a number, not '$seed'" >&2 && exit 2; }

cd "$(dirname "${BASH_SOURCE[0]}")/.."
suffix=$([ "$seed" = 0 ] || echo "_seed$seed")
data=data/demo_scenes$suffix
more=data/demo_scenes_long$suffix # training scenes of --from-scratch
work=work_dirs/quickstart$long$suffix
start=mmosr://lgmm-outliers_deeplabv3plus_demo
gmm=configs/lgmm-outliers_deeplabv3plus_demo$long.py
twin=configs/softmax_deeplabv3plus_demo$long.py
begin=$SECONDS

say() { printf '\n[quickstart %4d s] %s\n' "$((SECONDS - begin))" "$*"; }

# Show the lines of a log that report progress; it is not an error if there are none.
progress() {
    grep --line-buffered -oE \
        'Iter\(train\).*eta: [0-9:]+|Iter\(val\).*mIoU: [0-9.]+|resumed epoch.*|load_from=[^,]*' || true
}

checkpoint() { echo "$work/$1/$(basename "$(cat "$work/$1/last_checkpoint")")"; }

fail() { echo "error: $1 failed, see $2" >&2 && tail -n 3 "$2" >&2 && exit 1; }

# Train a config in the folder of a name, from its last checkpoint if there is one. In a subshell.
train() {
    local name=$1 config=$2 options
    [ ! -e "$work/$name/finished" ] || exit 0
    options=("val_dataloader.dataset.data_root=$data/" "randomness.seed=$seed")
    if [ -n "$long" ]; then
        options+=("train_dataloader.dataset.data_root=$more/")
    else
        options+=("train_dataloader.dataset.data_root=$data/" "load_from=$start")
    fi
    exec python tools/train.py "$config" --work-dir "$work/$name" --resume \
        --cfg-options "${options[@]}"
}

say "1/4 environment"
. tools/setup_env.sh base
# Use the copy of the package next to this script.
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
# The libraries warn a lot; what matters is in the logs.
export PYTHONWARNINGS=ignore

say "2/4 scenes: $data"
draw() { python tools/dataset_converters/make_demo_scenes.py "$@" --seed "$seed" | grep '^Demo'; }
draw "$data"
[ -z "$long" ] || draw "$more" --train 4000 --val 0 --test 0

say "3/4 training: L-GMM with synthetic outliers, and a softmax twin in parallel"
echo "Objects of random shapes and textures are pasted into the training scenes; none of the test."
mkdir -p "$work"
# Two trainings share the processors.
threads=${OMP_NUM_THREADS:-$((($(python -c "import joblib; print(joblib.cpu_count())") + 1) / 2))}
OMP_NUM_THREADS=$threads train twin "$twin" >"$work/twin.log" 2>&1 &
beside=$!
OMP_NUM_THREADS=$threads train gmm "$gmm" > >(tee "$work/gmm.log" | progress) 2>&1 &
first=$!
# Whatever ends this script ends both, or a second start would run in parallel with them.
trap 'kill "$first" "$beside" 2>/dev/null || true' EXIT
trap 'exit 143' TERM INT HUP
running() { kill -0 "$1" 2>/dev/null; }
while running "$first" && running "$beside"; do sleep 1; done
# Check the one that has ended first: if it failed there is nothing to wait for.
running "$beside" || wait "$beside" || fail "training of the twin" "$work/twin.log"
wait "$first" || fail "training of L-GMM" "$work/gmm.log"
touch "$work/gmm/finished"
wait "$beside" || fail "training of the twin" "$work/twin.log"
touch "$work/twin/finished"
trap - EXIT TERM INT HUP

say "4/4 test on scenes with unknown objects"
python tools/compare.py --out-dir "$work" --title "L-GMM with synthetic outliers, embedded scenes" \
    --model "L-GMM with outliers" "$gmm" "$(checkpoint gmm)" \
    --model "softmax twin" "$twin" "$(checkpoint twin)" \
    --cfg-options "test_dataloader.dataset.data_root=$data/" "val_dataloader.dataset.data_root=$data/" \
    >"$work/test.log" 2>&1 || fail test "$work/test.log"
mv "$work/sheet.png" "$work/quickstart.png"

say "done"
sed -n '/in percent; FPR95/,/^table:/p' "$work/test.log" | sed '/^table:/d'
cat <<END
L-GMM learnt from objects of random shapes and textures: outlier_ratio is the likelihood ratio of
their mixture to the known classes, likelihood the score of the paper. The softmax twin has the same
initial weights and number of steps. AUROC, AP and FPR95 measure how well unknown pixels are detected;
mIoU is that of the known classes.

pictures: $work/quickstart.png

Next${VIRTUAL_ENV:+, after . $VIRTUAL_ENV/bin/activate}:
  python tools/export_heatmaps.py $gmm $(checkpoint gmm) $data/leftImg8bit/test --colorbar
  bash tools/quickstart.sh --seed $((seed + 1))
  python tools/train.py configs/movr_deeplabv3plus_demo.py --cfg-options {train,val}_dataloader.dataset.data_root=$data/
END
