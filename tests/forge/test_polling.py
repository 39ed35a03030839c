"""Looking for news: cheap while idle, complete when something happened."""

from datetime import timedelta

import pytest

from dispatcher.core.errors import QuotaSpent, RetryLater
from dispatcher.forge.github_forge import Pace
from dispatcher.simulator.faults import Fault, What

SHOP = "acme/shop"
TURN = frozenset({"bot"})


def look(office, *repos):
    return office.forge.look(repos or (office.repo,), TURN)


def settle(office):
    """Look until nothing is new."""
    for _ in range(4):
        office.clock.passes(61)
        look(office)


@pytest.mark.parametrize("count", [1, 60])
def test_an_idle_cycle_is_two_requests_that_answer_304_however_many_repos_there_are(office, count):
    names = [f"acme/r{i}" for i in range(count)]
    for name in names:
        office.box.scene.add_repo(name, collaborators={"bot": "write"})
    repos = office.watch(*names)
    office.issue()
    settle(office)
    office.clock.passes(61)
    with office.box.watching() as seen:
        found = look(office, *repos)
    assert [r.status for r in seen] == [304, 304]
    assert (found.wakes, found.items, found.notifications_read_to) == ((), (), None)


def test_lists_and_notifications_are_asked_for_as_seldom_as_the_settings_say(office):
    office.forge = office.start(pace=Pace(write_pause_s=0.0, poll_s=90, list_poll_s=120))
    look(office)
    asked = []
    for _ in range(8):
        office.clock.passes(30)
        with office.box.watching() as seen:
            found = look(office)
        asked.append([r.path.rpartition("/")[2] for r in seen])
        assert found.next_poll_s <= 90
    assert asked == [[], [], ["notifications"], ["issues"], [], ["notifications"], [], ["issues"]]


def test_idle_cycles_write_nothing_into_the_journal(office):
    office.issue()
    settle(office)
    saves = office.drawer.saves
    settle(office)
    assert office.drawer.saves == saves


def test_a_labelled_issue_is_an_item_and_a_mention_a_wake(office):
    look(office)
    office.clock.passes(61)
    number = office.issue()
    office.ann.create_label(SHOP, "later")
    other = office.issue("question", "@bot what do you think?", "later")
    office.clock.passes(61)
    found = look(office)
    assert [(i.key, i.repo, i.is_pull, i.labels) for i in found.items] == [
        (office.key(number), SHOP, False, frozenset({"bot"}))
    ]
    assert [(w.key, w.repo, w.reason) for w in found.wakes] == [(office.key(other), SHOP, "mention")]
    assert found.notifications_read_to == found.wakes[0].updated_at


def test_items_of_repositories_that_are_not_watched_are_left_out(office):
    office.box.scene.add_repo("acme/other", collaborators={"bot": "write", "ann": "write"})
    office.ann.create_label("acme/other", "bot")
    office.ann.open_issue("acme/other", "not ours", "@bot", labels=("bot",))
    found = look(office)
    assert (found.items, found.wakes) == ((), ())


def test_what_was_given_out_once_is_not_given_out_again(office):
    office.issue()
    office.clock.passes(61)
    assert len(look(office).items) == 1
    office.clock.passes(61)
    assert look(office).items == ()


def test_a_second_change_within_the_same_second_is_not_lost(office):
    office.issue("first")
    assert len(look(office).items) == 1
    office.issue("second")  # the same second, after our look
    office.clock.passes(61)
    assert [item.title for item in look(office).items] == ["second"]


def test_more_than_a_hundred_items_on_a_label_are_all_seen(office):
    for i in range(230):
        office.issue(f"issue {i}")
    office.clock.passes(61)
    assert len(look(office).items) == 230
    assert len(office.forge.sweep((office.repo,), (office.repo.rules.labels,))) == 230


def test_more_than_a_page_of_notifications_is_all_seen(office):
    for i in range(60):
        office.ann.open_issue(SHOP, f"question {i}", "@bot?")
    office.clock.passes(61)
    assert len(look(office).wakes) == 60


