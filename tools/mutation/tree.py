"""A copy of the repository with a switch at every place where a fault can be put; the working tree is never touched."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dispatcher.core.table import TABLE as ROWS
from dispatcher.core.table import Row
from tools.mutation.grow import Mutant, instrument
from tools.mutation.switched_rows import VARIANTS, other_end
from tools.mutation.targets import TABLE, choose_targets

HERE = Path(__file__).parent
LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
TAIL = "\nfrom dispatcher import mutant_rows as _mutant_rows  # noqa: E402\n\nTABLE = _mutant_rows.mutated(TABLE, {first})\n"


@dataclass(frozen=True, slots=True)
class Tree:
    """The copy: where it is, its faults, the digest of every file that has some (as it was before), and the site of the first row."""

    root: Path
    mutants: tuple[Mutant, ...]
    digests: dict[str, str]
    first_row: int


def digest_of(text: str) -> str:
    """Short, for caches."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def grow_tree(repository: Path, root: Path, only: str = "") -> Tree:
    """Copy the repository to `root`, which must not be there yet, and put the switches into the files whose names begin with `only`."""
    shutil.copytree(repository, root, ignore=LEFT_BEHIND, symlinks=True)
    mutants: list[Mutant] = []
    digests: dict[str, str] = {}
    for name, operators in choose_targets(repository):
        if not name.startswith(only):
            continue
        source = (repository / "dispatcher" / name).read_text(encoding="utf-8")
        grown = instrument(name, source, operators, _next_site(mutants))
        (root / "dispatcher" / name).write_text(grown.text, encoding="utf-8")
        mutants += grown.mutants
        digests[name] = digest_of(source)
    table = root / "dispatcher" / TABLE
    source = table.read_text(encoding="utf-8")
    digests[TABLE] = digest_of(source)
    first = _next_site(mutants)
    table.write_text(source + TAIL.format(first=first), encoding="utf-8")
    mutants += _row_mutants(first)
    shutil.copy(HERE / "switch.py", root / "dispatcher" / "mutant_switch.py")
    shutil.copy(HERE / "switched_rows.py", root / "dispatcher" / "mutant_rows.py")
    return Tree(root, tuple(mutants), digests, first)


def _next_site(mutants: list[Mutant]) -> int:
    return max((int(mutant.site) for mutant in mutants), default=-1) + 1


def _row_mutants(first: int) -> Iterator[Mutant]:
    """Every row is dropped, led elsewhere, robbed of its effects and of its change."""
    plain = Row.__dataclass_fields__["change"].default
    for number, row in enumerate(ROWS):
        guard = f" if {row.when.__name__}" if row.when else ""
        then = ", ".join(react.__name__ for react in row.then)
        words = f"{row.event.__name__}: {row.source}{guard} -> {row.dest}, {row.change.__name__} ({then})"
        place = f"{TABLE} row [{row.event.__name__} in {row.source}{guard}]"
        for variant in VARIANTS:
            if (variant == "without its effects" and not row.then) or (
                variant == "without its change" and row.change is plain
            ):
                continue
            end = f" to {other_end(ROWS, number)}" if variant == "redirected" else ""
            yield Mutant(str(first + number), variant, TABLE, place, digest_of(words + end))
