"""Comments, reviews, pull requests, labels: each counts once, whatever happens on the way."""

import pytest

from dispatcher.core.errors import Gone, NeedsPerson, QuotaSpent, RetryLater
from dispatcher.core.markers import MAX_BODY_CHARS, parse_markers, render_key_marker, seal
from dispatcher.core.model import Finding
from dispatcher.ports import PullOrder
from dispatcher.simulator.faults import Fault, What

SHOP = "acme/shop"


def say(office, number, text="Hello.", key="answer-1"):
    return office.forge.post_comment(office.key(number), SHOP, text, key)


# ---------------------------------------------------------------- comments


def test_a_comment_is_posted_once_per_key(office):
    number = office.issue()
    say(office, number)
    say(office, number)
    office.restart()
    say(office, number)
    assert [body.partition("\n")[0] for body in office.bodies(number)] == ["Hello."]


@pytest.mark.parametrize("what", [What.FAIL_BEFORE, What.FAIL_AFTER, What.DROP_BEFORE, What.DROP_AFTER])
def test_a_comment_whose_answer_is_lost_is_looked_for_before_it_is_sent_again(office, what):
    number = office.issue()
    office.look_at(number)
    office.box.faults.add(Fault(what, path="/comments$", method="POST"))
    with office.box.watching() as seen, pytest.raises(RetryLater):
        say(office, number)
    assert len([r for r in seen if r.method == "POST"]) <= 1
    say(office, number)
    assert len(office.bodies(number)) == 1


def test_a_stranger_who_copies_the_key_does_not_silence_us(office):
    number = office.issue()
    say(office, number)
    copied = office.bodies(number)[0]
    other = office.issue("another")
    office.eve.comment(SHOP, other, copied)
    say(office, other)
    assert len(office.bodies(other)) == 2


def test_a_comment_of_a_megabyte_is_cut(office):
    number = office.issue()
    say(office, number, "x" * 1_000_000)
    (body,) = office.bodies(number)
    assert len(body) <= MAX_BODY_CHARS
    assert parse_markers(body).keys == {"answer-1"}


def test_a_comment_on_a_gone_issue_says_so(office):
    with pytest.raises(Gone):
        say(office, 99)


def test_a_renamed_repository_is_written_to_by_number(office):
    number = office.issue()
    office.look_at(number)
    office.ann.rename_repo(SHOP, "store")
    say(office, number)
    assert len(office.box.scene.comments("acme/store", number)) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_a_limit_on_a_comment_is_a_hold_and_nothing_was_posted(office, status):
    number = office.issue()
    office.look_at(number)
    office.box.faults.add(
        Fault(What.LIMIT, path="/comments", method="POST", status=status, retry_after_s=120)
    )
    with pytest.raises(QuotaSpent) as caught:
        say(office, number)
    assert (caught.value.until - office.clock.now()).total_seconds() == 120
    assert office.forge.quota_hold().until == caught.value.until
    office.clock.passes(121)
    assert office.forge.quota_hold() is None
    say(office, number)
    assert len(office.bodies(number)) == 1


# ---------------------------------------------------------------- reviews


def test_a_review_puts_findings_on_lines_of_the_diff_and_the_rest_in_the_body(office):
    number = office.issue()
    pull = office.pull(number)
    office.look_at(number, pull)
    with office.box.watching() as seen:
        office.forge.post_review(
            office.review_order(
                pull,
                Finding("why capitals?", "minor", "app.py", 2),
                Finding("far away", "nit", "app.py", 900),
                Finding("never touched", "nit", "other.py", 1),
                Finding("on the whole", "major"),
            )
        )
    assert len(seen) == 2
    (review,) = office.box.scene.reviews(SHOP, pull)
    assert review.state.name == "COMMENTED"
    lines = office.box.scene.issue(SHOP, pull).pull.line_comments
    assert [(c.path, c.line, c.body) for c in lines] == [("app.py", 2, "**minor**: why capitals?")]
    assert "`app.py:900` **nit**: far away" in review.body
    assert "`other.py:1` **nit**: never touched" in review.body
    assert "on the whole" not in review.body  # the words around the verdict hold it already
    assert parse_markers(review.body).keys == {"review-1"}


