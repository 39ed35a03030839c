"""What people do, at random: with and without the right to ask, in and out of turn."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from dispatcher.core.model import ItemKey
from dispatcher.simulator import Scene, model, pulls
from dispatcher.simulator.model import EventKind
from dispatcher.simulator.people import Person
from dispatcher.simulator.refusals import Refused
from tests.simulation.invariants import Watch
from tests.simulation.reading import key_of, read_markers

ALLOWED = ("alice", "bob")
STRANGERS = ("trudy", "mallory")
"""trudy may triage (label, assign), mallory may only read: neither may ask."""
BOT = "shop-bot"


@dataclass
class People:
    """Everybody but the bot."""

    scene: Scene
    repos: tuple[str, ...]
    chance: Random
    watch: Watch
    most_issues: int = 5
    may_delete_any_claim: bool = True
    """With two dispatchers a deleted claim is known by the assignment that came with it, and only by that (decision 0018)."""

    def act(self) -> str:
        """Somebody does something; says what."""
        deeds, weights = zip(*self._deeds(), strict=True)
        deed: Callable[[], str] = self.chance.choices(deeds, weights)[0]
        self.watch.people_act()
        try:
            return deed()
        except Refused as error:
            return f"{deed.__name__} refused: {error}"

    def _deeds(self) -> list[tuple[Callable[[], str], int]]:
        return [
            (self.ask, 10),
            (self.label, 6),
            (self.unlabel, 2),
            (self.stage_label, 2),
            (self.mention, 5),
            (self.command, 4),
            (self.comment, 3),
            (self.edit_body, 2),
            (self.edit_comment, 1),
            (self.delete_comment, 1),
            (self.close, 2),
            (self.reopen, 2),
            (self.merge, 3),
            (self.push_to_branch, 3),
            (self.push_to_base, 4),
            (self.delete_branch, 1),
            (self.take_over, 2),
            (self.let_go, 4),
            (self.assign_bot, 2),
            (self.request_changes, 3),
            (self.approve, 1),
            (self.report_ci, 8),
            (self.open_own_pull, 1),
            (self.request_review, 1),
            (self.block, 1),
            (self.rename, 1),
        ]

    # ------------------------------------------------------------ who and where

    def _anybody(self) -> Person:
        names = ALLOWED if self.chance.random() < 0.75 else STRANGERS
        return self.scene.person(self.chance.choice(names))

    def _owner(self) -> Person:
        return self.scene.person(self.chance.choice(ALLOWED))

    def _items(self) -> list[tuple[str, model.Issue]]:
        world = self.scene.world
        return [(name, issue) for name in self.repos for issue in world.repo(name).issues.values()]

    def _item(self) -> tuple[str, model.Issue]:
        return self._one_of(self._items())

    def _pull(self) -> tuple[str, model.Issue, model.Pull]:
        found = [(name, one) for name, one in self._items() if one.pull is not None and one.is_open]
        name, issue = self._one_of(found)
        return name, issue, pulls.pull_of(issue)

    def _one_of(self, found: list[tuple[str, model.Issue]]) -> tuple[str, model.Issue]:
        if not found:
            raise Refused("nothing is there yet")
        return self.chance.choice(found)

    def _asks(self, who: Person, issue: model.Issue) -> None:
        """Somebody who may ask has asked for the item, and with it for the issue that a pull request of the bot closes."""
        if who.login in ALLOWED:
            keys = {key_of(issue)}
            if issue.pull is not None and issue.author_id == self.watch.bot_id:
                behind = [one.number for one in pulls.closes(self.scene.world, issue)]
                keys |= {ItemKey(issue.repo_id, number) for number in behind}
            self.watch.asked |= keys
            self.watch.asked_at |= dict.fromkeys(keys, self.scene.world.now())

    # ------------------------------------------------------------ issues

    def ask(self) -> str:
        name = self.chance.choice(self.repos)
        who = self._anybody()
        repo = self.scene.world.repo(name)
        if sum(1 for issue in repo.issues.values() if issue.pull is None) >= self.most_issues:
            raise Refused("enough issues")
        body = self.chance.choice(("It is wrong.", "It is wrong.", f"@{BOT} is this wrong?"))
        number = who.open_issue(name, f"Bug {repo.last_number}", body)
        if BOT in body:
            self._asks(who, repo.issues[number])
        if self.chance.random() < 0.8:
            who.label(name, number, "bot")
            self._asks(who, repo.issues[number])
        return f"{who.login} asks for {name}#{number}: {body}"

    def label(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        who.label(name, issue.number, "bot")
        self._asks(who, issue)
        return f"{who.login} labels {name}#{issue.number}"

    def unlabel(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        labels = sorted(label.name for label in issue.labels.values())
        if not labels:
            raise Refused("no label there")
        label = self.chance.choice(labels)
        who.unlabel(name, issue.number, label)
        return f"{who.login} takes {label} off {name}#{issue.number}"

    def stage_label(self) -> str:
        (name, issue), who = self._item(), self._owner()
        label = self.chance.choice(("needs-review", "needs-rework", "merge-ready", "needs-human"))
        who.label(name, issue.number, label)
        return f"{who.login} puts {label} on {name}#{issue.number}"

    def mention(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        who.comment(name, issue.number, f"@{BOT} what about {self.chance.randrange(100)}?")
        self._asks(who, issue)
        return f"{who.login} mentions the bot on {name}#{issue.number}"

    def command(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        order = self.chance.choice(("retry", "retry", "stop", "resume", "review"))
        who.comment(name, issue.number, f"@{BOT} {order}")
        self._asks(who, issue)
        return f"{who.login} orders {order} on {name}#{issue.number}"

    def comment(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        who.comment(name, issue.number, "I see it too.")
        return f"{who.login} comments on {name}#{issue.number}"

    def edit_body(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        who.edit_body(name, issue.number, f"It is wrong {self.chance.randrange(100)}. {self._closing(issue)}")
        return f"{who.login} edits {name}#{issue.number}"

    def _closing(self, issue: model.Issue) -> str:
        """What a pull request closes stays in its text: a person who edits does not take it out."""
        return " ".join(f"Closes #{one.number}" for one in pulls.closes(self.scene.world, issue))

    def edit_comment(self) -> str:
        (name, issue), who = self._item(), self._owner()
        mine = [one for one in issue.comments if one.author_id == who.caller.account.id]
        if not mine:
            raise Refused("no comment there")
        written = self.chance.choice(mine)
        who.edit_comment(name, written.id, f"@{BOT} I mean {self.chance.randrange(100)}")
        self._asks(who, issue)
        return f"{who.login} edits a comment on {name}#{issue.number}"

    def delete_comment(self) -> str:
        (name, issue), who = self._item(), self._owner()
        found = [one for one in issue.comments if self.may_delete_any_claim or not self._is_alone(issue, one)]
        if not found:
            raise Refused("no comment there")
        who.delete_comment(name, self.chance.choice(found).id)
        return f"{who.login} deletes a comment on {name}#{issue.number}"

    def _is_alone(self, issue: model.Issue, comment: model.Comment) -> bool:
        """Whether this comment is a claim that no assignment from the same moment tells of."""
        if not read_markers(comment.body).claim:
            return False
        bot_id, stamped_at = self.watch.bot_id, comment.edited_at or comment.created_at
        assigned = [
            event.at
            for event in issue.events
            if event.kind is EventKind.ASSIGNED and event.subject_id == event.actor_id == bot_id
        ]
        return not assigned or stamped_at - assigned[-1] > timedelta(minutes=1)

    def close(self) -> str:
        (name, issue), who = self._item(), self._owner()
        who.close(name, issue.number)
        return f"{who.login} closes {name}#{issue.number}"

    def reopen(self) -> str:
        (name, issue), who = self._item(), self._owner()
        who.reopen(name, issue.number)
        return f"{who.login} reopens {name}#{issue.number}"

    def take_over(self) -> str:
        (name, issue), who = self._item(), self._owner()
        who.assign(name, issue.number, who.login)
        if self.chance.random() < 0.7:
            who.unassign(name, issue.number, BOT)
        return f"{who.login} takes {name}#{issue.number} over"

    def let_go(self) -> str:
        (name, issue), who = self._item(), self._owner()
        who.unassign(name, issue.number, *ALLOWED)
        return f"{who.login} lets {name}#{issue.number} go"

    def assign_bot(self) -> str:
        (name, issue), who = self._item(), self._anybody()
        who.assign(name, issue.number, BOT)
        self._asks(who, issue)
        return f"{who.login} assigns the bot to {name}#{issue.number}"

    def block(self) -> str:
        (name, issue), who = self._item(), self._owner()
        other_name, other = self._item()
        if other is issue or other.pull is not None or issue.pull is not None:
            raise Refused("not to be blocked")
        who.block(name, issue.number, other.number, in_repo=other_name)
        return f"{who.login} blocks {name}#{issue.number} by {other_name}#{other.number}"

    def rename(self) -> str:
        (name, issue), who = self._item(), self._owner()
        who.rename_issue(name, issue.number, f"Another bug {self.chance.randrange(100)}")
        return f"{who.login} renames {name}#{issue.number}"

    # ------------------------------------------------------------ pull requests and git

    def merge(self) -> str:
        (name, issue, _), who = self._pull(), self._owner()
        who.merge(name, issue.number)
        return f"{who.login} merges {name}#{issue.number}"

    def push_to_branch(self) -> str:
        (name, issue, pull), who = self._pull(), self._owner()
        is_red, force = self.chance.random() < 0.15, self.chance.random() < 0.2
        content = f"{'red: by hand' if is_red else 'green'} {self.chance.randrange(10**6)}"
        path = self.chance.choice((f"src/{issue.number}.py", "extra.py"))
        who.push(name, pull.head_ref, {path: content}, base="main", force=force)
        return f"{who.login} pushes {'red ' if is_red else ''}to {pull.head_ref} in {name}"

    def push_to_base(self) -> str:
        name, who = self.chance.choice(self.repos), self._owner()
        touched = [f"src/{issue.number}.py" for other, issue in self._items() if other == name]
        path = self.chance.choice(("shop.py", "README.md", *touched))
        who.push(name, "main", {path: f"green {self.chance.randrange(10**6)}"})
        return f"{who.login} pushes {path} to main of {name}"

    def delete_branch(self) -> str:
        (name, _, pull), who = self._pull(), self._owner()
        who.delete_branch(name, pull.head_ref)
        return f"{who.login} deletes {pull.head_ref} in {name}"

    def request_changes(self) -> str:
        (name, issue, _), who = self._pull(), self._anybody()
        who.request_changes(name, issue.number, f"Please mend {self.chance.randrange(100)}.")
        return f"{who.login} requests changes on {name}#{issue.number}"

    def approve(self) -> str:
        (name, issue, _), who = self._pull(), self._owner()
        who.approve(name, issue.number)
        return f"{who.login} approves {name}#{issue.number}"

    def report_ci(self) -> str:
        name, _, pull = self._pull()
        state = self.chance.choice(("pending", "success", "success", "failure"))
        self.scene.person("alice").set_status(name, pull.head_sha, state)
        return f"CI says {state} of {pull.head_sha[:8]} in {name}"

    def open_own_pull(self) -> str:
        name, who = self.chance.choice(self.repos), self._owner()
        branch = f"idea-{self.chance.randrange(3)}"
        who.push(name, branch, {f"{branch}.py": f"green {self.chance.randrange(10**6)}"}, base="main")
        number = who.open_pull(name, branch, f"Idea {branch}", "An idea.")
        if self.chance.random() < 0.6:
            who.label(name, number, "bot")
            self._asks(who, self.scene.world.repo(name).issues[number])
        return f"{who.login} opens {name}#{number}"

    def request_review(self) -> str:
        (name, issue, _), who = self._pull(), self._owner()
        who.request_review(name, issue.number, BOT)
        self._asks(self.scene.person(self.scene.world.accounts[issue.author_id].login), issue)
        return f"{who.login} requests a review of {name}#{issue.number}"
