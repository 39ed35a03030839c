"""An agent owns its checkout: what it plants there must not run, and its commits must not carry out more than they say."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dispatcher.core.events import CheckPassed, HarvestRefused
from dispatcher.core.rules import HarvestLimits, RepoRules
from dispatcher.workspace.sandbox import Reach
from tests.attacks.conftest import ground_at
from tests.attacks.ground import Ground, git, shell
from tests.story.office import DONE, Steps, rejects, writes
from tests.workspace.shop import BRANCH, Shop

PRIVATE = "nobody outside may read this"
HOOKS = (
    "pre-commit",
    "post-checkout",
    "pre-push",
    "post-commit",
    "reference-transaction",
    "post-index-change",
)
WORKFLOW = ".github/workflows/evil.yml"

# Runs whatever it can, but only where it is not the agent itself that runs it.
PLANT = """
mine=$PWD/.git
mkdir -p .git/hooks
arm() { printf '#!/bin/sh\\nif [ -z "$DISPATCHER_RUN_ID" ]; then touch "%s/%s"; fi\\n%s\\n' "$marks" "$1" "$2" > "$3"; chmod 755 "$3"; }
for hook in $hooks; do arm "hook $hook" 'exit 0' .git/hooks/$hook; done
arm fsmonitor 'exit 0' .git/run-fsmonitor
arm clean-filter cat .git/run-clean
arm smudge-filter cat .git/run-smudge
arm external-diff 'exit 0' .git/run-diff
arm textconv 'cat "$1"' .git/run-textconv
arm gpg-program 'exit 1' .git/run-gpg
arm ssh-command 'exit 1' .git/run-ssh
arm credential-helper 'exit 0' .git/run-credential
arm upload-pack 'exit 1' .git/run-upload
arm pack-objects-hook 'exec "$@"' .git/run-pack
arm merge-driver 'exit 0' .git/run-merge
arm alternate-refs 'exit 0' .git/run-alternate
git config core.fsmonitor "$mine/run-fsmonitor"
git config filter.evil.clean "$mine/run-clean"
git config filter.evil.smudge "$mine/run-smudge"
git config filter.evil.required true
git config diff.external "$mine/run-diff"
git config diff.evil.textconv "$mine/run-textconv"
git config merge.evil.driver "$mine/run-merge"
git config gpg.program "$mine/run-gpg"
git config core.sshCommand "$mine/run-ssh"
git config credential.helper "!$mine/run-credential"
git config remote.origin.url "$mine"
git config remote.origin.uploadpack "$mine/run-upload"
git config uploadpack.packObjectsHook "$mine/run-pack"
git config core.alternateRefsCommand "$mine/run-alternate"
git config core.hooksPath "$mine/hooks"
git config commit.gpgSign true
printf '[include]\\n\\tpath = %s/more\\n' "$mine" >> .git/config
printf '* filter=evil diff=evil merge=evil\\n' > .gitattributes
cp .gitattributes .git/info/attributes
true
"""

PLANTED = [
    *(f"hook {name}" for name in HOOKS),
    "fsmonitor", "clean-filter", "smudge-filter", "external-diff", "textconv", "gpg-program", "ssh-command",
    "credential-helper", "upload-pack", "pack-objects-hook", "merge-driver", "alternate-refs",
]  # fmt: skip


OTHER_REFS = "git branch -f main; git branch evil; git tag evil-v9; git update-ref refs/notes/evil HEAD; git symbolic-ref HEAD refs/heads/main"


def bend(script: str) -> Steps:
    """A worker that does its work, bends the checkout with a script, and says that it is done."""
    *work, done = writes()
    return [*work, *shell(f"branch=$(git symbolic-ref --short HEAD); {script}"), done]


# Ways to make the dispatcher fetch from a repository next door.
STEAL = {
    "a gitfile in the place of .git": "mkdir ../tmp/old; mv .git ../tmp/old/git; echo gitdir: $theirs > .git",
    "a link in the place of .git": "mkdir ../tmp/old; mv .git ../tmp/old/git; ln -s $theirs .git",
    "objects are a link": "mv .git/objects ../tmp/objects; ln -s $theirs/objects .git/objects",
    "alternates lead elsewhere": "echo $theirs/objects >> .git/objects/info/alternates; echo $foreign > .git/refs/heads/$branch",
    "commondir leads elsewhere": "echo $theirs > .git/commondir",
    "refs are a link": "rm -rf .git/refs .git/packed-refs; ln -s $theirs/refs .git/refs; echo ref: refs/heads/main > .git/HEAD",
    "HEAD is a link": "rm .git/HEAD; ln -s $theirs/HEAD .git/HEAD",
    "the branch names a foreign commit": "echo $foreign > .git/refs/heads/$branch",
    "a promisor remote that would fetch it": (
        "git config extensions.partialClone origin; git config remote.origin.promisor true;"
        " git config remote.origin.url $theirs; echo $foreign > .git/refs/heads/$branch"
    ),
}  # fmt: skip


TREE_BOMB = """
blob=$(echo x | git hash-object -w --stdin)
tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf '100644 blob %s\\tf%s\\n' $blob $n; done | git mktree)
for level in 1 2 3 4 5 6 7 8 9; do
  tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\\td%s\\n' $tree $n; done | git mktree)
