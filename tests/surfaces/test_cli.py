"""The command line as a person or a script meets it: what is printed, and the exit code."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import weakref
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher.core.diagram import render_mermaid
from dispatcher.core.errors import AlreadyRunning, BadCredential, DispatcherError, QuotaSpent
from dispatcher.core.events import Dispatched
from dispatcher.core.guarding import BaseGuard
from dispatcher.core.model import Hold, HoldKind, ItemKey, LiveRun, Permission, Person, Role, Stage, Task
from dispatcher.core.rules import SandboxKind
from dispatcher.core.secrecy import know_secrets
from dispatcher.journal.store import SqlJournal
from dispatcher.ports import AgentTrial, Decided, Intake, Repo, RepoTrouble
from dispatcher.surfaces.cli import app
from dispatcher.surfaces.reference import render_command_reference

NOW = datetime.now(UTC)
SHOP = (
    '[repo.shop]\nowner = "acme"\nname = "shop"\n[agents]\nworker = "me"\nreviewer = "me"\nresponder = "me"\n'
)
AGENT = f"[agent.me]\nargv = [{json.dumps(sys.executable)}]\n"


class ForgeOffice:
    """The forge, as far as the command line talks to it."""

    def __init__(self):
        self.troubles = ()
        self.permission = Permission.WRITE
        self.error = None
        self.missing = ("bot", "needs-review")
        self.can_merge = False
        self.scopes = ("repo", "notifications")
        self.skew_s = 0

    def close(self):
        pass

    def fetch_time(self):
        return datetime.now(UTC) - timedelta(seconds=self.skew_s)

    def missing_labels(self, repo):
        return self.missing

    def fetch_identity(self):
        if self.error:
            raise self.error
        return Person(9, "robot", is_bot=True)

    def choose_intake(self):
        return Intake("lists", "a classic token sees notifications")

    def fetch_repos(self, rules):
        broken = {trouble.full_name for trouble in self.troubles}
        usable = [one for one in rules if one.full_name not in broken]
        return tuple(
            Repo(1, one.full_name, "main", one, self.permission, "https://forge.example/x.git")
            for one in usable
        ), self.troubles

    def fetch_base_guard(self, repo):
        return BaseGuard("main", can_push=False, can_merge=self.can_merge, why="kept by a ruleset")

    def create_labels(self, repo, also=()):
        created, self.missing = (*self.missing, *also), ()
        return created


@dataclass(frozen=True)
class Token:
    source: str
    is_fine_grained: bool = False


class Parts:
    """A real journal, and an office for a forge."""

    def __init__(self):
        self.forge = ForgeOffice()
        self.isolates = True
        self.sandbox_trouble = None
        self.group_trouble = ""
        self.engine_error = None
        self.ticks = 0
        self.ends = True
        self.were_ended = False
        self.was_closed = False
        self.trials = {}

    def open_journal(self, settings, *, read_only=False):
        settings.state_dir.mkdir(exist_ok=True)
        return SqlJournal(settings.journal_path, read_only=read_only)

    def connect_forge(self, settings, journal):
        return self.forge

    def find_credential(self, settings):
        return Token("environment variable GITHUB_TOKEN")

    def make_redactor(self, settings):
        return know_secrets(()).redact

    def build_engine(self, settings, *, log_to_stderr=True):
        if self.engine_error:
            raise self.engine_error
        return self

    def run(self):
        self.ticks += 10

    def once(self):
        self.ticks += 1

    def end_runs(self, patience_s):
        self.were_ended = True
        return self.ends

    def close(self):
        self.was_closed = True

    def find_group_trouble(self):
        return self.group_trouble

    def find_sandbox_trouble(self):
        return self.sandbox_trouble

    def can_isolate(self):
        return self.isolates

    def can_sandbox(self, kind):
        return self.isolates and kind is not SandboxKind.NONE

    def try_agent(self, settings, agent, *, live):
        config = settings.agents[agent]
        program = shutil.which(config.argv[0] if config.argv else config.kind) or ""
        usual = AgentTrial(agent, program, config.argv[0] if config.argv else config.kind)
        return self.trials.get(agent, usual) if live else usual


class Desk:
    """Runs commands in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.state_dir = folder / "state"
        self.config = folder / "config.toml"
        self.parts = Parts()

    def run(self, *arguments):
        return CliRunner().invoke(app, arguments, obj=self.parts)

    def ask(self, *arguments):
        result = self.run(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout)

    def journal(self):
        self.state_dir.mkdir(exist_ok=True)
        return SqlJournal(self.state_dir / "journal.sqlite3")

    def keep(self, *tasks):
        with self.journal() as journal:
            for task in tasks:
                journal.save_task(task)

    def orders(self):
        with self.journal() as journal:
            return [(order.name, order.argument) for order in journal.take_orders()]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DISPATCHER_CONFIG", "STATE_DIRECTORY", "DISPATCHER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("DISPATCHER_STATE_DIR", str(tmp_path / "state"))
    desk = Desk(tmp_path)
    desk.config.write_text(SHOP + AGENT)
    return desk


