"""The command ``mmosr``: ``mmosr train ...`` is ``python tools/train.py ...``, and so on."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from types import ModuleType

from mmosr.utils.resources import resource
from mmosr.version import __version__

# Name, file in tools/ without its suffix, and what it is for.
COMMANDS = {
    "Segmentation and classification": (
        ("train", "train", "train a model"),
        ("test", "test", "test a checkpoint: mIoU or accuracy, and all scores"),
        ("fit", "fit_score", "fit scores that need statistics of the training data"),
    ),
    "Segmentation": (
        ("benchmark", "benchmark", "test on open-set data sets, with a report"),
        ("compare", "compare", "one table of several models on the same data"),
        ("export", "export_heatmaps", "export anomaly heatmaps of images"),
    ),
    "Classification": (
        ("protocol", "run_protocol", "train and test the trials of a published protocol"),
        ("score-images", "score_images", "a table of the anomaly scores of images"),
        ("analyse", "analysis_tools/representation", "norms and clusters of a representation"),
    ),
    "Data": (
        ("prepare", "dataset_converters/prepare", "prepare a public download"),
        ("check", "dataset_converters/check", "check the folder of a data set"),
        ("demo-scenes", "dataset_converters/make_demo_scenes", "draw the embedded street scenes"),
    ),
    "Checkpoints": (
        ("convert-cac", "model_converters/cac2mmosr", "convert a checkpoint of the CAC release"),
        ("pack-weights", "model_converters/pack_weights", "make a small weights file"),
    ),
}
TOOLS = {name: tool for group in COMMANDS.values() for name, tool, _ in group}


def main() -> int:
    """Run the command named by the arguments of the process; returns the exit status."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name == "--version":
        print(f"mmosr {__version__}")
        return 0
    if name not in TOOLS:
        close = difflib.get_close_matches(name, TOOLS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "mmosr --help lists the commands"
        print(f"error: mmosr has no command '{name}': {hint}", file=sys.stderr)
        return 2
    run(resource("tools", f"{TOOLS[name]}.py"), f"mmosr {name}", sys.argv[2:])
    return 0


def run(tool: Path, name: str, arguments: list[str]) -> None:
    """Run a tool as Python runs a script, under the name of the command; it exits by itself."""
    sys.argv = [name, *arguments]
    sys.path.insert(0, str(tool.parent))  # modules next to the tool
    # Not with runpy, which would show the file instead of the name in the tool's usage line.
    script = sys.modules["__main__"] = ModuleType("__main__")
    script.__file__ = str(tool)
    exec(compile(tool.read_bytes(), str(tool), "exec"), vars(script))


def usage() -> str:
    """All commands in their groups."""
    lines = ["usage: mmosr COMMAND [ARGUMENTS]; mmosr COMMAND --help says more", ""]
    for title, group in COMMANDS.items():
        lines += [f"{title}:", *(f"  {name:14}{text}" for name, _, text in group), ""]
    return "\n".join(lines[:-1])


if __name__ == "__main__":
    sys.exit(main())
