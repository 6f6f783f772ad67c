#!/usr/bin/env bash
# Set up the environment and run the tests: tools/run_tests.sh [options of pytest]
# Tests marked slow or gpu are left out; `-m slow`, `-m gpu` or `-m "not gpu"` changes that.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup_env.sh tests
# The tests run side by side, so one thread each is fastest.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# Neighbouring tests share what they need, so each worker gets a consecutive part of the tests.
exec python -m pytest -n auto --maxprocesses 4 --dist worksteal -m "not slow and not gpu" "$@"
