"""Pushing a judged commit to the forge, with a lease."""

from typing import Final

from dispatcher.core.errors import ClaimLost, DispatcherError, NeedsPerson
from dispatcher.workspace.git import Git, explain_failure
from dispatcher.workspace.store import Store

_MOVED: Final = (
    "stale info",
    "cannot lock ref",
    "failed to update ref",
    "fetch first",
    "non-fast-forward",
    "incorrect old value",
)


def push(git: Git, store: Store, branch: str, head: str, expected: str) -> None:
    """Put `head` on the branch if the forge still shows `expected` there ("": no branch); already there is success.

    Raises ClaimLost when the branch is elsewhere, NeedsPerson, BadCredential, Gone, RetryLater.
    """
    source = store.ensure(head)
    ref = f"refs/heads/{branch}"
    done = git.network(
        source, store.url,
        "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
        f"--force-with-lease={ref}:{expected}", store.url, f"{head}:{ref}",
    )  # fmt: skip
    if not done.code:
        return
    failure = _explain(store, branch, done.out.decode(errors="replace"), git.said(done))
    # curl repeats a request whose connection dropped: the second time, the first one's success is in the way.
    if not isinstance(failure, ClaimLost) or fetch_head(git, store, branch) != head:
        raise failure


def fetch_head(git: Git, store: Store, branch: str) -> str:
    """The commit that the forge shows on the branch now, or "". Raises like `push`."""
    done = git.network(store.mirror, store.url, "ls-remote", "--refs", store.url, f"refs/heads/{branch}")
    if done.code:
        raise explain_failure("cannot ask", store.url, git.said(done))
    return done.out.decode().partition("\t")[0]


def _explain(store: Store, branch: str, answer: str, said: str) -> DispatcherError:
    """`--porcelain` gives one line per ref: flag, tab, names, tab, `[kind] (reason)`."""
    line = next((one for one in answer.splitlines() if one.startswith("!")), "")
    reason = line.rpartition("\t")[2]
    if any(sign in reason for sign in _MOVED):
        return ClaimLost(f"`{branch}` on the forge is not where it was: {reason}")
    if reason.startswith("[remote rejected]"):
        why = " ".join(f"{reason} {_remote_words(said)}".split())
        return NeedsPerson(
            f"the forge refused the push to `{branch}`: {why}", "Change its rules, or the token's rights."
        )
    return explain_failure("cannot push to", store.url, said)


def _remote_words(said: str) -> str:
    return " ".join(
        line.removeprefix("remote:").strip() for line in said.splitlines() if line.startswith("remote:")
    )
