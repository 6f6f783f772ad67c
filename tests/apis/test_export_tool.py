"""tools/export_heatmaps.py from the command line."""

import hashlib
import json

from tests.processes import run_script


def test_command_line(files, images, tmp_path):
    (images / "c.png").write_text("no image")
    out = tmp_path / "out"
    result = run_script(
        "export_heatmaps", files / "plain.py", files / "model.pth", images,
        "--out-dir", out, "--scores", "energy", "--range", "-3", "1.5",
        "--device", "cpu", "--batch-size", "2", "--colorbar",
    )  # fmt: skip
    assert result.returncode == 1
    assert f"failed: image '{images / 'c.png'}' cannot be read" in result.stderr
    assert "error: 1 of 7 images failed, see above" in result.stderr
    assert f"6 of 7 images exported to {out}, colour range -3 to 1.5" in result.stdout
    record = json.loads((out / "export.json").read_text())
    assert record["run"]["score"] == "energy"
    digest = hashlib.sha256((files / "model.pth").read_bytes()).hexdigest()
    assert record["run"]["checkpoint_sha256"] == digest
    assert record["range"] == [-3.0, 1.5] and record["range_from"] == "given"


def test_command_line_errors_are_one_line(files, images):
    result = run_script("export_heatmaps", files / "plain.py", files / "model.pth", images)
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "mmosr.OpenSetEncoderDecoder" in errors[0]
    assert "Traceback" not in result.stderr
