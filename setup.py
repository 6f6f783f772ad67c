"""Package metadata. The requirements are those in requirements/, so that each is said once."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(*names: str) -> list[str]:
    """Lines of some files of requirements/, without comments."""
    lines = "\n".join((ROOT / "requirements" / f"{name}.txt").read_text() for name in names)
    return [line for line in re.sub(r"#.*", "", lines).splitlines() if line.strip()]


def version() -> str:
    """The version, read without importing the package."""
    text = (ROOT / "mmosr" / "version.py").read_text()
    return re.search(r'__version__ = "(.+)"', text).group(1)


setup(
    name="mmosr",
    version=version(),
    description="Open-set recognition for the OpenMMLab stack",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").is_file() else "",
    long_description_content_type="text/markdown",
    packages=find_packages(include=["mmosr", "mmosr.*"]),
    package_data={
        "mmosr": ["weights/*.safetensors"],
        "mmosr.datasets": ["class_splits/*.json"],
        "mmosr.benchmark.images": ["protocols.json"],
        "mmosr.benchmark.pixels": ["protocols.json"],
    },
    python_requires=">=3.10",
    install_requires=requirements("runtime", "mm"),
    extras_require={"optional": requirements("optional"), "tests": requirements("tests")},
)
