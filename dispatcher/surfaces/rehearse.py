"""`dispatcher rehearse`: the main job on a copy of a person's own repository, with their own agent."""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from dispatcher.core.model import Stage
from dispatcher.core.rules import AGENT_KINDS, AgentConfig
from dispatcher.surfaces.exits import ExitCode, UsageProblem
from dispatcher.surfaces.parts import Parts
from dispatcher.surfaces.screen import Screen
from dispatcher.surfaces.setup import find_agents
from dispatcher.surfaces.stage.ending import (
    Ending,
    end,
    render_diff,
    render_ending,
    render_kept,
    render_reviews,
)
from dispatcher.surfaces.stage.folder import stage_folder
from dispatcher.surfaces.stage.perform import perform
from dispatcher.surfaces.stage.play import Scenario, listening_for_the_bell, playing
from dispatcher.surfaces.stage.script import scripted
from dispatcher.surfaces.stage.source import Source, Wanted, clone, inspect_source, load_issue
from dispatcher.surfaces.stage.view import View, opened_view, render_sight

_PERSON: Final = "you"
_OWNER: Final = "rehearsal"
_LOGIN_FOLDERS: Final[Mapping[str, tuple[str, str]]] = {
    "claude": ("CLAUDE_CONFIG_DIR", ".claude"),
    "codex": ("CODEX_HOME", ".codex"),
}
"""Where these programs keep a person's login: a run has a HOME of its own and would not find it."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a person wants to rehearse. Exactly one of `agent` (a kind), `agent_command` and `script` says who works."""

    repo: Path
    issue: str
    agent: str = ""
    agent_command: str = ""
    script: Path | None = None
    check: str = ""
    keep: bool = False


def run_rehearsal(parts: Parts, screen: Screen, wish: Rehearsal) -> ExitCode:
    """Play it on a clone; FINE at merge-ready, PERSON when it ended with a question. Raises UsageProblem, Interrupted."""
    agent, check = choose_agent(wish), _parse_words("--check", wish.check)
    wanted, source = load_issue(wish.issue), inspect_source(wish.repo)
    with listening_for_the_bell() as bell, stage_folder("rehearsal", keep=wish.keep) as folder:
        clone(source, folder / "clone")
        scenario = _scenario(source, wanted, agent, check, folder)
        with playing(scenario, folder, parts) as play:
            with opened_view(as_json=screen.as_json) as view:
                view.show(*_introduction(source, wanted, agent, folder, scenario.repo))
                last = perform(play, view, bell)
            ending = end(play, last, kept=wish.keep)
            screen.show_json(ending)
            view.show(*_page(ending, view), Text(), render_sight(last.sight, view.width))
            view.show(*render_ending(ending, view.width))
            view.show(
                *(render_kept(ending, play, source.folder) if wish.keep else ()), *_what_now(ending, wish)
            )
    return _exit_code(ending)


def choose_agent(wish: Rehearsal) -> AgentConfig:
    """Who works and reviews. Raises UsageProblem when nobody is named, or somebody who is not installed."""
    named = [name for name in (wish.agent, wish.agent_command, str(wish.script or "")) if name]
    if len(named) != 1:
        raise UsageProblem(_who_can_work(has_none=not named))
    if wish.script is not None:
        if not wish.script.is_file():
            raise UsageProblem(f'--script "{wish.script}" is not a file. It takes a script in JSON.')
        return scripted(wish.script.resolve())
    if wish.agent_command:
        return AgentConfig("own", "command", _installed(_parse_words("--agent-command", wish.agent_command)))
    if wish.agent not in AGENT_KINDS or wish.agent == "command":
        raise UsageProblem(f'--agent "{wish.agent}" is not known. {_who_can_work(has_none=True)}')
    if not shutil.which(wish.agent):
        raise UsageProblem(
            f"--agent {wish.agent}: the program `{wish.agent}` is not installed, or not in PATH."
        )
    return AgentConfig(wish.agent, wish.agent)


def _installed(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command line with an absolute program: agents start in another folder. Raises UsageProblem."""
    program, *arguments = argv or ("",)
    found = shutil.which(program)
    if not found:
        raise UsageProblem(f'--agent-command: the program "{program}" is not installed, or not in PATH.')
    return (str(Path(found).absolute()), *arguments)


def _who_can_work(*, has_none: bool) -> str:
    kinds = find_agents() or tuple(kind for kind in AGENT_KINDS if kind != "command")
    opening = "Say which agent works:" if has_none else "Name one agent, not several:"
    return f'{opening} {", ".join(f"--agent {kind}" for kind in kinds)}, or --agent-command "my-agent {{prompt_file}}".'


def _parse_words(option: str, line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise UsageProblem(f"{option}: {line!r} is not a command line: {error}.") from error


def _scenario(
    source: Source, wanted: Wanted, agent: AgentConfig, check: tuple[str, ...], folder: Path
) -> Scenario:
    return Scenario(
        repo=f"{_OWNER}/{source.name}",
        person=_PERSON,
        title=wanted.title,
        body=wanted.body,
        agent=agent,
        check=check,
        check_words=shlex.join(check),
        host=_host(agent.kind),
        source=folder / "clone",
    )


def _host(kind: str) -> dict[str, str]:
    """The present environment, and where the agent finds its login."""
    host = dict(os.environ)
    variable, name = _LOGIN_FOLDERS.get(kind, ("", ""))
    login = Path(os.path.expanduser("~")) / name  # noqa: PTH111 - Path.home() fails for a user without an entry
    if variable and variable not in host and login.is_dir():
        host[variable] = str(login)
    return host


# ---------------------------------------------------------------- the page


def _introduction(
    source: Source, wanted: Wanted, agent: AgentConfig, folder: Path, repo: str
) -> Iterator[RenderableType]:
    place = f"branch {source.branch}" if source.branch else "no branch"
    yield Text(f"Rehearsing on a clone of {source.folder} ({place}, {source.commit[:10]}).", style="dim")
    yield Text(
        "Your repository is not written to, and nothing is published: GitHub is played on this machine.",
        style="dim",
    )
    if agent.name != "scripted":
        yield Text(f"The agent ({agent.name}) runs with your login and talks to its own model.", style="dim")
    if source.has_uncommitted:
        yield Text("There are uncommitted changes; they are not part of the rehearsal.", style="yellow")
    follow = f"dispatcher logs --follow --config {folder / 'config.toml'} {repo}#1"
    yield Text("To read along, in another terminal:", style="dim")
    yield Text(f"  {follow}", style="dim")
    yield Text()
    yield Text(f"#1 {wanted.title}", style="bold")


def _page(ending: Ending, view: View) -> Iterator[RenderableType]:
    if ending.change is not None:
        yield from render_diff(ending.change)
    yield from render_reviews(ending.reviews, view.width)


def _what_now(ending: Ending, wish: Rehearsal) -> Iterator[RenderableType]:
    yield Text()
    yield Text("What now", style="bold")
    if not wish.keep:
        yield Text("  the same with --keep        leaves the branch where you can fetch it")
    if ending.stage is Stage.BLOCKED:
        yield Text("  write it into the issue     what the agent asks for, and rehearse again")
    yield Text("  dispatcher init             in your clone: then label an issue `bot`")


def _exit_code(ending: Ending) -> ExitCode:
    if ending.reached_merge_ready:
        return ExitCode.FINE
    return ExitCode.PERSON if ending.stage is Stage.BLOCKED else ExitCode.FAULT
