"""Which check a repository gets when nobody configured one."""

import shutil

import pytest

from dispatcher.core.events import CheckFailed, CheckPassed
from dispatcher.workspace.detect import NOTHING, Machine, detect_check
from dispatcher.workspace.git import Git
from tests.workspace.shop import commit, git, write

EVERYTHING = Machine(has=lambda name: f"/bin/{name}", docker_works=lambda: True)
BARE = Machine(has=lambda _: None, docker_works=lambda: True)
NO_DOCKER = Machine(has=lambda name: f"/bin/{name}", docker_works=lambda: False)


@pytest.fixture
def detect(tmp_path):
    def look(files, machine=EVERYTHING):
        git(tmp_path, "init", "-q")
        write(tmp_path, {"README": "x", **files})
        return detect_check(Git(), tmp_path, commit(tmp_path, "files"), machine)

    return look


@pytest.mark.parametrize(
    ("files", "argv"),
    [
        ({"Makefile": "all:\n\ntest: all\n\tx\ncheck:\n\ty\n"}, ("make", "check")),
        ({"Makefile": "test::\n\tx\n"}, ("make", "test")),
        (
            {"Makefile": "test := 1\ncheck:=2\n", "package.json": '{"scripts": {"test": "jest"}}'},
            ("npm", "test"),
        ),
        ({"Makefile": "test:\n", "tests/test_x.py": ""}, ("make", "test")),
        ({"tests/deep/test_x.py": ""}, ("python", "-m", "pytest")),
        ({"test_x.py": ""}, ("python", "-m", "pytest")),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, ("python", "-m", "pytest")),
        ({"tox.ini": "[pytest]\n"}, ("python", "-m", "pytest")),
        ({"package.json": '{"scripts": {"test": "jest"}}', "Dockerfile": "FROM x"}, ("npm", "test")),
        ({"Dockerfile": "FROM x"}, ("docker", "build", ".")),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, ()),
        ({"package.json": "[1"}, ()),
        ({"package.json": '{"scripts": 1}'}, ()),
        ({"package.json": "[" * 100_000}, ()),
        ({"pyproject.toml": "[project]\n"}, ()),
        ({"Makefile/x": "a folder"}, ()),
        ({}, ()),
    ],
)
def test_the_files_tell(detect, files, argv):
    assert detect(files).argv == argv


def test_what_this_machine_cannot_run_is_not_chosen(detect):
    files = {
        "Makefile": "test:\n",
        "test_x.py": "",
        "package.json": '{"scripts": {"test": "x"}}',
        "Dockerfile": "FROM x",
    }
    assert detect(files, BARE) == NOTHING


def test_docker_is_only_chosen_when_its_daemon_answers(detect):
    assert detect({"Dockerfile": "FROM x"}, NO_DOCKER) == NOTHING


def test_nothing_to_run_passes_with_a_note(shop):
    shop.configure(check=())
    event = shop.delivered({"x": "1"})
    assert isinstance(event, CheckPassed)
    assert event.note == NOTHING.note


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_commit_cannot_delete_its_check(shop):
    shop.configure(check=())
    shop.person_pushes({"Makefile": "check:\n\tgrep -q one src/app.py\n"})
    assert shop.delivered({"y": "1"}).note == "`make check`, found in Makefile"
    assert isinstance(shop.delivered({"Makefile": None, "y": "1"}), CheckFailed)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_commit_can_bring_the_first_check(shop):
    shop.configure(check=())
    assert isinstance(shop.delivered({"Makefile": "check:\n\tfalse\n"}), CheckFailed)
    assert shop.workspaces.explain_check(shop.repo, "main") == NOTHING
