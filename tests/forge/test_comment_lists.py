"""Comments without a mention, in repositories that listen for a trigger pattern."""

from dataclasses import replace

TURN = frozenset({"bot"})


def listening(office):
    return (replace(office.repo, rules=replace(office.repo.rules, trigger_regex="^/bot")),)


def test_a_new_comment_wakes_its_item_once_and_idle_looks_are_free(office):
    repos, number = listening(office), office.issue()
    for _ in range(3):
        office.clock.passes(61)
        office.forge.look(repos, TURN)

    office.ann.comment("acme/shop", number, "/bot go")
    office.clock.passes(61)
    woken = office.forge.look(repos, TURN).wakes
    assert [wake.key for wake in woken if wake.reason == "comment"] == [office.key(number)]

    for _ in range(3):
        office.clock.passes(61)
        office.forge.look(repos, TURN)
    office.clock.passes(61)
    with office.box.watching() as seen:
        office.forge.look(repos, TURN)
    assert [request.status for request in seen if request.path.endswith("/comments")] == [304]


def test_the_first_look_goes_half_an_hour_back(office):
    """Who installs the dispatcher may have written a trigger just before; what is older was meant for nobody."""
    numbers = [office.issue() for _ in range(3)]
    for number, later_s in zip(numbers, (120, 120, 1680), strict=True):
        office.ann.comment("acme/shop", number, "/bot go")
        office.clock.passes(later_s)
    office.restart()

    found = office.forge.look(listening(office), TURN).wakes

    assert [wake.key.number for wake in found if wake.reason == "comment"] == numbers[1:], (
        "32, 30 and 28 minutes ago"
    )


def test_the_look_back_ends_where_the_first_look_was(office):
    """A dispatcher that was away for hours goes on from there, however long ago that is."""
    repos, number = listening(office), office.issue()
    for _ in range(2):  # what one look proposes is stored at the next
        office.forge.look(repos, TURN)
        office.clock.passes(61)
    office.ann.comment("acme/shop", number, "/bot go")
    office.clock.passes(7200)
    office.restart()

    found = office.forge.look(repos, TURN).wakes

    assert [wake.key.number for wake in found if wake.reason == "comment"] == [number]


def test_only_the_newest_comment_is_shown_again_and_a_changed_question_is_not_conditional(office):
    """Times are whole seconds: another comment of the newest one's second must not be missed."""
    repos, numbers = listening(office), [office.issue() for _ in range(3)]
    woken = []
    for number in numbers:
        office.clock.passes(61)
        office.ann.comment("acme/shop", number, "/bot go")
        office.clock.passes(61)
        with office.box.watching() as seen:
            found = office.forge.look(repos, TURN).wakes
        woken.append([wake.key.number for wake in found if wake.reason == "comment"])
        assert not any(request.conditional for request in seen if request.path.endswith("/comments"))
    assert woken == [numbers[:1], numbers[:2], numbers[1:]]


def test_repositories_without_a_pattern_cost_no_request(office):
    office.issue()
    with office.box.watching() as seen:
        for _ in range(3):
            office.clock.passes(61)
            office.forge.look((office.repo,), TURN)
    assert [request.path for request in seen if request.path.endswith("/comments")] == []
