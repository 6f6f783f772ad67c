#!/usr/bin/env bash
# Fit scores with several processes on each machine: tools/dist_fit_score.sh CONFIG CHECKPOINT GPUS [options of fit_score.py]
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [options of tools/fit_score.py]" >&2
    echo "environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, as for torchrun" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
checkpoint=$2
gpus=$3
shift 3
. "$here/launch.sh"
launch "$gpus" "$here/fit_score.py" "$config" "$checkpoint" --launcher pytorch "$@"
