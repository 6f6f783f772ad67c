#!/usr/bin/env bash
# Benchmark with several processes on each machine: tools/dist_benchmark.sh CONFIG CHECKPOINT GPUS [options of benchmark.py]
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch_on_checkpoint benchmark.py "$@"
