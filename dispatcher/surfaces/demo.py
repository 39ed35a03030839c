"""`dispatcher demo`: the main job on a small repository, with nothing but this machine."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from dispatcher.surfaces.exits import ExitCode
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import Screen
from dispatcher.surfaces.stage import price_list
from dispatcher.surfaces.stage.ending import end, render_ending, render_kept
from dispatcher.surfaces.stage.folder import stage_folder
from dispatcher.surfaces.stage.narration import Mood, Step
from dispatcher.surfaces.stage.perform import perform
from dispatcher.surfaces.stage.play import Play, Scenario, listening_for_the_bell, playing
from dispatcher.surfaces.stage.script import scripted
from dispatcher.surfaces.stage.view import View, opened_view, render_sight, render_steps

PATIENCE_S: Final = 120.0
_PERSON: Final = "alice"
_HANDED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ")

_INTRODUCTION: Final = (
    "A GitHub in a box on this machine, a small repository, and the real dispatcher in front of it.",
    "Its agent follows a script instead of a model; it really edits, commits and reviews.",
    "Nothing leaves this machine.",
)


def run_demo(parts: Parts, screen: Screen, *, keep: bool = False) -> ExitCode:
    """Play from the label to the merge-ready pull request, one rejected review on the way; FINE when it got there."""
    with (
        listening_for_the_bell() as bell,
        stage_folder("demo", keep=keep) as folder,
        playing(_scenario(folder), folder, parts) as play,
    ):
        with opened_view(as_json=screen.as_json) as view:
            _introduce(play, view)
            last = perform(play, view, bell, PATIENCE_S)
        ending = end(play, last, kept=keep)
        screen.show_json(ending)
        view.show(Text(), render_sight(last.sight, view.width), *render_ending(ending, view.width))
        view.show(*(render_kept(ending, play) if keep else ()), *_what_now())
    return ExitCode.FINE if ending.reached_merge_ready else ExitCode.FAULT


def _scenario(folder: Path) -> Scenario:
    script = folder / "script.json"
    script.write_text(json.dumps(price_list.SCRIPT, indent=2), encoding="utf-8")
    return Scenario(
        repo=price_list.REPO,
        person=_PERSON,
        title=price_list.TITLE,
        body=price_list.BODY,
        agent=scripted(script),
        check=price_list.CHECK,
        check_words=price_list.CHECK_WORDS,
        host={name: os.environ[name] for name in _HANDED_ON if name in os.environ},
        files=price_list.FILES,
    )


def _introduce(play: Play, view: View) -> None:
    """What was there before the label: a repository whose test fails, and an issue."""
    view.show(*(Text(line, style="dim") for line in _INTRODUCTION), Text())
    for step in (
        Step(
            _PERSON,
            f"has a repository, {price_list.REPO}, whose check fails",
            (_first_check(play.folder),),
            Mood.BAD,
        ),
        Step(_PERSON, f"opened issue #{play.key.number}: {price_list.TITLE}"),
    ):
        view.show(*render_steps((play.tell(step),), view.width))


def _first_check(folder: Path) -> str:
    """Run the check on the repository as it is; the line that says what fails."""
    place = folder / "first-look"
    place.mkdir()
    for name, text in price_list.FILES.items():
        (place / name).write_text(text, encoding="utf-8")
    done = subprocess.run(price_list.CHECK, cwd=place, capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if line.startswith(("FAIL", "ERROR"))]
    failure = told[0].partition(" (")[0] if told else done.stderr.strip()[-200:]
    return f"{price_list.CHECK_WORDS}: {failure}"


def _what_now() -> Iterator[RenderableType]:
    yield Text()
    yield Text("What now", style="bold")
    yield Text("  dispatcher rehearse --repo . --issue FILE --agent claude    your code, nothing published")
    yield Text(
        "  dispatcher init                                             in your clone; then label an issue"
    )