def test_a_review_without_lines_is_one_request(office):
    number = office.issue()
    pull = office.pull(number)
    office.look_at(number, pull)
    with office.box.watching() as seen:
        office.forge.post_review(office.review_order(pull))
    assert len(seen) == 1


def test_a_review_is_posted_once_per_key_after_a_lost_answer_and_a_restart(office):
    number = office.issue()
    pull = office.pull(number)
    office.look_at(number, pull)
    office.box.faults.add(Fault(What.DROP_AFTER, path="/reviews", method="POST"))
    with pytest.raises(RetryLater):
        office.forge.post_review(office.review_order(pull))
    office.forge.post_review(office.review_order(pull))
    office.restart()
    office.forge.post_review(office.review_order(pull))
    assert len(office.box.scene.reviews(SHOP, pull)) == 1


def test_lines_are_judged_by_the_diff_of_the_reviewed_commit_not_of_a_newer_one(office):
    number = office.issue()
    pull = office.pull(number)
    head = office.box.scene.head(SHOP, f"bot/{number}-mend")
    office.bot.push(SHOP, f"bot/{number}-mend", {"new.py": "a\n"})
    office.look_at(number, pull)
    office.forge.post_review(office.review_order(pull, Finding("new?", "nit", "new.py", 1), head=head))
    (review,) = office.box.scene.reviews(SHOP, pull)
    assert "`new.py:1`" in review.body
    assert review.sha == head


def test_when_github_refuses_the_lines_they_go_into_the_body(office):
    number = office.issue()
    pull = office.pull(number)
    office.look_at(number, pull)
    real = office.box.world.git
    finding = Finding("why?", "minor", "app.py", 2)
    order = office.review_order(pull, finding)
    # The reviewed commit is not part of the pull request any more: a force push replaced it.
    office.bot.push(SHOP, f"bot/{number}-mend", {"zzz.py": "a\n"}, base="main", force=True)
    assert real is office.box.world.git
    office.forge.post_review(order)
    (review,) = office.box.scene.reviews(SHOP, pull)
    lines = office.box.scene.issue(SHOP, pull).pull.line_comments
    assert bool(lines) != ("`app.py:2`" in review.body)


def test_a_half_written_review_of_ours_is_cleared_out_of_the_way(office):
    number = office.issue()
    pull = office.pull(number)
    office.look_at(number, pull)
    office.bot.review(SHOP, pull, "", "half written")
    office.forge.post_review(office.review_order(pull, Finding("why?", "minor", "app.py", 2)))
    assert [r.state.name for r in office.box.scene.reviews(SHOP, pull)] == ["COMMENTED"]
    assert len(office.box.scene.issue(SHOP, pull).pull.line_comments) == 1


# ---------------------------------------------------------------- pull requests


def pull_order(number, **other):
    fields = {
        "repo": SHOP,
        "branch": f"bot/{number}-mend",
        "base": "main",
        "title": "Mend",
        "body": f"Closes #{number}",
    }
    return PullOrder(**(fields | {"key": "pull-1"} | other))


def test_a_pull_request_is_opened_once(office):
    number = office.issue()
    office.bot.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    first = office.forge.open_pull(pull_order(number))
    office.restart()
    second = office.forge.open_pull(pull_order(number))
    assert (first.number, first.head) == (second.number, second.head)
    assert len(office.box.scene.pulls(SHOP)) == 1
    assert first.head == office.box.scene.head(SHOP, f"bot/{number}-mend")
    assert parse_markers(office.box.scene.issue(SHOP, first.number).body).keys == {"pull-1"}


