"""A story that fails leaves no dispatcher mortal behind: the stories after it in the same process must not die of it."""

import pytest

from dispatcher import app
from tests.crash.fate import PARTS, Fate
from tests.crash.lifecycle import Life, living

REAL = tuple(PARTS)


def parts_in_use() -> tuple[type, ...]:
    return tuple(getattr(app, kind.__name__) for kind in REAL)


class Wrong(Exception):
    """What a test finds out."""


def test_a_story_that_fails_while_its_dispatcher_is_dead(tmp_path):
    fate = Fate()

    def story() -> None:
        with living(tmp_path, fate):
            assert parts_in_use() != REAL
            fate.decides = lambda _boundary: True
            fate.meet("before anything")
            raise Wrong

    with pytest.raises(Wrong):
        story()
    assert parts_in_use() == REAL
    assert not fate.meet("before anything else")


def refuses(*_: object) -> None:
    raise Wrong


def test_a_story_that_does_not_even_open(tmp_path, monkeypatch):
    monkeypatch.setattr(Life, "start", refuses)
    with pytest.raises(Wrong), living(tmp_path, Fate()):
        raise AssertionError("it opened")

    assert parts_in_use() == REAL


def test_a_story_whose_end_fails(tmp_path, monkeypatch):
    def story() -> None:
        with living(tmp_path, Fate()) as life:
            monkeypatch.setattr(life, "stop", refuses)
            life.daemon.close()

    with pytest.raises(Wrong):
        story()
    assert parts_in_use() == REAL
