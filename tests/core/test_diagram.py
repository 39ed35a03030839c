"""The diagram and the tables for people say what the table says, and can be read."""

from dispatcher.core.diagram import (
    SHOWN_AS,
    TURNS,
    render_mermaid,
    render_stage_reference,
    render_stage_table,
)
from dispatcher.core.events import ALL_EVENTS
from dispatcher.core.model import Stage


def test_the_diagram_shows_every_stage_once_and_stays_readable():
    drawn = render_mermaid()
    for stage in Stage:
        assert drawn.count(f'state "{stage}" as') == 1
    assert len([line for line in drawn.splitlines() if "-->" in line]) < 45
    assert sorted(stage for _, _, members in TURNS for stage in members) == sorted(Stage)


def test_the_diagram_has_one_way_to_merge_ready_and_no_loops():
    edges = [
        line.split(" : ")[0].split(" --> ")
        for line in map(str.strip, render_mermaid().splitlines())
        if " --> " in line
    ]
    assert [source for source, dest in edges if dest == "merge_ready"] == ["reviewing"]
    assert all(source != dest for source, dest in edges)


def test_the_tables_know_every_stage_and_every_event():
    assert set(SHOWN_AS) == set(Stage)
    assert all(f"| `{stage}` |" in render_stage_table() for stage in Stage)
    page = render_stage_reference()
    assert all(kind.__name__ in page for kind in ALL_EVENTS)
    assert all(f"## {stage}\n" in page for stage in Stage)
