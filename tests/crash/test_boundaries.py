"""A dispatcher that dies between two writes is as good as one that was never disturbed (spec section 9).

The boundaries are found by living once; `make crash` dies at every one of them, here it is a sample of every kind.
"""

import pytest

from tests.crash.endings import describe_difference
from tests.crash.fate import Fate
from tests.crash.in_memory import QuickLife
from tests.crash.lifecycle import living
from tests.crash.sweep import sample_of, undisturbed
from tests.crash.with_people import TalkativeLife


@pytest.fixture(scope="module", params=[QuickLife, TalkativeLife])
def calm(request, tmp_path_factory):
    """An undisturbed life in memory: its kind, its end, and the names of its boundaries."""
    life = request.param(tmp_path_factory.mktemp("calm"))
    return request.param, life.live(), tuple(life.boundaries)


def test_an_undisturbed_life_has_all_that_a_life_can_have(tmp_path):
    life = QuickLife(tmp_path)
    end, boundaries = life.live(), life.boundaries

    assert end["agents"] == ["worker", "worker", "reviewer", "worker", "reviewer"]
    assert end["#2"]["labels"] == {"merge-ready"}
    assert end["#2"]["written"]["unlabeled", "merge-ready"] == 1, "the base moved and took it back once"
    assert len(end["#2"]["reviews"]) == 2
    assert end["violations"] == []
    assert len(boundaries) > 300


def test_a_life_among_people_has_the_rest(tmp_path):
    life = TalkativeLife(tmp_path)
    end = life.live()

    assert end["agents"] == ["responder", "worker", "worker", "reviewer", "reviewer", "worker", "reviewer"]
    assert end["runs"]["reviewer", "superseded"] == 1
    assert end["runs"]["worker", "superseded"] == 1
    assert "refs/heads/bot/kept/worker" in end["branches"]
    assert end["violations"] == []


@pytest.mark.samples(1)
def test_a_death_at_any_boundary_changes_nothing(calm, tmp_path):
    kind, end, boundaries = calm
    chosen = sample_of(boundaries)
    print(f"{len(boundaries)} boundaries, {len(chosen)} of them swept here")

    for number in chosen:
        life = kind(tmp_path / str(number), frozenset({number}))
        difference = describe_difference(end, life.live())
        assert not difference, f"died at {number} ({boundaries[number - 1]}):\n{difference}"
        assert life.deaths == 1


@pytest.mark.samples(1)
def test_a_second_death_while_it_picks_up_the_pieces_changes_nothing(calm, tmp_path):
    kind, end, boundaries = calm

    for number in sample_of(boundaries)[::2]:
        life = kind(tmp_path / str(number), frozenset({number, number + 4, number + 9}))
        difference = describe_difference(end, life.live())
        assert not difference, f"died at {number} ({boundaries[number - 1]}):\n{difference}"


@pytest.mark.long
def test_one_life_with_a_death_at_every_kind_of_boundary(tmp_path):
    """With real HTTP, real git, real processes and the real journal."""
    calm_root, other_root = tmp_path / "calm", tmp_path / "other"
    calm_root.mkdir()
    other_root.mkdir()
    boundaries, end = undisturbed(calm_root)
    fate = Fate(decides=lambda boundary: boundary.endswith("#1"))

    with living(other_root, fate) as life:
        life.live()
        difference = describe_difference(end, life.end())

    print(f"{len(boundaries)} boundaries, {len(fate.deaths)} deaths in one life")
    assert not difference, difference
    assert len(fate.deaths) > 50
    assert life.restarts == len(fate.deaths)
