#!/usr/bin/env bash
# mmengine 0.10.12, print_log: without a logger the level is ignored. A message of level DEBUG goes to
# standard output, even if nothing is configured; this is how mmsegmentation and mmpretrain (onedl
# 1.4.2 and 1.3.6) print "Could not import OneDL" at every import, into the output of tools that
# write results there. With logger='current', or the name of a logger, the level counts.
# Seen: the plain line for DEBUG without a logger, and nothing for DEBUG with 'current'.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" torch==2.15.0 numpy==2.4.6 onedl-mmengine==0.10.12
"$python" - <<'PY'
import contextlib
import io
import logging

from mmengine.logging import MMLogger, print_log

MMLogger.get_instance("finding", log_level="INFO")
seen = {}
for logger in (None, "current"):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        print_log("a detail", logger, level=logging.DEBUG)
    seen[logger] = out.getvalue()
print(seen)
assert seen[None] == "a detail\n", "the level counts without a logger now"
assert seen["current"] == ""
PY
