#!/usr/bin/env bash
# Fit scores with several processes on each machine: tools/dist_fit_score.sh CONFIG CHECKPOINT GPUS [options of fit_score.py]
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch_on_checkpoint fit_score.py "$@"
