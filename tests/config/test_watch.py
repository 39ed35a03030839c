"""The configuration changes while the daemon runs."""

import pytest

from dispatcher.config.watch import ConfigFile
from dispatcher.core.errors import BadConfig

SHOP = '[repo.shop]\nowner = "acme"\nname = "shop"\n'


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(SHOP)
    return file


def test_a_good_edit_is_taken_over(file):
    config = ConfigFile(file, {})
    assert not config.reload()

    file.write_text(f"sweep_s = 60\n{SHOP}")

    assert config.reload()
    assert config.settings.sweep_s == 60
    assert config.problem == ""
    assert not config.reload()


def test_an_edit_of_the_same_size_within_a_moment_is_seen(file):
    file.write_text(f"sweep_s = 60\n{SHOP}")
    config = ConfigFile(file, {})
    file.write_text(f"sweep_s = 61\n{SHOP}")
    assert config.reload()
    assert config.settings.sweep_s == 61


def test_a_bad_edit_keeps_the_last_good_one_and_says_so(file):
    config = ConfigFile(file, {})
    good = config.settings

    file.write_text(f"sweep_s = 0\n{SHOP}")

    assert not config.reload()
    assert config.settings is good
    assert config.problem == (
        "config.toml: sweep_s = 0, but it must be 1 or more (line 1)\nThe last good settings stay in force."
    )
    assert not config.reload()
    assert config.problem

    file.write_text(SHOP)
    config.reload()
    assert config.problem == ""


def test_a_file_that_vanishes_for_a_moment(file):
    config = ConfigFile(file, {})
    file.unlink()
    assert not config.reload()
    assert "there is no such file" in config.problem
    file.write_text(SHOP)
    assert not config.reload()
    assert config.problem == ""


def test_what_needs_a_restart_is_told_and_the_rest_is_taken_over(file, tmp_path):
    config = ConfigFile(file, {"DISPATCHER_STATE_DIR": ""})
    before = config.settings

    file.write_text(f'sweep_s = 60\n[paths]\nstate_dir = "{tmp_path}"\n[forge]\nbot_login = "robot"\n{SHOP}')

    assert config.reload()
    assert config.settings.sweep_s == 60
    assert (config.settings.state_dir, config.settings.bot_login) == (before.state_dir, "")
    assert (
        config.problem == "config.toml: paths.state_dir, forge.bot_login changed: in force after a restart."
    )


def test_the_first_reading_must_succeed(file):
    file.write_text("sweep_s = 0")
    with pytest.raises(BadConfig):
        ConfigFile(file, {})
