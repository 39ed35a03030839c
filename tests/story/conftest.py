"""One office per story."""

import pytest

from tests.story.office import opened


@pytest.fixture
def office(tmp_path):
    with opened(tmp_path) as one:
        yield one
