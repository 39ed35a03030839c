"""The real daemon, killed for real, again and again."""

import pytest

from tests.crash.real import kill_again_and_again


@pytest.mark.long
def test_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path):
    told = kill_again_and_again(tmp_path, rounds=5, seed=1)

    assert told.tasks == 5
    assert told.lost == ()
    assert told.doubled == ()