@pytest.mark.parametrize("what", [What.FAIL_AFTER, What.DROP_AFTER])
def test_a_pull_request_whose_answer_is_lost_is_found(office, what):
    number = office.issue()
    office.bot.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    office.box.faults.add(Fault(what, path="/pulls", method="POST"))
    with pytest.raises(RetryLater):
        office.forge.open_pull(pull_order(number))
    assert office.forge.open_pull(pull_order(number)).number
    assert len(office.box.scene.pulls(SHOP)) == 1


@pytest.mark.parametrize("becomes", ["close", "merge"])
def test_a_pull_request_whose_answer_is_lost_is_found_though_a_person_ended_it_meanwhile(office, becomes):
    """Invariant 2: GitHub refuses a second one only while the first is open."""
    number = office.issue()
    office.bot.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    office.box.faults.add(Fault(What.DROP_AFTER, path="/pulls", method="POST"))
    with pytest.raises(RetryLater):
        office.forge.open_pull(pull_order(number))
    lost = office.box.scene.pulls(SHOP)[0].number
    getattr(office.ann, becomes)(SHOP, lost)

    office.restart()

    assert office.forge.open_pull(pull_order(number)).number == lost
    assert len(office.box.scene.pulls(SHOP)) == 1


def test_a_pull_request_that_an_earlier_order_opened_and_that_is_over_is_no_matter(office):
    """A person closed it and asked again: another order, another key."""
    number = office.issue()
    office.bot.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    first = office.forge.open_pull(pull_order(number)).number
    office.ann.close(SHOP, first)

    assert office.forge.open_pull(pull_order(number, key="pull-2")).number != first


def test_a_stranger_who_copies_the_key_into_a_closed_pull_request_hides_nothing(office):
    number = office.issue()
    office.ann.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    copied = f"Mine.\n\n{render_key_marker('pull-1')}"
    office.ann.close(SHOP, office.ann.open_pull(SHOP, f"bot/{number}-mend", "Mine", copied))

    assert len(office.box.scene.pulls(SHOP)) == 1
    office.forge.open_pull(pull_order(number))
    assert len(office.box.scene.pulls(SHOP)) == 2


def test_a_pull_request_in_a_repository_known_only_by_its_old_name_is_opened(office):
    number = office.issue()
    office.bot.push(SHOP, f"bot/{number}-mend", {"app.py": "new\n"}, base="main")
    office.ann.rename_repo(SHOP, "store")
    office.forge = office.start()
    assert office.forge.open_pull(pull_order(number)).number
    assert len(office.box.scene.pulls("acme/store")) == 1


def test_a_missing_branch_is_a_persons_matter(office):
    with pytest.raises(NeedsPerson, match="head"):
        office.forge.open_pull(pull_order(7))


# ---------------------------------------------------------------- labels


def test_missing_labels_are_created_and_named(office):
    repo = office.watch()[0]
    assert office.forge.create_labels(repo) == ()
    office.box.scene.add_repo("acme/tools", collaborators={"bot": "write"})
    (tools,) = office.watch("acme/tools")
    assert "bot" in office.forge.missing_labels(tools)
    assert set(office.forge.create_labels(tools)) == {
        "bot",
        "needs-review",
        "needs-rework",
        "merge-ready",
        "needs-human",
    }
    assert office.forge.create_labels(tools) == office.forge.missing_labels(tools) == ()
    assert office.forge.create_labels(tools, ("agent:codex", "Bot")) == ("agent:codex",)
    world = office.box.world
    assert {label.color for label in world.repo("acme/tools").labels.values() if label.name == "bot"} == {
        "5319e7"
    }


def test_a_review_without_findings_says_its_summary_and_nothing_else(office):
    number = office.pull(office.issue())
    office.forge.post_review(office.review_order(number))
    (review,) = office.box.scene.reviews(SHOP, number)
    assert review.body == seal("Two things.", render_key_marker("review-1"))
