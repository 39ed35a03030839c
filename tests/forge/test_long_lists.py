"""A list that has no end must not hold the loop up for ever, and what was not read is said."""

from dataclasses import dataclass, field

import pytest

from dispatcher.forge.client import Answer
from dispatcher.forge.polling import all_pages

NEXT = '<https://forge.invalid/issues?page=2>; rel="next", <https://forge.invalid/issues?page=9>; rel="last"'


@dataclass
class Pages:
    """A forge that goes gaga: every page leads to another one, up to `count`."""

    count: int
    asked: list[int] = field(default_factory=list)

    def get(self, path, params=None, headers=None):
        page = int((params or {}).get("page", 1))
        self.asked.append(page)
        links = {"link": NEXT} if page < self.count else {"link": '<https://forge.invalid>; rel="first"'}
        return Answer(200, links, [{"number": page}])


def read(pages):
    return all_pages(pages, "/issues", {"state": "open"}, pages.get("/issues"), 100)


def test_a_list_without_an_end_is_cut_and_that_is_said(caplog):
    pages = Pages(10**6)
    nodes = read(pages)

    assert pages.asked == list(range(1, 1001))
    assert [node.number("number") for node in nodes] == pages.asked, "what was read counts"
    assert caplog.messages == ["/issues is longer than 1000 entries: the rest was not read in this look"]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_a_list_that_ends_is_read_to_its_end_in_silence(count, caplog):
    pages = Pages(count)

    assert len(read(pages)) == count
    assert caplog.messages == []
