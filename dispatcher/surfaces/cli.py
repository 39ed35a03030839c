"""The command line. Every command is thin: it asks one module and prints what it says.

Nothing heavy is imported before a command needs it: `--help` must be there at once.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatcher.surfaces.clean import clean
from dispatcher.surfaces.config_commands import config_app
from dispatcher.surfaces.exits import Commands, ExitCode, UsageProblem
from dispatcher.surfaces.journal import journal_app
from dispatcher.surfaces.options import (
    AsJson,
    ConfigPath,
    load_to_look,
    load_to_work,
    now,
    parts_of,
    screen_for,
)

if TYPE_CHECKING:
    from dispatcher.surfaces.screen import Screen

WATCH_PAUSE_S = 2.0

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Label a GitHub issue `bot`; get a reviewed, checked, conflict-free pull request back.",
    epilog="Exit codes: 0 fine, 1 a fault of ours, 2 usage or configuration, 3 a person is needed, 4 try later.",
)
app.add_typer(config_app, name="config")
app.add_typer(journal_app, name="journal")


def main() -> None:
    """The program `dispatcher`."""
    app()


# ---------------------------------------------------------------- setting up


@app.command()
def init(
    ctx: typer.Context,
    *,
    repo: Annotated[
        str, typer.Option(metavar="OWNER/NAME", help="The repository; default: the git remote here.")
    ] = "",
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="The forge's API; default: from the git remote.")
    ] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Write config.toml and create the labels on the forge. Safe to run again."""
    from dispatcher.surfaces import setup

    screen, file = screen_for(as_json), config or Path("config.toml")
    text = "" if file.exists() else setup.draft_config(repo, base_url, Path.cwd())
    with screen.progress("Asking the forge ..."):
        done = setup.set_up(parts_of(ctx), file, text)
    screen.show_json(done)
    screen.show(*setup.render_set_up(done))
    if done.troubles:
        raise typer.Exit(ExitCode.PERSON)


@app.command()
def doctor(
    ctx: typer.Context,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Ask each agent one line, which costs a little.")
    ] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Try out everything that must hold: token, repositories, git, agents, isolation, clock."""
    from dispatcher.surfaces.doctor import Verdict, choose_verdict, examine, render_finding

    screen, findings = screen_for(as_json), []
    tried = examine(parts_of(ctx), load_to_work(config), now, live=live)
    while True:
        with screen.progress("Trying ..."):
            finding = next(tried, None)
        if finding is None:
            break
        findings.append(finding)
        screen.show(*render_finding(finding))
    screen.show_json({"findings": findings})
    codes = {Verdict.BAD: ExitCode.PERSON, Verdict.LATER: ExitCode.LATER}
    raise typer.Exit(codes.get(choose_verdict(findings), ExitCode.FINE))


# ---------------------------------------------------------------- trying out


@app.command()
def demo(
    ctx: typer.Context,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything to look at, and say where.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the whole job on this machine: from a label to a merge-ready pull request. Needs no token."""
    screen = screen_for(as_json)
    with screen.progress("Setting the stage ..."):
        from dispatcher.surfaces.demo import run_demo

        parts = parts_of(ctx)
    raise typer.Exit(run_demo(parts, screen, keep=keep))


