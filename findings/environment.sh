# Sourced by the findings: a fresh environment with pinned public packages, removed at the end.
#   . environment.sh PACKAGE==VERSION ...
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
# mmcv's compiled operators are not needed and would take many minutes.
MMCV_WITH_OPS=0 "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@"
python=$folder/env/bin/python