done
git update-ref HEAD $(echo bomb | git commit-tree $tree -p HEAD)
"""

# name: what the worker does, and what must not be found in anything that was published
UNWANTED: dict[str, tuple[str, str]] = {
    "a workflow": (f"mkdir -p .github/workflows; echo 'on: push' > {WORKFLOW}; git add -A; git commit -qm w", WORKFLOW),
    "a workflow in other letters": ("mkdir -p .GitHub/WorkFlows; echo 'on: push' > .GitHub/WorkFlows/evil.yml; git add -A; git commit -qm w", "evil.yml"),
    "a workflow that is added and taken back": (
        f"mkdir -p .github/workflows; echo 'on: push' > {WORKFLOW}; git add -A; git commit -qm w; git rm -q {WORKFLOW}; git commit -qm back",
        WORKFLOW,
    ),
    "a link where the workflows belong": ("mkdir -p else/workflows; echo x > else/workflows/evil.yml; ln -s else .github; git add -A; git commit -qm l", "evil.yml"),
    "a link out of the tree": ("ln -s ../../../../etc/passwd names; git add -A; git commit -qm l", "etc/passwd"),
    "a link into .git": ("ln -s .git/config settings; git add -A; git commit -qm l", "b/settings"),
    "a submodule": ("git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),lib; git commit -qm s", "Subproject commit"),
    "a .gitmodules that runs a program": (
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = -u./run\\n\\tupdate = !touch /tmp/x\\n' > .gitmodules; git add -A; git commit -qm s",
        "update = !touch",
    ),
    "a program for CI": ("mkdir .ci; echo '#!/bin/sh' > .ci/evil; chmod 755 .ci/evil; git add -A; git commit -qm c", ".ci/evil"),
    "a tree that writes into .git": (
        ("b=$(echo x | git hash-object -w --stdin); t=$(printf '100644 blob %s\\tconfig\\n' $b | git mktree);"
        " t=$(printf '040000 tree %s\\t.GIT\\n' $t | git mktree); git update-ref HEAD $(echo evil-tree | git commit-tree $t -p HEAD)"),
        "evil-tree",
    ),
    "a tree that unfolds without end": (TREE_BOMB, "bomb"),
    "another history": ("git checkout -q --orphan other; git commit -qm other-world; git branch -f $branch; git checkout -q $branch", "other-world"),
    "more commits than anybody reads": ("for n in $(seq 30); do git commit -q --allow-empty -m flood; done", "flood"),
    "a file larger than allowed": ("head -c 3000000 /dev/urandom > big.bin; git add -A; git commit -qm big", "big.bin"),
    "objects nested without end": (
        "echo 'nested = 1' >> shop.py; git commit -qam d; cd .git/objects; for n in $(seq 1500); do mkdir d; cd d; done",
        "nested = 1",
    ),
    "a damaged object": ("echo 'damaged = 1' >> shop.py; git commit -qam d; h=$(git rev-parse HEAD:shop.py); f=.git/objects/$(echo $h | cut -c1-2)/$(echo $h | cut -c3-); chmod 644 $f; echo zzz > $f", "damaged = 1"),
}  # fmt: skip


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One office in which all of it happens at once."""
    root = tmp_path_factory.mktemp("git")
    with ground_at(root, rules={"harvest": HarvestLimits(commits=20, file_bytes=1_000_000)}) as ground:
        private = make_private(root / "private")
        marks = root / "marks"
        marks.mkdir()
        marks.chmod(0o777)
        ground.plan("planted", worker=[bend(f"marks='{marks}'; hooks='{' '.join(HOOKS)}'; {PLANT}")])
        for name, script in STEAL.items():
            foreign = git(private, "rev-parse", "HEAD").strip()
            ground.plan(name, worker=[bend(f"theirs={private}/.git; foreign={foreign}; {script}")])
        for name, (script, _) in UNWANTED.items():
            ground.plan(name, worker=[bend(script)])
        ground.plan("other refs", worker=[bend(OTHER_REFS)])
        ground.main = git(ground.bare, "rev-parse", "main")
        ground.go()
        yield ground
        # Deeper than Python's own removal goes, which pytest would use on it.
        subprocess.run(
            ["rm", "-rf", str(ground.runs("objects nested without end")[0] / "checkout")], check=True
        )


