#!/usr/bin/env bash
# Test with several processes on each machine: tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch_on_checkpoint test.py "$@"
