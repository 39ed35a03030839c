"""What the forge room remembers: so much and no more, and what was used last stays."""

from datetime import UTC, datetime

import pytest

from dispatcher.core.model import ItemKey, Person
from dispatcher.forge.known import REMEMBERED_ITEMS, KnownItem, Memory, Numbers

AT = datetime(2026, 3, 1, tzinfo=UTC)


def item(number: int, *logins: str) -> KnownItem:
    people = tuple((Person(index, login), f"U_{login}") for index, login in enumerate(logins))
    return KnownItem(
        ItemKey(1, number), f"I_{number}", is_open=True, labels=(), assignees=people, updated_at=AT
    )


def test_a_thousand_items_are_kept_and_the_one_that_was_used_longest_ago_goes():
    memory = Memory()
    for number in range(REMEMBERED_ITEMS):
        memory.keep(item(number))
    assert len(memory.items) == REMEMBERED_ITEMS
    memory.keep(item(0))
    memory.keep(item(REMEMBERED_ITEMS))
    assert len(memory.items) == REMEMBERED_ITEMS
    assert ItemKey(1, 1) not in memory.items
    assert ItemKey(1, 0) in memory.items


def test_two_numbers_for_each_of_a_thousand_tasks():
    memory = Memory()
    for number in range(REMEMBERED_ITEMS):
        memory.keep_numbers(1, Numbers(2 * number, 2 * number + 1))
    assert len(memory.numbers) == 2 * REMEMBERED_ITEMS
    assert ItemKey(1, 0) in memory.numbers
    memory.keep_numbers(1, Numbers(7000))
    assert len(memory.numbers) == 2 * REMEMBERED_ITEMS
    assert ItemKey(1, 0) not in memory.numbers


def test_people_are_forgotten_all_at_once_when_they_are_too_many():
    memory = Memory()
    for number in range(20 * REMEMBERED_ITEMS + 1):
        memory.keep_user(f"user-{number}", f"U_{number}")
    assert memory.user_id("USER-0") == "U_0"
    memory.keep_user("one-more", "U_1")
    assert memory.user_id("user-0") is None
    assert memory.user_id("one-more") == "U_1"


def test_a_repository_is_found_by_its_own_name_only():
    memory = Memory()
    memory.keep_repo(1, "acme/depot")
    memory.keep_repo(2, "acme/Shop")
    assert memory.find_repo_id("ACME/shop") == 2
    assert memory.find_repo_id("acme/other") is None


def test_labels_are_forgotten_by_repository():
    memory = Memory()
    for repo_id in (1, 2):
        memory.keep_label(repo_id, "bot", f"L_{repo_id}")
    memory.forget_labels(1)
    assert (memory.label_id(1, "bot"), memory.label_id(2, "BOT")) == (None, "L_2")


@pytest.mark.parametrize("login", ["ann", "ANN"])
def test_who_is_assigned_somewhere_is_known(login):
    memory = Memory()
    memory.keep(item(1, "Ann"))
    assert memory.user_id(login) == "U_Ann"
    assert memory.items[ItemKey(1, 1)].has_assignee(login)
