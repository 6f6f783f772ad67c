"""Package metadata. The requirements are those in requirements/, so that each is said once."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# What the package needs from outside it. mim and mmengine look for these in PACKAGE/.mim.
OUTSIDE = ("configs", "tools", "model-index.yml")


class BuildWithConfigs(build_py):
    """Also builds ``mmosr/.mim``: copies, or links to the originals in an editable install."""

    def run(self) -> None:
        package = Path(ROOT if self.editable_mode else self.build_lib, "mmosr")
        folder = package / ".mim"
        own = package.resolve() == (ROOT / "mmosr").resolve()
        # What is gone from the checkout since the last build must not be packed again.
        shutil.rmtree(folder if own else package, ignore_errors=True)
        super().run()
        folder.mkdir(parents=True)
        for name in OUTSIDE:
            source, target = ROOT / name, folder / name
            if self.editable_mode and source.exists():
                target.symlink_to(Path("..", "..", name))
            elif source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy(source, target)


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
    license="Apache-2.0",
    keywords="open-set recognition, anomaly segmentation, out-of-distribution detection, OpenMMLab",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    packages=find_packages(include=["mmosr", "mmosr.*"]),
    package_data={
        "mmosr": ["weights/*.safetensors"],
        "mmosr.datasets": ["class_splits/*.json"],
        "mmosr.benchmark.images": ["protocols.json"],
        "mmosr.benchmark.pixels": ["protocols.json"],
    },
    cmdclass={"build_py": BuildWithConfigs},
    entry_points={"console_scripts": ["mmosr = mmosr.__main__:main"]},
    python_requires=">=3.10",
    install_requires=requirements("runtime", "mm"),
    extras_require={"optional": requirements("optional"), "tests": requirements("tests")},
)
