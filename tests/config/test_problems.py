"""What a person reads when the configuration is wrong."""

import pytest

from dispatcher.config import ConfigProblems, load_settings
from dispatcher.core.errors import BadConfig

SHOP = '[repo.shop]\nowner = "acme"\nname = "shop"\n'


@pytest.fixture
def problems(tmp_path):
    """The sentences about a text, without the part that every one begins with."""

    def problems(text):
        file = tmp_path / "config.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(BadConfig) as caught:
            load_settings(file, {})
        assert str(file.name) in str(caught.value)
        if isinstance(caught.value, ConfigProblems):
            assert all(line.startswith("config.toml: ") for line in caught.value.problems)
        return [line.removeprefix("config.toml: ") for line in str(caught.value).splitlines()]

    return problems


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "poll_intervall_s = 3\n",
            "unknown key `poll_intervall_s`; did you mean `poll_interval_s`? (line 1)",
        ),
        ("[limits]\nworker_minutes = 0\n", "[limits] worker_minutes = 0, but it must be 1 or more (line 2)"),
        ("[limits]\nrounds = 2.5\n", "[limits] rounds = 2.5, but it must be a whole number (line 2)"),
        ('[limits]\nrounds = "2"\n', '[limits] rounds = "2", but it must be a whole number (line 2)'),
        ("[limits]\nrounds = true\n", "[limits] rounds = true, but it must be a whole number (line 2)"),
        (
            "[limits]\nrounds = 99999999999999999999\n",
            "[limits] rounds = 99999999999999999999, but it must be 1000000 or less (line 2)",
        ),
        ("[forge]\ntimeout_s = nan\n", "[forge] timeout_s = NaN, but it must be a finite number (line 2)"),
        ("limits = 3\n", "limits = 3, but it must be a table (line 1)"),
        (
            "[forge]\npoll_interval_s = 3\n",
            "unknown key `poll_interval_s` in [forge]; it belongs into the top of the file, before the first [table] (line 2)",
        ),
        ("attempts = 3\n", "unknown key `attempts`; it belongs into [limits] (line 1)"),
        ('[forge]\nuse_gh = "no"\n', '[forge] use_gh = "no", but it must be true or false (line 2)'),
        (
            '[forge]\nbase_url = "http://ghe.example/api/v3"\n',
            '[forge] base_url = "http://ghe.example/api/v3", but it must be https; plain http is for this machine only (line 2)',
        ),
        (
            '[sandbox]\nallow_hosts = ["https://packages.example.com/x"]\n',
            (
                '[sandbox] allow_hosts = "https://packages.example.com/x", but it must be a host such as example.com, '
                "*.example.com:8443, localhost:11434 or 10.1.2.0/24 (line 2)"
            ),
        ),
        (
            '[agents]\nworker = "cluade"\n',
            '[agents] worker names the agent "cluade", but there is none; did you mean "claude"? (line 2)',
        ),
        (
            '[agents]\nworker = "zzz"\n',
            '[agents] worker names the agent "zzz", but there is none; add [agent.zzz], or use aider, claude, codex, copilot, gemini, mini-swe-agent, opencode (line 2)',
        ),
        (
            "[agents]\nworker = []\n",
            "[agents] worker = [], but it must be the name of at least one agent (line 2)",
        ),
        (
            "[agent.mine]\n",
            '[agent.mine] is a `command` without argv; add argv = ["my-agent"] or another kind (line 1)',
        ),
        (
            '[agent.mine]\nkind = "clade"\n',
            '[agent.mine] kind = "clade", but it must be one of command, claude, codex, opencode, gemini, copilot, aider, mini-swe-agent; did you mean "claude"? (line 2)',
        ),
        (
            '[agent.claude]\npass_env = ["GITHUB_TOKEN"]\n',
            "[agent.claude] must be without GITHUB_TOKEN in `env` and `pass_env`: "  # noqa: ISC004
            "agents never get the forge's credentials (line 1)",
        ),
        (
            '[labels]\nneeds_review = "BOT"\n',
            '[labels] needs_review = "BOT", but it must differ from turn (line 2)',
        ),
        (
            '[labels.colours]\nturn = "#fff"\n',
            '[labels.colours] turn = "#fff", but it must be six hex digits, like "0e8a16" (line 2)',
        ),
        (
            "[caps.per_role]\nreviwer = 2\n",
            '[caps.per_role] reviwer = "reviwer", but it must be "worker", "reviewer" or "responder" (line 2)',
        ),
    ],
)
def test_each_problem_names_key_value_cure_and_line(problems, text, sentence):
    assert problems(f"{text}{SHOP}") == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'no repository is named; add [repo.shop] with owner = "acme" and name = "shop"'),
        ('[repo.shop]\nname = "shop"\n', '[repo.shop] has no `owner`; add owner = "..." (line 1)'),
        ('[repo]\nname = "shop"\n', '[repo] has no `owner`; add owner = "..." (line 1)'),
        (
            '[repo.shop]\nowner = "acme/shop"\nname = "shop"\n',
            '[repo.shop] owner = "acme/shop", but it must be the login of a user or organisation, '  # noqa: ISC004
            "without the repository (line 2)",
        ),
        (
            f"{SHOP}reviewer = []\n",
            "unknown key `reviewer` in [repo.shop]; did you mean `reviewers`? (line 4)",
        ),
        (f"{SHOP}trigger_regex = '('\n", None),
        (f'{SHOP}allowed_users = ["ok", "not ok"]\n', None),
        (f'{SHOP}check = "make \'check"\n', None),
        ("repo = 3\n", 'repo = 3, but it must be a table such as [repo.shop], or "owner/name" (line 1)'),
        ('repo = "acme"\n', '[repo] repo = "acme", but it must be "owner/name" (line 1)'),
        ("[repo.a]\nrepo = 3\n", '[repo.a] repo = 3, but it must be "owner/name" (line 2)'),
        (
            '[repo.a]\nrepo = "acme/shop"\nowner = "acme"\n',
            "[repo.a] repo says owner and name at once; keep it, or owner and name (line 2)",
        ),
        (
            '[repo]\nrepo = "acme/shop"\n[repo.till]\nrepo = "acme/till"\n',
            "[repo] stands for a single repository, so [repo.till] cannot be; name the first one, too: [repo.<id>] (line 3)",
        ),
        (
            '[repo.a]\nrepo = "acme/shop"\n[repo.b]\nrepo = "Acme/Shop"\n',
            "[repo.b] names Acme/Shop, as [repo.a] does already; keep one of them (line 3)",
        ),
    ],
)
def test_repositories(problems, text, sentence):
    (said,) = problems(text)
    assert sentence is None or said == sentence
    assert "[repo" in said or text == "repo = 3\n"


