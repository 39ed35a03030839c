"""What the documents name is there: links, commands and their options, make targets, keys, files, variables, holds."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_group

from dispatcher.config.load import parse_config
from dispatcher.config.problems import walk_tables
from dispatcher.config.shape import FileShape
from dispatcher.core.effects import ALL_EFFECTS
from dispatcher.core.errors import BadConfig
from dispatcher.core.events import ALL_EVENTS
from dispatcher.core.model import HoldKind
from dispatcher.surfaces.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^ {4,}\S.*\n?)+", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?<![\w./=-])(?:[\w./~$-]*/bin/)?dispatcher ((?:[a-z]+(?:-[a-z]+)* ?){1,2})([^\n]*)")
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]+|-[a-z])\b")
KEY_WITH_UNIT = re.compile(r"[a-z_]+_(?:minutes|megabytes|kilobytes|interval_s|pause_s|per_hour)")
OUR_FILE = re.compile(r"(?:[\w.-]+/)+[\w.-]*\.(?:py|md|toml)|(?:tests|tools|bench|prompts)/[\w/]*")
NOT_COMMANDS = {"is", "was", "claimed", "pushed", "and"}
"""Words that follow `dispatcher` where it is not typed: in the recording of the demo, on a service's command line."""

WRITTEN_ELSEWHERE = {".dispatcher/WORKFLOW.md", "out/outcome.json"}
"""Files of a watched repository or of a run."""


def code_of(text: str) -> str:
    """Everything that is set as code, one piece a line."""
    blocks = [found[2] for found in FENCE.finditer(text)]
    rest = FENCE.sub("", text)
    blocks += INDENTED.findall(rest)
    return "\n".join([*blocks, *SPAN.findall(rest)])


def slug_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        if not linked.exists() or (
            anchor and anchor not in map(slug_of, HEADING.findall(linked.read_text(encoding="utf-8")))
        ):
            yield target


def unknown_commands(text: str) -> Iterator[str]:
    group = get_group(app)
    for words, rest in COMMAND.findall(code_of(text)):
        first, *more = words.split()
        if first in NOT_COMMANDS:
            continue
        command = group.commands.get(first)
        if isinstance(command, TyperGroup):
            command = command.commands.get(more[0]) if more else command
        if command is None:
            yield f"dispatcher {words.strip()}"
            continue
        known = {option for param in command.params for option in param.opts} | {"--help"}
        said = " ".join((*more, rest)).split("  ")[0]
        yield from (f"dispatcher {first} {option}" for option in OPTION.findall(said) if option not in known)


def unknown_targets(text: str) -> Iterator[str]:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in code_of(text).splitlines():
        found = re.match(r"\s*(?:\$ )?make ([a-z-]+)", line)
        if found and found[1] not in known:
            yield f"make {found[1]}"


def missing_files(text: str) -> Iterator[str]:
    for span in SPAN.findall(FENCE.sub("", text)):
        path = span.rstrip("/")
        if OUR_FILE.fullmatch(span) and path not in WRITTEN_ELSEWHERE:
            places = [ROOT / path, ROOT / "dispatcher" / path, ROOT / "tests" / path]
            if not any(place.exists() for place in places):
                yield span


def test_a_good_many_pages_are_looked_at() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/architecture.md", "docs/contract.md"} <= set(NAMES)
    assert len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_option_target_and_file_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [*unknown_commands(text), *unknown_targets(text), *missing_files(text)] == []


def test_every_page_is_linked_from_somewhere() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if target.partition("#")[0]
    }
    orphans = [page for page in PAGES if page.resolve() not in linked and page.parent != ROOT]
    assert orphans == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_piece_of_configuration_loads(page: Path, tmp_path: Path) -> None:
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "toml":
            parse_config(text, tmp_path / "config.toml", {"DISPATCHER_STATE_DIR": str(tmp_path)})


def test_every_key_in_the_text_is_a_key() -> None:
    known = {name for _, model in walk_tables(FileShape) for name in model.model_fields}
    for page in PAGES:
        said = {s for s in SPAN.findall(page.read_text(encoding="utf-8")) if KEY_WITH_UNIT.fullmatch(s)}
        assert said <= known, page


def test_every_variable_of_ours_is_read_somewhere() -> None:
    source = "\n".join(module.read_text(encoding="utf-8") for module in (ROOT / "dispatcher").rglob("*.py"))
    for page in PAGES:
        for name in re.findall(r"\bDISPATCHER_[A-Z_]+\b", page.read_text(encoding="utf-8")):
            assert f'"{name}"' in source, f"{page}: {name}"


def test_the_holds_that_are_explained_are_holds() -> None:
    page = (ROOT / "docs/how-to/when-nothing-happens.md").read_text(encoding="utf-8")
    table = page.partition("| hold |")[2].partition("\n\n")[0]
    said = {name for row in table.splitlines()[2:] for name in SPAN.findall(row.split("|")[1])}
    assert said
    assert said <= set(HoldKind)


def test_the_issue_followed_by_hand_meets_real_events_and_effects() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    story = page.partition("## One issue, by hand")[2].partition("## After a crash")[0]
    said = {span for span in SPAN.findall(story) if re.fullmatch(r"(?:[A-Z][a-z]+){1,3}", span)}
    assert said - {kind.__name__ for kind in (*ALL_EVENTS, *ALL_EFFECTS)} - {"Closes"} == set()
    assert len(said) > 12


@pytest.mark.parametrize(
    ("find", "text"),
    [
        (unknown_commands, "`dispatcher begin`"),
        (unknown_commands, "    dispatcher run --fast\n"),
        (unknown_commands, "```\n/opt/dispatcher/bin/dispatcher config cheque\n```\n"),
        (unknown_targets, "    make tea\n"),
        (missing_files, "`core/tables.py`"),
        (lambda text: broken_links(ROOT / "README.md", text), "[it](docs/no.md)"),
        (lambda text: broken_links(ROOT / "README.md", text), "[it](README.md#nowhere)"),
    ],
)
def test_what_is_not_there_is_noticed(find: Callable[[str], Iterator[str]], text: str) -> None:
    assert len(list(find(text))) == 1


def test_a_wrong_key_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="rouns"):
        parse_config("[limits]\nrouns = 3\n[repo]\nrepo = 'acme/shop'\n", tmp_path / "config.toml", {})
