"""Where a program and what it needs are installed: the folders that a sandbox must show beside the system's own."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HOPS: Final = 20
_SHEBANG_BYTES: Final = 256
_SYSTEM: Final = (Path("/usr"), Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64"))


def load_program_paths(name: str, search: str) -> tuple[Path, ...]:
    """Everything that must be readable for this program to start; () when there is none by that name.

    Follows links and `#!` lines, and takes the whole folder of an installation where it knows its shape: a Python environment and the
    interpreter below it, a Node prefix, a folder with `node_modules`.
    """
    found = shutil.which(name, path=search)
    return tuple(dict.fromkeys(_follow(Path(found), search, _HOPS))) if found else ()


def folders_of_python(python: Path) -> tuple[Path, ...]:
    """The installation that an interpreter belongs to."""
    return () if _is_system(python.resolve()) else (python.resolve().parents[1],)


def own_python() -> tuple[Path, ...]:
    """The environment that we run in, and the interpreter below it."""
    return tuple(
        dict.fromkeys(path for path in (Path(sys.prefix), Path(sys.base_prefix)) if not _is_system(path))
    )


def load_search_path(search: str) -> Iterator[Path]:
    """The folders of PATH that lie outside of the system's, each with its installation where it has one."""
    for entry in map(Path, search.split(os.pathsep)):
        if entry.is_absolute() and entry.is_dir() and not _is_system(entry.resolve()):
            yield (
                entry.parent if entry.name == "shims" else entry
            )  # pyenv and its like: useless without what they choose from
            yield from _installation(entry.resolve() / "any")


def _follow(path: Path, search: str, hops: int) -> Iterator[Path]:
    while path.is_symlink() and hops:
        yield from _shown(path)
        path, hops = path.parent / path.readlink(), hops - 1
    path = path.resolve()
    yield from _shown(path)
    for interpreter in _interpreters(path):
        found = shutil.which(interpreter, path=search)
        if found and hops:
            yield from _follow(Path(found), search, hops - 1)


def _shown(path: Path) -> Iterator[Path]:
    if not _is_system(path):
        yield path
        yield from _installation(path)


def _installation(program: Path) -> Iterator[Path]:
    """The folder that a program's neighbours are in, by the shapes that installers make."""
    parts = program.parts
    if "node_modules" in parts:
        above = Path(*parts[: parts.index("node_modules")])
        yield above.parent if above.name == "lib" else above / "node_modules"
    prefix = program.parent.parent
    if program.parent.name == "bin" and (prefix / "pyvenv.cfg").is_file():
        yield prefix
        yield from folders_of_python((prefix / "bin" / "python").resolve())
    elif program.parent.name == "bin" and (prefix / "lib").is_dir() and prefix.name not in {".local", ""}:
        yield prefix


def _interpreters(program: Path) -> tuple[str, ...]:
    try:
        with program.open("rb") as file:
            line = file.read(_SHEBANG_BYTES).split(b"\n", 1)[0]
    except OSError:
        return ()
    if not line.startswith(b"#!"):
        return ()
    words = [word for word in line[2:].decode("utf-8", "replace").split() if not word.startswith("-")]
    if words and words[0].endswith("/env"):
        return tuple(word for word in words[1:] if "=" not in word)[:1]
    return tuple(words[:1])


def _is_system(path: Path) -> bool:
    return any(folder in (path, *path.parents) for folder in _SYSTEM)