@app.command()
def rehearse(
    ctx: typer.Context,
    *,
    repo: Annotated[Path, typer.Option("--repo", metavar="PATH", help="Your repository; it is cloned.")],
    issue: Annotated[
        str, typer.Option("--issue", metavar="FILE", help="First line: title; the rest: text. - for stdin.")
    ],
    agent: Annotated[str, typer.Option("--agent", metavar="KIND", help="Who works: claude or codex.")] = "",
    agent_command: Annotated[
        str, typer.Option("--agent-command", metavar="LINE", help="Or any program, with its arguments.")
    ] = "",
    script: Annotated[
        Path | None, typer.Option("--script", metavar="FILE", help="Or a script in JSON, without any model.")
    ] = None,
    check: Annotated[
        str, typer.Option("--check", metavar="LINE", help="The check; default: what the repository suggests.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything to look at, and say where.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the whole job on a copy of your own repository, with your own agent. Nothing is published."""
    screen = screen_for(as_json)
    with screen.progress("Setting the stage ..."):
        from dispatcher.surfaces.rehearse import Rehearsal, run_rehearsal

        parts = parts_of(ctx)
    wish = Rehearsal(repo, issue, agent, agent_command, script, check, keep)
    raise typer.Exit(run_rehearsal(parts, screen, wish))


# ---------------------------------------------------------------- working


@app.command()
def run(ctx: typer.Context, *, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Work until stopped. Runs go on when it stops, and are adopted at the next start."""
    from dispatcher.surfaces.daemon import run_daemon

    run_daemon(parts_of(ctx), load_to_work(config), screen_for(as_json))


@app.command()
def once(ctx: typer.Context, *, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """One round: act, look, decide, act. For cron, and for trying out."""
    from dispatcher.surfaces.daemon import run_once

    run_once(parts_of(ctx), load_to_work(config), screen_for(as_json))


# ---------------------------------------------------------------- looking


@app.command()
def status(
    ctx: typer.Context,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay, and show every change.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show tasks, runs, and what everything waits for."""
    from dispatcher.surfaces.status import load_status, render_status

    screen, parts = screen_for(as_json), parts_of(ctx)
    if not watch:
        seen = load_status(parts, config, os.environ, now())
        screen.show_json(seen)
        screen.show(*render_status(seen))
        return
    if as_json:
        raise UsageProblem("--watch shows a page that changes; leave --json or --watch out.")
    from rich.console import Group
    from rich.live import Live

    from dispatcher.surfaces.screen import make_console

    with suppress(KeyboardInterrupt), Live(console=make_console(), auto_refresh=False) as page:
        while True:
            page.update(Group(*render_status(load_status(parts, config, os.environ, now()))), refresh=True)
            time.sleep(WATCH_PAUSE_S)


@app.command()
def explain(
    ctx: typer.Context,
    *,
    item: Annotated[str, typer.Argument(metavar="OWNER/REPO#N")],
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Say why nothing happens on an item, what would change that, and what was spent."""
    from dispatcher.surfaces.explain import explain_item, render_explanation

    screen = screen_for(as_json)
    told = explain_item(parts_of(ctx), load_to_look(config), item, now())
    screen.show_json(told)
    screen.show(*render_explanation(told))


@app.command()
def costs(
    ctx: typer.Context,
    *,
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help="task, run, repo, day, agent, kind or role.")
    ] = "task",
    days: Annotated[
        int,
        typer.Option("--days", metavar="N", min=1, max=3650, help="How many days back, today included; UTC."),
    ] = 30,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show what runs used: tokens and money."""
    from dispatcher.surfaces.costs import CostsBy, load_costs, render_costs

    if by not in set(CostsBy):
        raise UsageProblem(f"--by {by}: there is {', '.join(CostsBy)}.")
    screen = screen_for(as_json)
    used = load_costs(parts_of(ctx), load_to_look(config), CostsBy(by), days, now())
    screen.show_json(used)
    screen.show(*render_costs(used))


@app.command()
def logs(
    ctx: typer.Context,
    *,
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id or its beginning, or owner/repo#n.")
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until the run ends.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="All that its program printed, as it is.")] = False,
    net: Annotated[
        bool, typer.Option("--net", help="What it asked of the network, and what was refused.")
    ] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show what an agent does: its words, its tools, tokens, faults. With --json: one object per line."""
    import json

    from dispatcher.surfaces.logs import find_run, open_log, parse_event_line, read_log, render_event
    from dispatcher.surfaces.looking import looking_into_journal

    settings = load_to_look(config)
    with looking_into_journal(parts_of(ctx), settings) as journal:
        folder = find_run(settings.runs_dir, run_id, journal)
    reader, redact = open_log(folder, raw=raw, net=net), parts_of(ctx).make_redactor(settings)
    with suppress(KeyboardInterrupt):
        for line in read_log(reader, follow=follow, wait=time.sleep):
            has_events = reader.name == "events.jsonl"
            told = parse_event_line(line) if has_events else {"line": line}
            shown = render_event(line) if has_events else line
            sys.stdout.write(redact(json.dumps({"run": folder.name, **told}) if as_json else shown) + "\n")
            sys.stdout.flush()


@app.command()
def diagram(*, as_json: AsJson = False) -> None:
    """Print the stages and what moves between them, as a Mermaid diagram."""
    from dispatcher.core.diagram import render_mermaid

    screen, drawn = screen_for(as_json), render_mermaid()
    screen.show_json({"mermaid": drawn})
    screen.show(drawn.rstrip("\n"))


@app.command("support-bundle")
def support_bundle(
    ctx: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The archive; default: dispatcher-support-<time>.tar.gz here."),
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Pack versions, configuration, decisions, the log's end and doctor's answers for a bug report; no secrets."""
    from dispatcher.surfaces.support import write_bundle

    screen, at = screen_for(as_json), now()
    target = file or Path(f"dispatcher-support-{at:%Y%m%d-%H%M%S}.tar.gz")
    with screen.progress("Gathering ..."):
        bundle = write_bundle(parts_of(ctx), config, target, now)
    screen.show_json(bundle)
    screen.show(
        f"{bundle.file}: {', '.join(bundle.parts)}", "Look it through before you hand it to somebody."
    )


# ---------------------------------------------------------------- ordering


@app.command()
def retry(
    ctx: typer.Context,
    *,
    item: Annotated[str, typer.Argument(metavar="[OWNER/REPO#N]")] = "",
    agent: Annotated[
        str, typer.Option("--agent", metavar="NAME", help="Take an agent off hold, for all tasks.")
    ] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Start a task again now: without its cooldown, with fresh attempts and a fresh budget. Or let an agent work again."""
    from dispatcher.surfaces.orders import order_for_agent

    screen = screen_for(as_json)
    if bool(item) == bool(agent):
        raise UsageProblem("retry needs either OWNER/REPO#N or --agent NAME.")
    if item:
        _order_item(ctx, "retry", item, config, screen)
        return
    said = order_for_agent(parts_of(ctx), load_to_look(config), agent, now())
    screen.show_json(said)
    screen.show(said.text)


@app.command()
def stop(
    ctx: typer.Context,
    *,
    item: Annotated[
        str, typer.Argument(metavar="[OWNER/REPO#N]", help="One task; default: the whole dispatcher.")
    ] = "",
    kill: Annotated[
        bool, typer.Option("--kill", help="End its runs too, instead of leaving them to be adopted.")
    ] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Stop the dispatcher, or the work on one item."""
    from dispatcher.surfaces.orders import stop_daemon

    screen = screen_for(as_json)
    if item:
        _order_item(ctx, "stop", item, config, screen)
        return
    with screen.progress("Stopping ..."):
        said = stop_daemon(parts_of(ctx), load_to_look(config), now(), kill=kill)
    screen.show_json(said)
    screen.show(said.text)


@app.command()
def drain(ctx: typer.Context, *, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Let live runs finish, start no new ones, then stop."""
    from dispatcher.surfaces.orders import drain_daemon

    screen = screen_for(as_json)
    said = drain_daemon(parts_of(ctx), load_to_look(config), now())
    screen.show_json(said)
    screen.show(said.text)


app.command()(clean)


def _order_item(ctx: typer.Context, name: str, item: str, config: Path | None, screen: "Screen") -> None:
    from dispatcher.surfaces.orders import order_for_item

    said = order_for_item(parts_of(ctx), load_to_look(config), name, item, now())
    screen.show_json(said)
    screen.show(said.text)
