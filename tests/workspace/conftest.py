"""Every test gets a shop of its own."""

import pytest

from tests.workspace.shop import Shop


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)
