"""What the simulated forge shows a person who looks: labels, assignees, reviews, the pull request's changes."""

from dataclasses import dataclass

from dispatcher.simulator.box import GitHubBox
from dispatcher.simulator.model import Issue, Pull, ReviewState


@dataclass(frozen=True, slots=True)
class Shown:
    """An issue or pull request in a list: labels and assignees in alphabetical order."""

    number: int
    is_pull: bool
    title: str
    labels: tuple[str, ...]
    assignees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """A review's remark on a line; `line` None: on the whole file."""

    path: str
    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ShownReview:
    """One review, as it was published."""

    body: str
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file of the pull request's diff, with its counts of lines."""

    path: str
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class Sight:
    """The repository at one moment. `said` are the bot's comments besides the status comment, oldest first."""

    items: tuple[Shown, ...] = ()
    reviews: tuple[ShownReview, ...] = ()
    said: tuple[str, ...] = ()

    def item(self, number: int | None) -> Shown | None:
        """The issue or pull request with this number."""
        return next((item for item in self.items if item.number == number), None)


@dataclass(frozen=True, slots=True)
class Change:
    """What the pull request would do to its base."""

    branch: str
    files: tuple[ChangedFile, ...]
    diff: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests to the API so far; those of git are not counted, and `unchanged` ones cost nothing on GitHub."""

    counted: int
    unchanged: int


def look(box: GitHubBox, repo: str, bot: str) -> Sight:
    """Everything that the repository shows now."""
    with box.world.lock:
        issues = sorted(box.world.repo(repo).issues.values(), key=lambda issue: issue.number)
        return Sight(
            items=tuple(_shown(box, issue) for issue in issues),
            reviews=tuple(review for issue in issues if issue.pull for review in _reviews(issue.pull)),
            said=tuple(text for issue in issues for text in _said(box, issue, bot)),
        )


def read_change(box: GitHubBox, repo: str) -> Change | None:
    """The newest pull request's changes; None when there is none."""
    with box.world.lock:
        pulls = box.scene.pulls(repo)
        pull = pulls[-1].pull if pulls else None
        if pull is None:
            return None
        world, key = box.world, box.world.repo(repo).id
        base = world.git.resolve(key, f"refs/heads/{pull.base_ref}") or pull.base_sha
        changed = world.git.changes(key, base, pull.head_sha)
        files = tuple(ChangedFile(one.path, one.additions, one.deletions) for one in changed)
        return Change(pull.head_ref, files, world.git.diff(key, base, pull.head_sha))


def count_traffic(box: GitHubBox) -> Traffic:
    """How often the API was asked."""
    asked = [logged for logged in box.requests if ".git/" not in logged.path]
    unchanged = sum(logged.status == 304 for logged in asked)
    return Traffic(len(asked) - unchanged, unchanged)


def _shown(box: GitHubBox, issue: Issue) -> Shown:
    return Shown(
        number=issue.number,
        is_pull=issue.pull is not None,
        title=issue.title,
        labels=tuple(sorted(label.name for label in issue.labels.values())),
        assignees=tuple(sorted(box.world.accounts[one].login for one in issue.assignee_ids)),
    )


def _reviews(pull: Pull) -> tuple[ShownReview, ...]:
    return tuple(
        ShownReview(
            _without_marker(review.body),
            tuple(
                Remark(remark.path, remark.line, _without_marker(remark.body))
                for remark in pull.line_comments
                if remark.review_id == review.id
            ),
        )
        for review in pull.reviews
        if review.state is not ReviewState.PENDING
    )


def _said(box: GitHubBox, issue: Issue, bot: str) -> tuple[str, ...]:
    mine = (one for one in issue.comments if box.world.accounts[one.author_id].login == bot)
    return tuple(_without_marker(one.body) for one in mine if "<!-- dispatcher:status" not in one.body)


def _without_marker(body: str) -> str:
    return body.partition("<!--")[0].strip()
