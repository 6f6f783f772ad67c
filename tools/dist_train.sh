#!/usr/bin/env bash
# Train with several processes on each machine: tools/dist_train.sh CONFIG GPUS [options of train.py]
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [options of tools/train.py]" >&2
    echo "environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, as for torchrun" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
gpus=$2
shift 2
. "$here/launch.sh"
launch "$gpus" "$here/train.py" "$config" --launcher pytorch "$@"
