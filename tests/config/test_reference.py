"""What is in force, as `config show` prints it."""

import tomllib

from dispatcher.config.reference import show_config
from dispatcher.config.toml import render_toml


def test_show_fills_defaults_in_and_withholds_the_environment(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        """
        [limits]
        rounds = 2
        [agent.claude.env]
        ANTHROPIC_API_KEY = "sk-secret"
        [repo.shop]
        repo = "acme/shop"
        [repo.shop.limits]
        attempts = 9
        """
    )

    shown = show_config(file, {"DISPATCHER_STATE_DIR": str(tmp_path)})

    limits = shown["repo"]["shop"]["limits"]
    assert (limits["rounds"], limits["attempts"], limits["worker_minutes"]) == (2, 9, 60)
    assert shown["agent"]["claude"]["env"] == {"ANTHROPIC_API_KEY": "(not shown)"}
    assert shown["paths"]["state_dir"] == str(tmp_path)
    assert tomllib.loads(render_toml(shown)) == shown


def test_toml_of_odd_texts_reads_back():
    tables = {
        "a b": 'quote " back\\slash \n \x1b é',
        "list": ["x", 1, True],
        "t": {"u": {"v": {"w": {}}}, "n": 1.5},
    }
    assert tomllib.loads(render_toml(tables)) == tables
