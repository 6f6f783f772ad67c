#!/usr/bin/env bash
# Test with several processes on each machine: tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [options of tools/test.py]" >&2
    echo "environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, as for torchrun" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
checkpoint=$2
gpus=$3
shift 3
. "$here/launch.sh"
launch "$gpus" "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
