"""Keeping the journal small, and knowing what was spent."""

import pytest

from dispatcher.core.model import Stage
from dispatcher.journal.store import SqlJournal
from tests.journal.stories import a_run, a_task, decided, dispatched, later


@pytest.fixture
def journal(tmp_path):
    with SqlJournal(tmp_path / "journal.sqlite3") as opened:
        yield opened


def test_old_history_is_forgotten_and_what_still_counts_is_kept(journal):
    over, going_on = a_task(1, stage=Stage.DONE), a_task(2)
    for task in (over, going_on):
        journal.commit(dispatched(task, a_run(f"run-{task.key.number}"), at=later(0)))
        journal.mark_heard(["comment:1:0"], task.key, later(0))
        journal.note(task.key, "old", later(0))
    journal.commit(decided(over, before=Stage.WORKING, at=later(60)))
    journal.note(None, "new", later(60))
    journal.give_order("retry", "finished", later(0))
    journal.give_order("retry", "waiting", later(0))
    journal.finish_order(journal.take_orders()[0].id)

    assert (
        journal.prune(later(30)) == 2 + 2 + 1 + 1
    )  # decisions, notes, an order, a comment of the task that is over

    assert [record.at for record in journal.load_decisions(over.key)] == [later(60)]
    assert [what for _, what in journal.load_notes()] == ["new"]
    assert [order.argument for order in journal.take_orders()] == ["waiting"]
    assert journal.load_unheard(["comment:1:0"], going_on.key) == ()
    assert journal.load_unheard(["comment:1:0"], over.key) == ("comment:1:0",)
    assert len(journal.load_runs()) == 2
    assert len(journal.load_effects()) == 4