def make_private(folder: Path) -> Path:
    """Another repository on this machine."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "secret.txt").write_text(f"{PRIVATE}\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "private")
    return folder


@pytest.mark.parametrize("program", PLANTED)
def test_a_planted_program_is_run_by_the_dispatcher(battle: Ground, program: str) -> None:
    assert (battle.runs("planted")[0] / "checkout" / ".git" / "run-clean").exists(), "it was planted"
    assert battle.pull("planted"), "and the dispatcher took the work over and pushed it"
    assert not (battle.office.root / "marks" / program).exists()


@pytest.mark.control
def test_control_a_git_that_works_in_that_checkout_runs_them(battle: Ground, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(battle.runs("planted")[0] / "checkout", checkout, symlinks=True)
    config = checkout / ".git" / "config"
    config.write_text(config.read_text().replace(str(battle.runs("planted")[0] / "checkout"), str(checkout)))
    marks = [tmp_path / "marks", battle.office.root / "marks"]
    marks[0].mkdir()
    for file in [*(checkout / ".git" / "hooks").iterdir(), *(checkout / ".git").glob("run-*")]:
        file.write_text(file.read_text().replace(str(marks[1]), str(marks[0])))
    (checkout / "shop.py").write_text("changed = 1\n")
    for words in (["status"], ["add", "-A"], ["diff", "HEAD~1"], ["commit", "-qm", "x"], ["fetch", "-q"]):
        git(checkout, *words, check=False)
    ran = {mark.name for mark in marks[0].iterdir()}
    assert {
        "fsmonitor",
        "clean-filter",
        "external-diff",
        "gpg-program",
        "upload-pack",
        "hook pre-commit",
    } <= ran


@pytest.mark.parametrize("way", STEAL)
def test_a_private_repository_next_door_is_published(battle: Ground, way: str) -> None:
    assert battle.runs(way), "a worker tried it"
    assert battle.pull(way) is None
    assert PRIVATE not in battle.published()
    theirs = git(battle.office.root / "private", "rev-parse", "HEAD").strip()
    assert git(battle.bare, "cat-file", "-t", theirs, check=False) == ""


@pytest.mark.parametrize("what", UNWANTED)
def test_unwanted_commits_are_published(battle: Ground, what: str) -> None:
    assert battle.runs(what), "a worker tried it"
    assert UNWANTED[what][1] not in battle.forge_git("log", "--all", "-p", "--text")
    assert battle.pull(what) is None
    assert "needs-human" in battle.shown(what)


def test_a_commit_on_main_moves_the_main_of_the_forge(battle: Ground) -> None:
    assert battle.pull("other refs"), "the agent's own branch is published"
    assert git(battle.bare, "rev-parse", "main") == battle.main


def test_tags_notes_and_other_branches_are_pushed_along(battle: Ground) -> None:
    refs = battle.forge_git("for-each-ref", "--format=%(refname)").split()
    assert [ref for ref in refs if not ref.startswith(("refs/heads/bot/", "refs/pull/"))] == [
        "refs/heads/main"
    ]
    assert "evil" not in " ".join(refs)


# ---------------------------------------------------------------- between two looks


class Racer:
    """Stands in for a process that survived: it changes the branch at the very moment at which git reads it."""

    def __init__(self) -> None:
        self.strike = lambda: None

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        del reach
        self.strike()
        return argv

    def enclose(self, argv: Sequence[str], reach: Reach, rules: RepoRules) -> Sequence[str]:
        del reach, rules
        return argv


@pytest.fixture
def raced(tmp_path: Path) -> tuple[Shop, Path, str, str]:
    """A shop, a checkout, its harmless commit, and one with a workflow to put in its place."""
    racer = Racer()
    shop = Shop(tmp_path, confinement=racer)
    checkout = shop.checkout()
    good = shop.agent_commits(checkout, {"x": "1"})
    evil = shop.agent_commits(checkout, {WORKFLOW: "on: push\n"})
    ref = checkout / ".git" / "refs" / "heads" / BRANCH
    ref.write_text(f"{good}\n")
    racer.strike = lambda: ref.write_text(f"{evil}\n")
    return shop, checkout, good, evil


def test_the_branch_is_changed_while_it_is_fetched(raced: tuple[Shop, Path, str, str]) -> None:
    shop, checkout, good, evil = raced
    event = shop.harvest(checkout)
    assert isinstance(event, CheckPassed)
    shop.workspaces.push(shop.repo, BRANCH, event.head, "")
    assert git(shop.forge, "cat-file", "-t", evil, check=False) == ""
    assert WORKFLOW not in git(shop.forge, "log", "--all", "--name-only")
    del good


def test_the_branch_is_changed_between_the_check_and_the_push(raced: tuple[Shop, Path, str, str]) -> None:
    shop, checkout, _, evil = raced
    event = shop.harvest(checkout)
    assert isinstance(event, CheckPassed)
    (checkout / ".git" / "HEAD").write_text(f"{evil}\n")
    shop.workspaces.push(shop.repo, BRANCH, event.head, "")
    assert shop.on_forge() == event.head
    assert git(shop.forge, "cat-file", "-t", evil, check=False) == ""


def test_an_object_is_swapped_for_a_link_while_it_is_fetched(tmp_path: Path) -> None:
    racer, private = Racer(), make_private(tmp_path / "private")
    shop = Shop(tmp_path, confinement=racer)
    checkout = shop.checkout()
    shop.agent_commits(checkout, {"x": "1"})
    theirs = git(private, "rev-parse", "HEAD").strip()

    def swap() -> None:
        shutil.rmtree(checkout / ".git" / "objects")
        (checkout / ".git" / "objects").symlink_to(private / ".git" / "objects")
        (checkout / ".git" / "refs" / "heads" / BRANCH).write_text(f"{theirs}\n")

    racer.strike = swap
    assert isinstance(shop.harvest(checkout), HarvestRefused)
    vault = next(shop.folder.glob("state/repos/*/vault.git"), shop.forge)
    assert git(vault, "cat-file", "-t", theirs, check=False) == ""


def test_the_history_that_was_reviewed_is_rewritten(ground: Ground) -> None:
    amend = [*shell("echo '# sly' >> shop.py; git commit -qa --amend -m 'as if it had always been so'"), DONE]
    ground.plan("amend", worker=[writes(), amend], reviewer=[rejects("once more")])
    ground.go()
    assert len(ground.runs("amend")) == 2
    assert "# sly" not in ground.forge_git("log", "--all", "-p")
    assert "merge-ready" not in ground.shown("amend")