def test_the_poll_interval_is_obeyed(office):
    found = look(office)
    assert found.next_poll_s == 60
    office.clock.passes(15)
    with office.box.watching() as seen:
        found = look(office)
    assert [r.path for r in seen if "notifications" in r.path] == []
    assert found.next_poll_s == 45


def test_a_crash_before_the_journal_has_it_repeats_the_answer(office):
    settle(office)
    office.issue("new", "@bot help")
    office.clock.passes(61)
    assert len(look(office).items) == 1
    office.restart()  # nothing of that look was dealt with
    office.clock.passes(61)
    found = look(office)
    assert (len(found.items), len(found.wakes)) == (1, 1)


def test_a_look_that_fails_half_way_loses_nothing(office):
    settle(office)
    office.issue("new", "@bot help")
    office.clock.passes(61)
    office.box.faults.add(Fault(What.FAIL_BEFORE, path="^/issues", count=4))
    with pytest.raises(RetryLater):
        look(office)
    office.clock.passes(61)
    found = look(office)
    assert (len(found.items), len(found.wakes)) == (1, 1)


def test_with_two_turn_labels_a_failing_list_does_not_swallow_the_other(office):
    office.ann.create_label(SHOP, "robot")
    office.issue("one")
    office.issue("two", "", "robot")
    office.clock.passes(61)
    office.box.faults.add(Fault(What.FAIL_BEFORE, path="labels=robot", count=4))
    both = TURN | {"robot"}
    with pytest.raises(RetryLater):
        office.forge.look((office.repo,), both)
    office.clock.passes(61)
    assert {item.title for item in office.forge.look((office.repo,), both).items} == {"one", "two"}


def test_a_search_that_fails_half_way_loses_nothing(searching):
    look(searching)
    number = searching.issue("new", "please")
    searching.clock.passes(61)
    searching.box.faults.add(Fault(What.FAIL_BEFORE, path="graphql", skip=1, count=4))
    with pytest.raises(RetryLater):
        look(searching)
    searching.clock.passes(61)
    assert [item.key.number for item in look(searching).items] == [number]


def lists_in(seen):
    return [r.status for r in seen if r.path.startswith("/issues")]


def test_a_change_costs_one_full_answer_and_none_to_forget_it(office):
    settle(office)
    office.issue()
    with office.box.watching() as seen:
        settle(office)
    assert lists_in(seen) == [200, 304, 304, 304]


def test_a_list_that_changes_without_news_is_left_behind(office):
    """GitHub embeds the repository in every item: a push changes the answer though no item changed."""
    office.issue()
    settle(office)
    office.ann.push(SHOP, "topic", {"a.txt": "a"})
    with office.box.watching() as seen:
        settle(office)
        office.ann.push(SHOP, "topic", {"a.txt": "b"})
        settle(office)
    assert lists_in(seen) == [200, 200, 304, 304, 304, 304, 304, 304]


def test_a_list_that_grows_long_is_left_behind(office):
    settle(office)
    for i in range(25):
        office.issue(f"issue {i}")
    settle(office)
    number = office.issue("one more")
    office.clock.passes(61)
    with office.box.watching() as seen:
        assert [item.key.number for item in look(office).items] == [number]
    (body,) = [r for r in seen if r.path.startswith("/issues")]
    assert "since=" in body.query


def test_after_a_restart_the_cursors_are_taken_up_again(office):
    office.issue()
    settle(office)
    office.clock.passes(1801)
    settle(office)  # the full answer brought nothing new: the list is left behind
    office.restart()
    office.clock.passes(61)
    with office.box.watching() as seen:
        assert look(office).items == ()
    lists = [r for r in seen if r.path.startswith("/issues")]
    assert len(lists) == 1


def test_another_token_does_not_use_the_old_ones_etags(office):
    office.issue()
    settle(office)
    office.forge = office.start(office.box.scene.add_token("bot"))
    office.clock.passes(61)
    with office.box.watching() as seen:
        look(office)
    assert 304 not in [r.status for r in seen]


def test_now_and_then_the_full_answer_is_asked_for(office):
    settle(office)
    office.clock.passes(1801)
    with office.box.watching() as seen:
        look(office)
    assert [r.status for r in seen] == [200, 200]


