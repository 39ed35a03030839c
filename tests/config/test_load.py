"""From a file to settings: shorthands, defaults, overrides, paths."""

from pathlib import Path

import pytest

from dispatcher.config import find_config, load_settings
from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import CI_PATHS, HarvestLimits, LabelNames, Limits, NetworkAccess, PromptDelivery


@pytest.fixture
def load(tmp_path):
    def load(text, **environ):
        file = tmp_path / "config.toml"
        file.write_text(text, "utf-8")
        return load_settings(file, {"DISPATCHER_STATE_DIR": str(tmp_path / "state"), **environ})

    return load


SHOP = '[repo.shop]\nowner = "acme"\nname = "shop"\n'


def test_one_repository_is_enough_and_the_rest_is_the_specification(load):
    settings = load(SHOP)

    assert (settings.poll_interval_s, settings.list_poll_interval_s, settings.sweep_s) == (15, 120, 1800)
    (shop,) = settings.repos
    assert shop.limits == Limits()
    assert shop.labels == LabelNames()
    assert shop.protected_paths == (".github/workflows/**",)
    assert {shop.agents_for(role) for role in ("worker", "reviewer", "responder")} == {("claude",)}
    assert settings.agents["claude"].kind == "claude"


def test_what_a_run_may_add_is_set_for_all_and_for_one_repository(load):
    shop, till = load(
        """
        [harvest]
        commits = 20
        file_kilobytes = 300
        [repo.shop]
        repo = "acme/shop"
        [repo.shop.harvest]
        files = 7
        [repo.till]
        repo = "acme/till"
        ci_paths = []
        """
    ).repos
    assert (shop.harvest.commits, shop.harvest.files, shop.harvest.file_bytes) == (20, 7, 300_000)
    assert till.harvest.files == HarvestLimits().files
    assert (shop.ci_paths, till.ci_paths) == (CI_PATHS, ())


@pytest.mark.parametrize(
    "text",
    [
        'repo = "acme/shop"',
        '[repo]\nowner = "acme"\nname = "shop"',
        '[repo]\nrepo = "acme/shop"',
        '[repo.shop]\nrepo = "acme/shop"',
        '[repo.shop]\nowner = "acme"\nname = "shop"',
    ],
)
def test_every_shorthand_names_the_same_repository(load, text):
    (shop,) = load(text).repos
    assert (shop.id_name, shop.full_name) == ("shop", "acme/shop")


def test_the_lone_table_may_have_tables_of_its_own(load):
    (shop,) = load('[repo]\nowner = "acme"\nname = "shop"\n[repo.limits]\nworker_minutes = 5').repos
    assert shop.limits.worker_s == 300


def test_a_repository_differs_only_where_it_says_so(load):
    settings = load(
        """
        [limits]
        worker_minutes = 90
        rounds = 2
        [labels]
        turn = "robot"
        [labels.colours]
        turn = "AABBCC"
        [agents]
        reviewer = "codex"
        [repo.shop]
        repo = "acme/shop"
        [repo.shop.limits]
        rounds = 7
        [repo.shop.labels]
        needs_human = "help"
        [repo.shop.agents]
        worker = ["codex", "claude"]
        [repo.till]
        repo = "acme/till"
        """
    )

    shop, till = settings.repos
    assert (shop.limits.worker_s, shop.limits.rounds) == (5400, 7)
    assert (till.limits.worker_s, till.limits.rounds) == (5400, 2)
    assert (shop.labels.turn, shop.labels.needs_human) == ("robot", "help")
    assert (till.labels.turn, till.labels.needs_human) == ("robot", "needs-human")
    assert dict(shop.labels.colours)["turn"] == "aabbcc"
    assert dict(shop.agents) == {
        "worker": ("codex", "claude"),
        "reviewer": ("codex",),
        "responder": ("claude",),
    }


def test_what_runs_reach_of_the_network_is_said_for_all_and_for_one_repository(load):
    settings = load(
        """
        [sandbox]
        network = "allow-list"
        allow_hosts = "packages.example.com"
        [repo.shop]
        repo = "acme/shop"
        forge_proxy = true
        [repo.shop.sandbox]
        allow_hosts = ["*.example.org:8443", "10.1.2.0/24"]
        keys_outside = false
        [repo.shop.limits]
        forge_reads = 20
        forge_reads_per_minute = 5
        [repo.till]
        repo = "acme/till"
        """
    )
    shop, till = settings.repos
    assert shop.sandbox.allow_hosts == ("*.example.org:8443", "10.1.2.0/24")
    assert till.sandbox.allow_hosts == ("packages.example.com",)
    assert (shop.sandbox.keys_outside, till.sandbox.keys_outside) == (False, True)
    assert shop.sandbox.network is till.sandbox.network is NetworkAccess.ALLOW_LIST
    assert (shop.forge_proxy, till.forge_proxy) == (True, False)
    assert (shop.limits.forge_reads, shop.limits.forge_reads_per_minute) == (20, 5)