@pytest.fixture
def daemon(desk):
    """A process that holds the state folder's lock, as the dispatcher does, and dies of SIGTERM."""
    desk.state_dir.mkdir(exist_ok=True)
    code = (
        "import fcntl,os,signal,sys\n"
        "f=open(sys.argv[1],'w'); fcntl.flock(f, fcntl.LOCK_EX)\n"
        "f.write(f'pid {os.getpid()} on {sys.argv[2]} since noon'); f.flush()\n"
        "print('held', flush=True); signal.pause()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(desk.state_dir / "lock"), socket.gethostname()],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    yield holder
    holder.kill()
    holder.wait()
    holder.stdout.close()


def a_task(number=7, **facts):
    return replace(Task(key=ItemKey(1, number), repo="acme/shop", stage=Stage.QUEUED, title="Count"), **facts)


# ---------------------------------------------------------------- status


def test_status_before_anything_happened(desk):
    result = desk.run("status")
    assert result.exit_code == 0
    assert "not running" in result.stdout
    assert "No open tasks" in result.stdout


def test_status_without_a_configuration_says_where_it_looked(desk):
    desk.config.unlink()
    result = desk.run("status")
    assert result.exit_code == 2
    assert str(desk.folder / "config.toml") in result.stderr
    assert "dispatcher init" in result.stderr


def test_status_shows_tasks_with_their_holds(desk):
    now = datetime.now(UTC)
    until = now + timedelta(minutes=20)
    run = LiveRun("run-1", Role.REVIEWER, "codex", "abc", NOW)
    desk.keep(
        a_task(
            hold=Hold(HoldKind.COOLDOWN, "the cooldown", until), step_started_at=now - timedelta(minutes=9)
        ),
        a_task(8, stage=Stage.REVIEWING, run=run, pull=12, rounds=2),
        a_task(9, stage=Stage.BLOCKED, blocked_why="question: which\x1b[31m :bug: [red]colour?"),
    )
    with desk.journal() as journal:
        journal.save_cursor("intake", "lists: a classic token")
        journal.note(None, "the label wins", NOW)

    text = desk.run("status").stdout

    assert "acme/shop#7" in text
    assert "cooldown until" in text
    assert "9 min" in text
    assert re.search(r"acme/shop#8 \(PR #12\) +reviewing +2/5 .*run-1 +codex", text)
    assert "question: which :bug: [red]colour?" in text
    assert "\x1b" not in text
    assert "intake: lists: a classic token" in text
    assert "the label wins" in text


def test_status_in_json_is_complete(desk, daemon):
    desk.keep(a_task(hold=Hold(HoldKind.CAP, "one of 10 runs ending")))
    code, seen = desk.ask("status")
    assert code == 0
    assert seen["daemon"] == {
        "is_running": True,
        "holder": f"pid {daemon.pid} on {socket.gethostname()} since noon",
        "pid": daemon.pid,
    }
    (task,) = seen["tasks"]
    assert (task["name"], task["stage"]) == ("acme/shop#7", "queued")
    assert task["hold"] == {"kind": "cap", "ends_with": "one of 10 runs ending", "until": None}


def test_status_goes_on_while_the_configuration_is_broken(desk):
    desk.keep(a_task())
    desk.config.write_text("poll_intervall_s = 3\n" + SHOP)
    result = desk.run("status")
    assert result.exit_code == 0
    assert "unknown key `poll_intervall_s`; did you mean `poll_interval_s`?" in result.stdout
    assert "acme/shop#7" in result.stdout


def test_looking_changes_nothing(desk):
    desk.keep(a_task())
    with desk.journal() as journal:
        before = journal.data_version()
    desk.run("status")
    desk.run("explain", "acme/shop#7")
    with desk.journal() as journal:
        assert journal.data_version() == before
    assert not (desk.state_dir / "lock").exists()


def test_a_journal_that_cannot_be_read_needs_a_person(desk):
    desk.state_dir.mkdir()
    (desk.state_dir / "journal.sqlite3").write_text("this is no database " * 200)
    assert desk.run("status").exit_code == 3
    code, told = desk.ask("status")
    assert (code, told["exit_code"]) == (3, 3)
    assert "journal.sqlite3" in told["error"]


# ---------------------------------------------------------------- explain


def test_explain_says_why_what_it_cost_and_what_would_change_it(desk):
    until = NOW + timedelta(days=300)
    desk.keep(
        a_task(
            hold=Hold(HoldKind.COOLDOWN, "the cooldown", until), attempts=1, rounds=1, cost_usd=0.42, pull=12
        )
    )
    lines = desk.run("explain", "acme/shop#12").stdout.splitlines()
    assert lines[0].startswith("acme/shop#7 waits: cooldown until ")
    assert "re-dispatch after 30 min" in lines[0]
    assert "1 of 3 attempts used, 1 of 5 rounds, $0.42 of $5.00." in lines[0]
    assert lines[1] == 'To start it now: dispatcher retry acme/shop#7, or comment "@<the bot> retry".'


def test_explain_of_an_item_that_nobody_asked_for(desk):
    result = desk.run("explain", "acme/shop#99")
    assert result.exit_code == 0
    assert "nobody who may ask has put `bot` on it" in result.stdout


def test_explain_of_a_repository_that_is_not_configured(desk):
    code, told = desk.ask("explain", "acme/till#1")
    assert code == 0
    assert "acme/till is not in config.toml (repositories there: acme/shop)" in told["text"]


def test_explain_of_nonsense_is_a_usage_error(desk):
    result = desk.run("explain", "seven")
    assert result.exit_code == 2
    assert "write owner/repo#number" in result.stderr


# ---------------------------------------------------------------- logs


def test_logs_are_printed_without_what_moves_a_terminal(desk):
    folder = desk.state_dir / "runs" / "run-abc"
    folder.mkdir(parents=True)
    (folder / "agent.log").write_bytes(b"one\r\n\x1b[2Jtwo \xff\nthree")
    (folder / "exit.json").write_text("{}")
    result = desk.run("logs", "run-a")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["one", "two \ufffd", "three"]
    lines = [json.loads(line) for line in desk.run("logs", "run-abc", "--json").stdout.splitlines()]
    assert lines[0] == {"run": "run-abc", "line": "one"}


def test_logs_are_printed_without_secrets(desk):
    folder = desk.state_dir / "runs" / "run-abc"
    folder.mkdir(parents=True)
    token = "ghp_" + "a1B2c3D4e5" * 3 + "a1B2c3"
    event = {"at": 1.0, "type": "said", "text": f"it is {token}"}
    (folder / "agent.log").write_text(f"token {token} here\n")
    (folder / "events.jsonl").write_text(json.dumps(event) + "\n")
    (folder / "exit.json").write_text("{}")
    assert desk.run("logs", "run-abc", "--raw").stdout == "token [secret] here\n"
    for told in (desk.run("logs", "run-abc").stdout, desk.run("logs", "run-abc", "--json").stdout):
        assert "it is [secret]" in told


def test_what_a_run_asked_of_the_network_is_a_log_of_its_own(desk):
    folder = desk.state_dir / "runs" / "run-abc"
    folder.mkdir(parents=True)
    (folder / "net.log").write_text("at egress CONNECT evil.example:443: refused (403)\n")
    (folder / "exit.json").write_text("{}")
    assert (
        desk.run("logs", "run-abc", "--net").stdout == "at egress CONNECT evil.example:443: refused (403)\n"
    )
    assert desk.run("logs", "run-abc").stdout == ""


@pytest.mark.parametrize("wanted", ["nothing", "../../etc", "acme/shop#7", "*", "run-"])
def test_logs_of_a_run_that_is_not_there_or_not_clear(desk, wanted):
    for name in ("run-1", "run-2"):
        (desk.state_dir / "runs" / name).mkdir(parents=True)
    assert desk.run("logs", wanted).exit_code == 2


# ---------------------------------------------------------------- orders


def test_retry_leaves_an_order_for_the_daemon(desk):
    desk.keep(a_task(pull=12))
    code, said = desk.ask("retry", "https://forge.example/acme/shop/pull/12")
    assert (code, said["item"], said["daemon_is_running"]) == (0, "acme/shop#7", False)
    assert "waits until `dispatcher run`" in said["text"]
    assert desk.orders() == [("retry", "acme/shop#7")]


def test_orders_about_unknown_items_are_refused(desk):
    assert desk.run("retry", "acme/shop#7").exit_code == 2
    desk.keep(a_task(8))
    assert desk.run("stop", "acme/shop#7").exit_code == 2
    assert desk.orders() == []


def test_stop_signals_the_daemon_and_leaves_no_order_behind(desk, daemon):
    result = desk.run("stop")
    assert result.exit_code == 0
    assert daemon.wait(timeout=10) == -signal.SIGTERM
    assert "its runs go on" in result.stdout
    assert desk.orders() == []


def test_stop_kill_and_drain_are_orders(desk, daemon):
    assert desk.run("stop", "--kill").exit_code == 0
    assert desk.run("drain").exit_code == 0
    assert desk.orders() == [("kill", ""), ("drain", "")]
    assert daemon.poll() is None


@pytest.mark.parametrize("command", [("stop",), ("stop", "--kill"), ("drain",)])
def test_stopping_what_does_not_run_leaves_nothing_for_the_next_start(desk, command):
    result = desk.run(*command)
    assert result.exit_code == 0
    assert "No dispatcher is running" in result.stdout
    assert desk.orders() == []


@pytest.mark.parametrize(("ends", "code"), [(True, 0), (False, 3)])
def test_stop_kill_ends_what_a_dispatcher_that_is_gone_left_behind(desk, ends, code):
    run = LiveRun("run-1", Role.WORKER, "me", "", NOW)
    working = a_task(stage=Stage.WORKING, run=run)
    with desk.journal() as journal:
        journal.commit(
            Decided(
                working, Stage.QUEUED, Dispatched(run), "taken", "it was its turn", (), NOW, run_reserved=run
            )
        )
    desk.parts.ends = ends
    result = desk.run("stop", "--kill")
    assert (result.exit_code, desk.parts.were_ended, desk.parts.was_closed) == (code, True, True), (
        result.output
    )
    assert ("1 run(s) that it left were ended" in result.stdout) is ends
    assert ("run-1" in result.stderr) is not ends
    assert desk.orders() == []


# ---------------------------------------------------------------- init


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def test_init_finds_everything_out_by_itself(desk):
    desk.config.unlink()
    git(desk.folder, "init", "-q")
    git(desk.folder, "remote", "add", "origin", "https://me:secret@github.com/acme/shop.git")

    result = desk.run("init")

    assert result.exit_code == 0, result.stderr
    text = desk.config.read_text()
    assert '[repo.shop]\nowner = "acme"\nname = "shop"' in text
    assert "secret" not in text
    assert "The bot is @robot." in result.stdout
    assert "acme/shop: created bot, needs-review." in result.stdout
    assert desk.run("config", "check").exit_code == 0


def test_init_again_changes_no_file_and_creates_what_is_missing(desk):
    before = desk.config.read_text()
    code, done = desk.ask("init")
    assert (code, done["was_written"]) == (0, False)
    assert done["labels"] == [["acme/shop", ["bot", "needs-review"]]]
    assert desk.config.read_text() == before


def test_init_creates_a_label_for_each_of_several_agents(desk):
    with desk.config.open("a") as file:
        file.write('[agent.cheap]\nkind = "claude"\nmodel = "haiku"\n')
    _, done = desk.ask("init")
    assert done["labels"] == [["acme/shop", ["bot", "needs-review", "agent:cheap", "agent:me"]]]


def test_init_for_an_enterprise_server(desk):
    desk.config.unlink()
    git(desk.folder, "init", "-q")
    git(desk.folder, "remote", "add", "origin", "git@ghe.example:acme/shop.git")
    assert desk.run("init").exit_code == 0
    assert 'base_url = "https://ghe.example/api/v3"' in desk.config.read_text()


def test_init_without_a_repository_writes_nothing(desk):
    desk.config.unlink()
    result = desk.run("init")
    assert result.exit_code == 2
    assert "--repo owner/name" in result.stderr
    assert not desk.config.exists()


def test_init_without_a_token_keeps_the_file_and_says_what_is_left(desk):
    desk.config.unlink()
    desk.parts.forge.error = BadCredential("no GitHub token was found.", "Set DISPATCHER_GITHUB_TOKEN.")
    result = desk.run("init", "--repo", "acme/shop")
    assert result.exit_code == 3
    assert "Set DISPATCHER_GITHUB_TOKEN" in result.stdout
    assert desk.config.exists()


# ---------------------------------------------------------------- doctor


def verdicts(answer):
    return {finding["what"]: finding["verdict"] for finding in answer["findings"]}


def test_doctor_finds_nothing_wrong(desk):
    desk.parts.forge.missing = ()
    code, answer = desk.ask("doctor")
    assert code == 0, answer
    assert set(verdicts(answer).values()) == {"fine"}
    found = {finding["what"]: finding["found"] for finding in answer["findings"]}
    assert found["token"] == "from environment variable GITHUB_TOKEN, classic"
    assert found["bot"] == "@robot; scopes: repo, notifications"
    assert found["intake"] == "lists: a classic token sees notifications"


@pytest.mark.parametrize(
    ("table", "isolates", "verdict", "words"),
    [
        ("", True, "fine", "the agent's models and no other host, and no other route"),
        ('allow_hosts = "packages.example.com"', True, "fine", "models and packages.example.com"),
        ("", False, "odd", "everything: without a sandbox"),
        ('network = "allow-list"', False, "odd", "the list of hosts is an offer"),
        ('network = "allow-list"\nkind = "none"', True, "odd", "the list of hosts is an offer"),
        ('network = "off"', True, "fine", "nothing"),
        ('network = "off"', False, "bad", "needs a sandbox"),
        ('network = "on"', True, "odd", "this machine's own services included"),
    ],
)
def test_doctor_says_what_agents_reach_and_whether_they_are_held_to_it(desk, table, isolates, verdict, words):
    desk.config.write_text(f"{desk.config.read_text()}\n[sandbox]\n{table}\n")
    desk.parts.isolates = isolates
    _, answer = desk.ask("doctor")
    finding = next(one for one in answer["findings"] if one["what"].startswith("network of acme/shop"))
    assert (finding["verdict"], words in finding["found"]) == (verdict, True)


def test_doctor_tells_roles_apart_that_reach_different_things(desk):
    desk.config.write_text(
        f'{desk.config.read_text()}\n[sandbox]\nnetwork_by_role = {{ reviewer = "off" }}\n'
    )
    _, answer = desk.ask("doctor")
    said = {
        one["what"]: one["found"]
        for one in answer["findings"]
        if one["what"].startswith("network of acme/shop")
    }
    assert said["network of acme/shop (reviewer)"] == "nothing"
    assert len(said) == 2


def test_doctor_says_plainly_that_the_bot_could_merge_and_where_to_mend_it(desk):
    desk.parts.forge.missing, desk.parts.forge.can_merge = (), True
    code, answer = desk.ask("doctor")
    assert code == 0, "it is a warning: the repository may want it so"
    assert verdicts(answer)["base of acme/shop"] == "odd"
    (base,) = (finding for finding in answer["findings"] if finding["what"] == "base of acme/shop")
    assert "the bot could merge by itself" in base["found"]
    assert "https://forge.example/x/settings/rules/new" in base["cure"]


def test_doctor_needs_a_person_for_what_is_bad(desk):
    desk.config.write_text(desk.config.read_text().replace(json.dumps(sys.executable), '"no-such-agent"'))
    desk.parts.forge.permission = Permission.READ
    desk.parts.isolates = False
    desk.parts.forge.skew_s = 500
    code, answer = desk.ask("doctor")
    assert code == 3
    assert verdicts(answer)["agent me"] == "bad"
    assert verdicts(answer)["acme/shop"] == "bad"
    assert verdicts(answer)["isolation"] == "odd"
    assert verdicts(answer)["clock"] == "bad"


@pytest.mark.parametrize(
    ("why", "found"),
    [
        ("", "control groups (cgroup v2): the kernel bounds"),
        ("nobody gave us one", "resource limits on each process, and a count of the whole run every second; no control groups: nobody"),
    ],
)  # fmt: skip
def test_doctor_says_who_bounds_what_a_run_uses(desk, why, found):
    desk.parts.group_trouble = why
    _, answer = desk.ask("doctor")
    (bounds,) = (finding for finding in answer["findings"] if finding["what"] == "bounds")
    assert bounds["verdict"] == "fine"
    assert found in bounds["found"]


def test_doctor_says_why_no_sandbox_starts_and_who_goes_without(desk):
    desk.parts.sandbox_trouble = ("AppArmor says no", "Say yes.")
    _, answer = desk.ask("doctor")
    found = [
        (one["verdict"], one["found"], one["cure"]) for one in answer["findings"] if one["what"] == "sandbox"
    ]
    assert found[0] == ("odd", "it cannot be started: AppArmor says no", "Say yes.")
    assert found[1][1].startswith("acme/shop: worker, reviewer, responder, check run without a sandbox")
    desk.config.write_text(desk.config.read_text() + '\n[sandbox]\nkind = "bwrap"\n')
    code, answer = desk.ask("doctor")
    assert code == 3
    assert [one["verdict"] for one in answer["findings"] if one["what"] == "sandbox"] == ["bad"]


def test_doctor_says_which_labels_are_missing(desk):
    result = desk.run("doctor")
    assert result.exit_code == 3
    assert "bad   labels of acme/shop: missing: bot, needs-review" in result.stdout


def test_doctor_names_troubles_and_cures_for_people(desk):
    desk.parts.forge.troubles = (RepoTrouble("acme/shop", "it is gone or hidden from this token"),)
    result = desk.run("doctor")
    assert result.exit_code == 3
    assert "bad   acme/shop: it is gone or hidden from this token" in result.stdout


def test_doctor_without_a_token_still_tries_the_rest(desk):
    desk.parts.forge.error = BadCredential("no GitHub token was found.", "Set DISPATCHER_GITHUB_TOKEN.")
    code, answer = desk.ask("doctor")
    assert code == 3
    assert verdicts(answer)["forge"] == "bad"
    assert verdicts(answer)["git"] == "fine"


def test_doctor_during_an_outage_says_try_later(desk):
    desk.parts.forge.error = QuotaSpent("the quota is used up until noon.")
    code, answer = desk.ask("doctor")
    assert code == 4
    assert verdicts(answer)["forge"] == "later"


# ---------------------------------------------------------------- working


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_while_an_object_is_cleared_up_is_not_forgotten(desk):
    """What a handler raises there, Python prints and drops."""

    class Dying:
        pass

    def start(settings):
        dying = Dying()
        desk.parts.watcher = weakref.ref(dying, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        del dying
        return desk.parts

    desk.parts.build_engine = start
    ended = desk.run("run")
    assert (ended.exit_code, desk.parts.ticks, desk.parts.was_closed) == (0, 0, True)


def test_a_signal_that_comes_out_as_another_error_is_a_polite_end_all_the_same(desk):
    def start(settings):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            raise AssertionError from None

    desk.parts.build_engine = start
    assert (desk.run("run").exit_code, desk.parts.ticks) == (0, 0)


def test_an_error_without_a_signal_is_told(desk):
    desk.parts.build_engine = lambda settings: 1 / 0
    assert desk.run("run").exit_code == 1


def test_run_and_once_let_go_of_everything(desk):
    assert desk.run("once").exit_code == 0
    assert "Working for acme/shop" in desk.run("run").stdout
    assert desk.parts.ticks == 11
    assert desk.parts.was_closed


def test_a_token_that_is_refused_ends_the_command_at_once(desk):
    desk.parts.forge.error = BadCredential("GitHub refuses the token.", "Make a new one.")
    assert desk.run("run").exit_code == 3
    assert desk.run("once").exit_code == 3
    assert desk.parts.ticks == 0
    assert desk.parts.was_closed


def test_an_outage_at_the_start_is_waited_out_by_the_daemon_alone(desk):
    desk.parts.forge.error = QuotaSpent("the quota is used up.", NOW)
    assert desk.run("once").exit_code == 4
    assert desk.run("run").exit_code == 0
    assert desk.parts.ticks == 10


def test_a_second_dispatcher_is_refused(desk):
    desk.parts.engine_error = AlreadyRunning("the lock is held by pid 12.", "Stop it with `dispatcher stop`.")
    result = desk.run("run")
    assert result.exit_code == 3
    assert "dispatcher stop" in result.stderr


# ---------------------------------------------------------------- configuration


def test_config_check_says_everything_at_once(desk):
    desk.config.write_text("poll_intervall_s = 3\n[limits]\nworker_minutes = 0\n" + SHOP + AGENT)
    result = desk.run("config", "check")
    assert result.exit_code == 2
    sentences = [
        "config.toml: unknown key `poll_intervall_s`; did you mean `poll_interval_s`? (line 1)",
        "config.toml: [limits] worker_minutes = 0, but it must be 1 or more (line 3)",
    ]
    assert result.stderr.splitlines() == sentences
    code, told = desk.ask("config", "check")
    assert (code, told["problems"]) == (2, sentences)


def test_config_show_and_schema(desk):
    code, shown = desk.ask("config", "show")
    assert (code, shown["poll_interval_s"]) == (0, 15)
    assert "poll_interval_s = 15" in desk.run("config", "show").stdout
    assert json.loads(desk.run("config", "schema").stdout)["title"] == "dispatcher configuration"


def test_another_file_can_be_named(desk):
    other = desk.folder / "other.toml"
    other.write_text('repo = "acme/till"')
    assert "acme/till" in desk.run("config", "check", "--config", str(other)).stdout


def test_the_diagram_is_the_one_of_the_rules(desk):
    drawn = render_mermaid()
    assert desk.run("diagram").stdout == drawn.rstrip("\n") + "\n"
    assert desk.ask("diagram") == (0, {"mermaid": drawn})


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AlreadyRunning("it is held by pid 12."), 3),
        (BadCredential("the token was refused."), 3),
        (QuotaSpent("the quota is used up.", NOW), 4),
        (DispatcherError("odd."), 1),
        (RuntimeError("a bug"), 1),
    ],
)
def test_errors_become_exit_codes_in_one_place(desk, error, code):
    desk.parts.forge.error = error
    result = desk.run("init")
    assert result.exit_code == code
    assert str(error) in result.stderr
    assert result.stdout == ""


