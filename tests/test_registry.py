"""``type='mmosr.NAME'`` finds every part in a fresh process, whichever registry is used first."""

import importlib
import json
import pkgutil
import subprocess
import sys

import mmosr
from mmosr import registry

# Each registry is used in its own fork, as if it were the first; the hosts are already imported
# because that takes seconds.
ASK = """
import json, os, sys
import mmpretrain.models, mmseg.models
for name in json.loads(sys.argv[1]):
    sys.stdout.flush()
    if os.fork() == 0:
        import mmosr.registry
        part = getattr(mmosr.registry, name)
        part.import_from_location()
        print(json.dumps([name, sorted(part.module_dict)]))
        sys.stdout.flush()
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


def registries():
    own = (name for name in dir(registry) if not name.startswith("MMENGINE_"))
    return {name: getattr(registry, name) for name in own if name.isupper() and name[0] != "_"}


def test_every_part_is_found_in_a_fresh_process():
    for module in pkgutil.walk_packages(mmosr.__path__, "mmosr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    expected = {
        # Tests register their own parts.
        name: sorted(k for k, v in part.module_dict.items() if v.__module__.startswith("mmosr."))
        for name, part in registries().items()
    }
    assert len(expected) == 10 and all(expected.values())
    command = [sys.executable, "-c", ASK, json.dumps(list(expected))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert dict(found) == expected
