#!/usr/bin/env bash
# onedl-mim 0.5.1, get_installed_path: the folder of an installed package is the first part of the
# first line of its RECORD. pip sorts these lines, so a console script (../../../bin/NAME) or the
# metadata (NAME-1.dist-info, since "-" sorts before "/") comes before the package's own folder when
# distribution and package have one name. `mim train` and `mim run` then look for .mim there. It works
# for packages whose module sorts before their distribution, as mmpretrain in onedl-mmpretrain.
# Seen: for "demoext" site-packages/demoext-1.dist-info, with a console script site-packages/..
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" onedl-mim==0.5.1 setuptools==82.0.1
for kind in plain script; do
    mkdir -p "$folder/$kind/demo$kind"
    touch "$folder/$kind/demo$kind/__init__.py"
    scripts='{}'
    [ "$kind" = plain ] || scripts='{"console_scripts": ["demo = demoscript:main"]}'
    echo "from setuptools import setup
setup(name='demo$kind', version='1', packages=['demo$kind'], entry_points=$scripts)" >"$folder/$kind/setup.py"
    "$folder/env/bin/pip" install --quiet --no-build-isolation "$folder/$kind"
done
"$python" - <<'PY'
import importlib
from pathlib import Path

from mim.utils import get_installed_path

for name, end in (("demoplain", "demoplain-1.dist-info"), ("demoscript", "..")):
    path = get_installed_path(name)
    own = Path(importlib.import_module(name).__file__).parent
    print(f"{name}: package in {own.name}, mim says {Path(path).name}")
    assert path.endswith(end) and Path(path) != own, "mim finds the package's own folder now"
PY
