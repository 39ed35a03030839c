"""`dispatcher clean`: the housekeeping that the dispatcher does by itself, now, and said aloud."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dispatcher.surfaces.exits import ExitCode
from dispatcher.surfaces.options import AsJson, ConfigPath, load_to_work, now, parts_of, screen_for

if TYPE_CHECKING:
    from dispatcher.config import Settings
    from dispatcher.core.housekeeping import Cleared
    from dispatcher.surfaces.parts import Parts


@dataclass(slots=True)
class Cleaning:
    """What went, or would go. `kept_bytes` are the run folders that stay."""

    is_dry_run: bool
    runs: "list[Cleared]" = field(default_factory=list)
    kept_bytes: int = 0
    limit_bytes: int = 0
    forgotten_rows: int = 0

    @property
    def has_trouble(self) -> bool:
        """Whether something stays that a person must look at."""
        return any(one.trouble for one in self.runs)


def clean(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Remove old run folders and forget old decisions now, and say what goes. The dispatcher does it by itself, too."""
    screen, settings = screen_for(as_json), load_to_work(config)
    if not settings.journal_path.exists():
        screen.show_json(Cleaning(dry_run))
        screen.show(f"Nothing was ever dispatched from {settings.state_dir}.")
        return
    with screen.progress("Looking at the run folders ..."):
        done = clean_up(parts_of(ctx), settings, now(), dry_run=dry_run)
    screen.show_json(done)
    screen.show(*render_cleaning(done))
    if done.has_trouble:
        raise typer.Exit(ExitCode.PERSON)


def clean_up(parts: "Parts", settings: "Settings", at: datetime, *, dry_run: bool) -> Cleaning:
    """One round of housekeeping. Safe while a dispatcher works: each folder is looked at again before it goes."""
    from dispatcher.core.housekeeping import Cleared

    rules, done = settings.keep, Cleaning(dry_run)
    with closing(parts.open_journal(settings, read_only=dry_run)) as journal:
        house = parts.open_house(settings, journal)
        if not dry_run:
            house.finish_removals()
        clearing = house.survey(rules, at)
        done.kept_bytes, done.limit_bytes = clearing.kept_bytes, clearing.limit_bytes
        if dry_run:
            done.runs += [Cleared(one.run_id, one.size_bytes, one.why) for one in clearing.removals]
            return done
        for removal in clearing.removals:
            if cleared := house.clear(removal, rules, at):
                done.runs.append(cleared)
                done.kept_bytes += removal.size_bytes - cleared.size_bytes
        done.forgotten_rows = house.tidy(rules, at)
    return done


def render_cleaning(done: Cleaning) -> Iterator[str]:
    """One line a folder, then the sum."""
    from dispatcher.core.housekeeping import render_bytes

    verb = "would go" if done.is_dry_run else "removed"
    for one in done.runs:
        if one.trouble:
            yield f"{one.run_id}: stays: {one.trouble}"
            continue
        kept = f"; what nobody else has is in {one.bundle}" if one.bundle else ""
        yield f"{one.run_id}: {verb}, {render_bytes(one.size_bytes)}: {one.why}{kept}"
    freed = render_bytes(sum(one.size_bytes for one in done.runs))
    stay = f"run folders take {render_bytes(done.kept_bytes)} of {render_bytes(done.limit_bytes)}"
    if done.is_dry_run:
        yield f"{freed} would be freed; then {stay}. Unpublished work would be kept as git bundles."
    else:
        yield f"{freed} freed; {stay}. {done.forgotten_rows} old rows left the journal."
