"""A toy plan: some files linked, some converted."""

from mmosr.preparation.plan import Output, Plan

NAMES = ("a", "b", "c", "d")


def upper(source):
    """Makes a file with the upper-case text of its source."""
    return lambda path: path.write_text(source.read_text().upper())


def plan_of(source, make=upper, names=NAMES, **kwargs):
    """The odd files as they are, the even ones converted by ``make``."""
    outputs = []
    for index, name in enumerate(names):
        file = source / "raw" / f"{name}.txt"
        how = ("in capitals", make(file)) if index % 2 else ()
        outputs.append(Output(f"sub/{name}.txt", (file,), *how))
    return Plan("toy", source, tuple(outputs), **kwargs)


def ids(folder):
    """Inode and time of each file: they change when a file is made again."""
    files = {path.name: path.lstat() for path in (folder / "sub").iterdir()}
    return {name: (s.st_ino, s.st_mtime_ns) for name, s in sorted(files.items())}


def remade(before, after):
    return [name for name in after if after[name] != before.get(name)]
