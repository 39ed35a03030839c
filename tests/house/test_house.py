"""The house stands: imports point inward, core reaches nothing, files stay readable, what ships can be loaded."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

from dispatcher.config import load_settings

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "dispatcher"
MODULES = sorted(PRODUCT.rglob("*.py"))
OURS = "dispatcher"
MOST_LINES = 620

ROOMS: dict[str, set[str]] = {
    "core": set(),
    "ports": {"core"},
    "engine": {"core", "ports"},
    "forge": {"core", "ports"},
    "workspace": {"core", "ports"},
    "runs": {"core", "ports"},
    "journal": {"core", "ports"},
    "simulator": set(),
    "surfaces": {"core", "ports", "config"},
    "config": {"core", "ports"},
    "log": {"core"},
    "state": {"core"},
}
"""What each room may import of ours, itself apart. `app` may import everything: it is where the parts are put together."""

STARTS_THE_APP = {"app", "state", "log", "simulator"}
"""What a command may reach for inside a function, at the moment when it starts the program."""

STAGE = PRODUCT / "surfaces" / "stage"
"""Where `demo` and `rehearse` play: the one part of the surfaces that is about the simulator."""

UNCLEAN = {
    "os",
    "subprocess",
    "socket",
    "random",
    "secrets",
    "time",
    "threading",
    "asyncio",
    "shutil",
    "tempfile",
    "io",
}
"""Standard modules that reach the world, the clock or chance: nothing for core."""

CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def room_of(path: Path) -> str:
    parts = path.relative_to(PRODUCT).parts
    return parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Every imported module by its full name, and whether it is imported inside a function."""
    tree = tree_of(path)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(f"{node.module}.{alias.name}", id(node) in inside) for alias in node.names]
    return found


def in_room(*rooms: str) -> list[Path]:
    return [path for path in MODULES if room_of(path) in rooms]


def may_import(path: Path, target: str, *, is_late: bool) -> bool:
    room = room_of(path)
    if room == "surfaces" and is_late and target in STARTS_THE_APP:
        return True
    if STAGE in path.parents and target == "simulator":
        return True
    return target in {room, *ROOMS[room]}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_inward(room):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in in_room(room)
        for name, is_late in imports_of(path)
        if name.startswith(f"{OURS}.") and not may_import(path, name.split(".")[1], is_late=is_late)
    ]
    assert wrong == []


def test_every_room_is_known():
    rooms = {room_of(path) for path in MODULES} - {"__init__", "__main__", "app"}
    assert rooms == set(ROOMS)


def test_core_knows_only_the_standard_library_and_transitions():
    wrong = []
    for path in in_room("core"):
        for name, _ in imports_of(path):
            top = name.split(".")[0]
            if top not in {OURS, "transitions", *sys.stdlib_module_names} or top in UNCLEAN:
                wrong.append(f"{path.name} imports {name}")
    assert wrong == []


def test_only_the_machine_knows_transitions():
    users = {path.name for path in MODULES for name, _ in imports_of(path) if name.startswith("transitions")}
    assert users == {"machine.py"}


def test_core_reads_no_clock_and_opens_no_file():
    wrong = []
    for path in in_room("core"):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Name(id="open" | "input" | "print" | "eval" | "exec" as name):
                    wrong.append(f"{path.name}:{node.lineno} calls {name}()")
                case ast.Attribute(value=ast.Name(id=owner), attr=attr) if (owner, attr) in CLOCKS:
                    wrong.append(f"{path.name}:{node.lineno} calls {owner}.{attr}()")
                case ast.Attribute(attr="read_text" | "write_text" | "read_bytes" | "write_bytes" as name):
                    wrong.append(f"{path.name}:{node.lineno} calls {name}()")
    assert wrong == []


def test_nothing_is_printed_outside_the_surfaces():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if room_of(path) != "surfaces"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert wrong == []


def test_no_module_is_too_long_to_be_read():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("role", ["worker", "reviewer", "responder", "repair"])
def test_every_role_has_a_prompt(role):
    text = (ROOT / "prompts" / f"{role}.md").read_text(encoding="utf-8")
    assert text.strip()


def test_the_example_configuration_loads():
    settings = load_settings(ROOT / "config.example.toml", {})
    assert settings.repos