def test_everything_is_said_at_once_in_the_order_of_the_file(problems):
    said = problems(
        """
poll_interval_s = "often"
sweeps = 1
[limits]
worker_minutes = 0
[agents]
reviewer = "codx"
[repo.a]
repo = "acme/shop"
[repo.b]
repo = "acme/shop"
"""
    )
    assert [line.rsplit("(line ")[1].rstrip(")") for line in said] == ["2", "3", "5", "7", "10"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("poll_interval_s = \n", ["line 1, column 19", "invalid value"]),
        ("[forge]\nbot_login = shop\n", ["line 2, column 13", 'text needs quotes: bot_login = "..."']),
        ("[forge\n", ["line 1, column 7"]),
        ("a = 1\na = 2\n", ["line 2", "overwrite"]),
        ('a = """\n', ["the end of the file"]),
        ("a = " + "[" * 5000, ["nested too deep"]),
        (b"a = 1\nb = '\xff'\n", ["line 2 is not UTF-8"]),
        (b"a" * 1_000_001, ["larger than 1,000,000 bytes"]),
    ],
)
def test_a_broken_file_says_where(problems, text, parts):
    (said,) = problems(text)
    assert all(part in said for part in parts), said


def test_a_byte_order_mark_is_no_problem(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SHOP.encode())
    assert load_settings(file, {}).repos[0].full_name == "acme/shop"


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(BadConfig, match="`dispatcher init` writes one"):
        load_settings(tmp_path / "none.toml", {})
    with pytest.raises(BadConfig, match="cannot be read"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize(
    "text",
    [
        '[forge]\ntoken_file = "ghp_SECRETSECRETSECRET"\n',
        'token = "ghp_SECRETSECRETSECRET"\n',
        '[forge]\nbase_url = "https://me:SECRET@ghe.example/api/v3"\n',
        '[agent.claude.env]\nANTHROPIC_API_KEY = ["SECRET"]\n',
        "[forge]\ntoken_file = ghp_SECRETSECRETSECRET\n",
    ],
)
def test_a_secret_is_never_repeated(problems, text):
    assert "SECRET" not in "\n".join(problems(f"{text}{SHOP}"))


def test_keys_inside_texts_of_several_lines_do_not_confuse_the_line(problems):
    text = f'{SHOP}trigger_regex = """\nbase = 1\n[limits]\n"""\nbase = 3\n'
    (said,) = problems(text)
    assert said == "[repo.shop] base = 3, but it must be text in quotes (line 8)"