def test_two_owners_may_have_a_repository_of_one_name(load):
    names = [
        repo.full_name for repo in load('[repo.a]\nrepo = "acme/shop"\n[repo.b]\nrepo = "evil/shop"').repos
    ]
    assert names == ["acme/shop", "evil/shop"]


@pytest.mark.parametrize(
    ("check", "argv", "is_off"),
    [
        ('"make check"', ("make", "check"), False),
        ('"make lint && make test"', ("sh", "-c", "make lint && make test"), False),
        ('"CI=1 make"', ("sh", "-c", "CI=1 make"), False),
        ('["pytest", "-k", "a b"]', ("pytest", "-k", "a b"), False),
        ('"off"', (), True),
        ('""', (), False),
    ],
)
def test_a_check_is_a_line_or_a_list(load, check, argv, is_off):
    (shop,) = load(f"{SHOP}check = {check}").repos
    assert (shop.check, shop.check_is_off) == (argv, is_off)


def test_an_agent_of_ones_own(load):
    settings = load(
        f"""{SHOP}
        agents = {{ worker = "mine" }}
        [agent.mine]
        argv = ["my-agent", "{{prompt_file}}"]
        prompt = "file"
        env = {{ B = "2", A = "1" }}
        pass_env = ["MY_KEY"]
        """
    )

    mine = settings.agents["mine"]
    assert (mine.kind, mine.prompt, mine.argv) == (
        "command",
        PromptDelivery.FILE,
        ("my-agent", "{prompt_file}"),
    )
    assert (mine.env, mine.pass_env) == ((("A", "1"), ("B", "2")), ("MY_KEY",))


def test_a_list_of_one_may_be_written_as_text(load):
    (shop,) = load(f'{SHOP}allowed_users = "@acme/makers"\nprotected_paths = "ci/**"').repos
    assert (shop.allowed_users, shop.protected_paths) == (("@acme/makers",), ("ci/**",))


def test_caps_by_role(load):
    assert load("caps = { per_role = { reviewer = 2 } }\n" + SHOP).caps.per_role == (("reviewer", 2),)


def test_paths_start_at_the_files_folder_and_the_environment_wins(tmp_path, load):
    text = f'[paths]\nstate_dir = "here"\nprompts_dir = "mine"\n[forge]\ntoken_file = "token"\n{SHOP}'

    assert load(text, DISPATCHER_STATE_DIR="").state_dir == tmp_path / "here"
    assert load(text).state_dir == tmp_path / "state"
    assert load(text, DISPATCHER_STATE_DIR="", STATE_DIRECTORY="/srv/one:/srv/two").state_dir == Path(
        "/srv/one"
    )
    assert load(text).prompts_dir == tmp_path / "mine"
    assert load(text).token.token_file == tmp_path / "token"
    assert load(text, DISPATCHER_TOKEN_FILE="/elsewhere").token.token_file == Path("/elsewhere")


def test_without_a_word_the_state_is_in_the_platforms_folder(load, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    settings = load(SHOP, DISPATCHER_STATE_DIR="")
    assert settings.state_dir == tmp_path / "xdg" / "dispatcher"
    assert settings.journal_path == tmp_path / "xdg" / "dispatcher" / "journal.sqlite3"


def test_a_repository_is_found_by_name_whatever_the_case(load):
    settings = load(SHOP)
    assert settings.repo_named("Acme/SHOP") is settings.repos[0]
    assert settings.repo_named("acme/till") is None


def test_the_file_is_found_here_then_in_the_platforms_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))

    with pytest.raises(BadConfig) as caught:
        find_config({})
    assert str(tmp_path / "config.toml") in str(caught.value)
    assert str(tmp_path / "xdg" / "dispatcher" / "config.toml") in str(caught.value)
    assert "`dispatcher init` writes one" in str(caught.value)

    far = tmp_path / "xdg" / "dispatcher" / "config.toml"
    far.parent.mkdir(parents=True)
    far.touch()
    assert find_config({}) == far
    near = tmp_path / "config.toml"
    near.touch()
    assert find_config({}) == near
    assert find_config({"DISPATCHER_CONFIG": str(far)}) == far


def test_how_long_things_stay_on_the_disk(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        'repo = "acme/shop"\n[housekeeping]\nkeep_runs_days = 2\nmax_runs_gb = 3\nkeep_decisions_days = 5\n'
    )
    keep = load_settings(file, {}).keep
    assert (keep.runs_s, keep.runs_bytes, keep.decisions_s) == (2 * 86_400, 3_000_000_000, 5 * 86_400)
