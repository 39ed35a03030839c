"""What an agent finds in its environment, and how its prompt reaches it."""

import shlex
import sys
from dataclasses import replace

import pytest

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import AgentConfig, NetworkAccess, PromptDelivery
from tests.runs.conftest import Desk

SECRETS = {
    "GH_TOKEN": "ghp_secret",
    "GITHUB_TOKEN": "ghp_secret",
    "DISPATCHER_GITHUB_TOKEN": "ghp_secret",
    "SSH_AUTH_SOCK": "/run/agent-secret.sock",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "LD_PRELOAD": "/secret.so",
}


def variables_of(desk: Desk) -> dict[str, str]:
    desk.script({"print_environment": True})
    lines = desk.log(desk.finished().run_id).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_an_agent_sees_an_allow_list_and_no_secret(any_desk: Desk) -> None:
    any_desk.sandbox = replace(any_desk.sandbox, network=NetworkAccess.ON)
    any_desk.host |= SECRETS | {
        "HOME": "/home/ann",
        "HTTPS_PROXY": "http://proxy.invalid",
        "DISPATCHER_STATE_DIR": "/secret",
    }
    seen = variables_of(any_desk)
    assert "secret" not in str(seen)
    assert seen["HTTPS_PROXY"] == "http://proxy.invalid"
    assert set(seen) - {"LC_CTYPE", "PWD"} == {
        "DISPATCHER_RUN_DIR",
        "DISPATCHER_RUN_ID",
        "DISPATCHER_RUN_MARK",
        "GIT_AUTHOR_EMAIL",
        "GIT_AUTHOR_NAME",
        "GIT_CEILING_DIRECTORIES",
        "GIT_COMMITTER_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_EDITOR",
        "GIT_PAGER",
        "GIT_TERMINAL_PROMPT",
        "HOME",
        "HTTPS_PROXY",
        "LANG",
        "PAGER",
        "PATH",
        "SHELL",
        "TERM",
        "TMPDIR",
    }


def test_home_and_temporary_folder_are_the_runs_own(desk: Desk) -> None:
    seen = variables_of(desk)
    folder = desk.folder(seen["DISPATCHER_RUN_ID"])
    assert (seen["HOME"], seen["TMPDIR"]) == (str(folder.home), str(folder.tmp))
    assert seen["GIT_AUTHOR_NAME"] == "shop-bot"


def test_an_agent_gets_what_its_configuration_names(desk: Desk) -> None:
    desk.host |= {"MODEL_KEY": "k-123", "OTHER": "x"}
    desk.config = replace(desk.config, env=(("MODE", "careful"),), pass_env=("MODEL_KEY", "NOT_SET"))
    seen = variables_of(desk)
    assert (seen["MODE"], seen["MODEL_KEY"]) == ("careful", "k-123")
    assert "OTHER" not in seen
    assert "NOT_SET" not in seen


def test_a_key_of_the_agent_is_written_to_no_file_and_not_given_to_git(desk: Desk) -> None:
    desk.host |= {"MODEL_KEY": "k-123-very-secret"}
    desk.config = replace(desk.config, pass_env=("MODEL_KEY",))
    desk.shell(
        "echo new > new.txt; git config filter.spy.clean 'sh -c \"env >> ../tmp/seen; cat\"'; echo '*.txt filter=spy' > .git/info/attributes"
    )
    folder = desk.folder(desk.finished().run_id)
    seen = (folder.tmp / "seen").read_text()
    assert "DISPATCHER_RUN_ID" in seen
    assert not [
        path
        for path in folder.path.rglob("*")
        if path.is_file() and b"k-123-very-secret" in path.read_bytes()
    ]


@pytest.mark.parametrize("name", ["GH_TOKEN", "GITHUB_TOKEN", "DISPATCHER_GITHUB_TOKEN", "SSH_AUTH_SOCK"])
def test_no_configuration_can_hand_out_a_forge_credential(desk: Desk, name: str) -> None:
    desk.config = replace(desk.config, pass_env=(name,))
    with pytest.raises(BadConfig, match=rf"\[agents.agent\] pass_env names {name}"):
        desk.prepared()
    desk.config = replace(desk.config, pass_env=(), env=((name, "x"),))
    with pytest.raises(BadConfig, match=rf"env names {name}"):
        desk.prepared()


def test_programs_are_not_looked_for_in_the_checkout(desk: Desk) -> None:
    desk.host["PATH"] = ":.:" + desk.host["PATH"]
    assert not {"", "."} & set(variables_of(desk)["PATH"].split(":"))


LONG = "ä line of a long issue\n" * 15_000
COUNT = [sys.executable, "-I", "-c"]


def test_a_long_prompt_arrives_whole_by_every_way(any_desk: Desk) -> None:
    any_desk.context["told"] = [LONG[:60_000]] * 6
    read_file = "import sys, pathlib; print(pathlib.Path(sys.argv[1]).read_text().count('long issue'))"
    ways = {
        PromptDelivery.STDIN: (*COUNT, "import sys; print(sys.stdin.read().count('long issue'))"),
        PromptDelivery.FILE: (*COUNT, read_file),
    }
    counts = set()
    for delivery, argv in ways.items():
        any_desk.config = replace(any_desk.config, prompt=delivery, argv=argv)
        counts.add(any_desk.log(any_desk.finished().run_id))
    assert len(counts) == 1
    assert int(counts.pop()) > 15_000


def test_a_short_prompt_is_an_argument(desk: Desk) -> None:
    desk.config = AgentConfig(
        "agent",
        "command",
        (*COUNT, "import sys; print(sys.argv[1:])", "--ask={prompt}"),
        PromptDelivery.ARGUMENT,
    )
    assert desk.log(desk.finished().run_id).startswith("['--ask=# Task: acme/shop#7")


def test_a_prompt_that_is_too_long_for_an_argument_becomes_a_pointer(desk: Desk) -> None:
    desk.context["told"] = [LONG[:60_000]] * 6
    desk.config = AgentConfig(
        "agent", "command", (*COUNT, "import sys; print(sys.argv[1:])"), PromptDelivery.ARGUMENT
    )
    run_id = desk.finished().run_id
    assert desk.log(run_id).startswith(
        f"['Your task is in the file {shlex.quote(str(desk.folder(run_id).prompt))}."
    )


def test_an_agent_that_gets_no_stdin_finds_it_empty(desk: Desk) -> None:
    desk.config = AgentConfig(
        "agent", "command", ("/bin/sh", "-c", "wc -c; echo $0", "{prompt_file}"), PromptDelivery.FILE
    )
    run_id = desk.finished().run_id
    assert desk.log(run_id) == f"0\n{desk.folder(run_id).prompt}\n"


def test_places_in_an_argv_are_filled_in_once(desk: Desk) -> None:
    desk.context["title"] = "{out}"
    desk.config = AgentConfig(
        "agent",
        "command",
        ("/bin/echo", "{checkout}", "{out}", "{run_dir}", "{model}", "{}", "{nothing}"),
        model="m-1",
        extra_args=("-x",),
    )
    run_id = desk.finished().run_id
    folder = desk.folder(run_id)
    assert desk.log(run_id).split() == [
        str(folder.checkout),
        str(folder.out),
        str(folder.path),
        "m-1",
        "{}",
        "{nothing}",
        "-x",
    ]


def test_a_command_without_a_program_is_refused(desk: Desk) -> None:
    desk.config = AgentConfig("agent", "command")
    order = desk.prepared()
    with pytest.raises(BadConfig, match=r"\[agents.agent\] argv is empty"):
        desk.runs.start(order)
