#!/usr/bin/env bash
# Make the Python environment ready: tools/setup_env.sh [tests]
#
# Uses the active virtual environment, or makes .venv in the repository with $PYTHON (python3).
# Safe to repeat, even after it was stopped; what is already installed costs no time. Source it to
# continue in the environment: `. tools/setup_env.sh`. With `tests` the test tools are installed too.

_mmosr_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

_mmosr_say() { printf '[setup %4d s] %s\n' "$((SECONDS - _mmosr_start))" "$*"; }

_mmosr_pip() { python -m pip install --quiet --disable-pip-version-check --no-input "$@"; }

_mmosr_has() { python -c "import importlib.metadata as m, sys; m.version(sys.argv[1])" "$1" 2>/dev/null; }

# Make the repository's own environment unless there is a complete one.
_mmosr_make_venv() {
    local venv=$_mmosr_root/.venv base=${PYTHON:-python3}
    if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        echo "error: mmosr needs Python 3.10 or newer, but $base is" \
            "$("$base" --version 2>/dev/null || echo "not found"); set PYTHON=/path/to/python3.11" >&2
        return 1
    fi
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        _mmosr_say "making $venv with $("$base" --version)"
        "$base" -m venv --clear "$venv" || return 1
    fi
    . "$venv/bin/activate"
}

_mmosr_requirements() {
    local in=$_mmosr_root/requirements pins=()
    # Pin the tested versions in an environment of our own, but never replace a torch that
    # somebody chose for their driver.
    if [ "$_mmosr_env" = "$_mmosr_root/.venv" ] || ! _mmosr_has torch; then
        pins=(-c "$in/constraints.txt")
    fi
    _mmosr_say "torch and other libraries (5 GB with CUDA; about two minutes)"
    _mmosr_pip -r "$in/runtime.txt" "${pins[@]}" || return 1
    if _mmosr_has mmsegmentation; then
        _mmosr_say "OpenMMLab packages: keeping the original ones, which are installed"
    else
        _mmosr_say "OpenMMLab packages"
        _mmosr_pip -r "$in/mm.txt" "${pins[@]}" || return 1
    fi
    if [ "$1" = tests ]; then
        _mmosr_say "test tools"
        _mmosr_pip -r "$in/tests.txt" "${pins[@]}" || return 1
    fi
    _mmosr_say "mmosr itself"
    _mmosr_pip --no-deps -e "$_mmosr_root" || return 1
}

_mmosr_setup() {
    local kind=${1:-base} stamp want
    _mmosr_start=$SECONDS
    if [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
        _mmosr_make_venv || return 1
    fi
    _mmosr_env=${VIRTUAL_ENV:-$CONDA_PREFIX}
    if ! python -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "error: mmosr needs Python 3.10 or newer; the active environment has $(python --version)" >&2
        return 1
    fi
    # The stamp records what was installed last, and from which copy of the repository.
    stamp=$_mmosr_env/.mmosr-$kind
    want=$(cd "$_mmosr_root" && { pwd && cat requirements/*.txt setup.py; } | cksum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        return 0
    fi
    rm -f "$stamp"
    _mmosr_requirements "$kind" || return 1
    echo "$want" >"$stamp.tmp" && mv "$stamp.tmp" "$stamp"
    _mmosr_say "ready: $_mmosr_env"
}

_mmosr_setup "${1:-base}"