def test_a_batch_is_marked_read_in_one_request_and_later_threads_stay(office):
    office.ann.open_issue(SHOP, "early", "@bot?")
    office.clock.passes(61)
    until = look(office).notifications_read_to
    office.clock.passes(5)
    office.ann.open_issue(SHOP, "late", "@bot?")
    with office.box.watching() as seen:
        office.forge.mark_read(until)
    assert len(seen) == 1
    office.clock.passes(61)
    assert [wake.updated_at > until for wake in look(office).wakes] == [True]


def test_marking_read_does_not_turn_the_clock_back(office):
    office.ann.open_issue(SHOP, "early", "@bot?")
    office.clock.passes(61)
    office.forge.mark_read(look(office).notifications_read_to)
    office.clock.passes(61)
    look(office)
    office.clock.passes(61)
    with office.box.watching() as seen:
        look(office)
    assert [r.status for r in seen] == [304, 304]


def test_a_sweep_finds_labelled_assigned_and_opened_by_the_bot(office):
    labelled = office.issue("labelled")
    office.ann.create_label(SHOP, "other")
    assigned = office.issue("assigned", "x", "other")
    office.ann.assign(SHOP, assigned, "bot")
    opened = office.pull(assigned)
    office.issue("nobody's", "x", "other")
    closed = office.issue("closed")
    office.ann.close(SHOP, closed)
    found = office.forge.sweep((office.repo,), (office.repo.rules.labels,))
    assert {item.key.number for item in found} == {labelled, assigned, opened}


def test_a_limit_while_polling_is_a_hold_and_the_next_look_sends_nothing(office):
    office.forge.choose_intake()
    office.box.faults.add(Fault(What.LIMIT, path="/notifications", status=429, retry_after_s=300))
    with pytest.raises(QuotaSpent):
        look(office)
    with office.box.watching() as seen, pytest.raises(QuotaSpent):
        look(office)
    assert seen == []
    assert office.forge.quota_hold().until == office.clock.now() + timedelta(seconds=300)
    office.clock.passes(301)
    assert look(office).items == ()


# ---------------------------------------------------------------- fine-grained tokens


@pytest.fixture
def searching(office):
    office.token = office.box.scene.add_fine_grained_token("bot")
    office.restart()
    return office


def test_a_fine_grained_token_searches_once_per_look_and_says_why(searching):
    intake = searching.forge.choose_intake()
    assert intake.kind == "search"
    assert "fine-grained" in intake.why


def test_searching_finds_labels_and_mentions_and_gives_each_out_once(searching):
    number = searching.issue()
    searching.ann.create_label(SHOP, "other")
    asked = searching.issue("question", "@bot what now?", "other")
    found = look(searching)
    assert [item.key.number for item in found.items] == [number]
    assert [wake.key.number for wake in found.wakes] == [asked]
    searching.clock.passes(61)
    again = look(searching)
    assert (again.items, again.wakes) == ((), ())
    searching.ann.label(SHOP, number, "other")
    searching.clock.passes(61)
    assert [item.key.number for item in look(searching).items] == [number]


def test_searching_is_one_request_per_kind_however_many_owners(searching):
    for owner in ("a", "b", "c"):
        searching.box.scene.add_repo(f"{owner}/r", collaborators={"bot": "write"})
    repos = searching.watch("a/r", "b/r", "c/r")
    look(searching, *repos)
    searching.clock.passes(61)
    with searching.box.watching() as seen:
        look(searching, *repos)
    assert len(seen) <= 2


def test_a_sweep_by_search_finds_what_the_lists_would(searching):
    labelled = searching.issue("labelled")
    pull = searching.pull(labelled)
    found = searching.forge.sweep((searching.repo,), (searching.repo.rules.labels,))
    assert {item.key.number for item in found} == {labelled, pull}


def test_an_index_that_is_late_is_caught_by_the_overlap(searching):
    searching.box.world.settings.search_delay_s = 20
    look(searching)
    number = searching.issue()
    searching.clock.passes(10)
    assert look(searching).items == ()
    searching.clock.passes(60)
    assert [item.key.number for item in look(searching).items] == [number]