def test_a_command_line_that_makes_no_sense(desk):
    assert desk.run("statsu").exit_code == 2
    assert desk.run("status", "--nonsense").exit_code == 2
    assert desk.run("--help").exit_code == 0


def test_every_command_answers_in_json():
    from typer.main import get_command

    def commands(group):
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else (command,)

    for command in commands(get_command(app)):
        assert "--json" in [option for parameter in command.params for option in parameter.opts], command.name


def test_the_reference_names_every_command_and_option():
    page = render_command_reference()
    assert "## `dispatcher explain OWNER/REPO#N`" in page
    assert "## `dispatcher config check`" in page
    assert "| `--watch`, `-w` | Stay, and show every change. |" in page
    assert "| 3 | a person is needed |" in page


def test_a_reader_that_goes_away_is_no_error(desk):
    (desk.state_dir / "runs" / "run-1").mkdir(parents=True)
    (desk.state_dir / "runs" / "run-1" / "agent.log").write_text("x" * 100 + "\n" * 100_000)
    answer = real("logs", "run-1", stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=desk.folder)
    answer.stdout.close()
    assert answer.stderr.read() == b""
    answer.stderr.close()
    assert answer.wait() == 0


def real(*arguments, **options):
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    program = "from dispatcher.surfaces.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", program, *arguments], env=environ, **options)


def test_status_stays_and_watches_until_ctrl_c(desk):
    desk.keep(a_task())
    terminal, inside = os.openpty()
    watching = real("status", "--watch", cwd=desk.folder, stdout=inside, stderr=inside)
    os.close(inside)
    seen = b""
    while b"acme/shop#7" not in seen:
        seen += os.read(terminal, 10_000)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=30) == 0
    os.close(terminal)


def test_watching_and_json_exclude_each_other(desk):
    assert desk.run("status", "--watch", "--json").exit_code == 2


def test_the_real_program(desk):
    """One real process: the entry point, the exit code, both streams."""
    desk.config.write_text("[forge\n")
    answer = real(
        "config", "check", cwd=desk.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    printed, told = answer.communicate()
    assert answer.returncode == 2
    assert printed == ""
    assert told.startswith("config.toml: line 1, column 7")
