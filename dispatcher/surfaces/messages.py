"""Every word that a person reads on the forge, as pure functions that return Markdown. An agent's words come in defused."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from dispatcher.core.causes import BlockCause, parse_why
from dispatcher.core.defuse import defuse, defuse_line
from dispatcher.core.effects import CONTINUED, CommentKind
from dispatcher.core.intake import TEXT_LIMIT, clean_text, cut_text
from dispatcher.core.model import Finding, HoldKind, LiveRun, Stage, Task
from dispatcher.core.money import render_usd
from dispatcher.core.policy import used_since_granted
from dispatcher.core.rules import AgentText, LabelNames
from dispatcher.core.usage import Usage

TITLE_LIMIT = 250
_AGENT_TEXT_LIMIT = 45_000
_TESTED_LIMIT = 10_000
_DETAIL_LIMIT = 10_000
_OUTPUT_LIMIT = 3_000
_CODE_LIMIT = 500

STAGE_WORDS: Mapping[Stage, tuple[str, str]] = {
    Stage.NEW: ("Seen", "I look at what is asked."),
    Stage.ASKED: ("You asked me something", "A fresh agent answers as soon as a slot is free."),
    Stage.ANSWERING: ("Writing an answer", "The answer comes as a comment."),
    Stage.QUEUED: ("In the queue", "A fresh worker starts as soon as a slot is free."),
    Stage.WORKING: ("Working on it", "I check the commits, then open a pull request and have it reviewed."),
    Stage.NEEDS_REVIEW: (
        "Waiting for a review",
        "A fresh reviewer, who did not write the code, reads the diff.",
    ),
    Stage.REVIEWING: ("Being reviewed", "The reviewer approves, or says what must change."),
    Stage.NEEDS_REWORK: ("Waiting for a rework", "A fresh worker takes up what is missing."),
    Stage.REWORKING: ("Being reworked", "I check the new commits, then a fresh reviewer reads them."),
    Stage.MERGE_READY: (
        "Ready to merge",
        "Your turn: reviewed, checked and free of conflicts. Please merge it.",
    ),
    Stage.BLOCKED: ("I need you", "Your turn: my last comment says what for."),
    Stage.DONE: ("Done", "Nothing: it is merged. Thank you."),
    Stage.DROPPED: ("Stopped", "Nothing. To begin again, put the label `{turn}` back on."),
}
"""The status comment's headline, and what happens next, by stage."""

_WAITING = {Stage.QUEUED, Stage.NEEDS_REVIEW, Stage.NEEDS_REWORK, Stage.ASKED}
_COUNTED = _WAITING | {Stage.WORKING, Stage.REVIEWING, Stage.REWORKING, Stage.ANSWERING}

_WAITED_FOR: Mapping[HoldKind, str] = {
    HoldKind.AGENTS_ON_HOLD: "no agent can work until then",
    HoldKind.BUDGET: "the budget of this day is used up",
}

_ANSWER = "Answer in a comment that mentions `@{bot}`: a fresh agent goes on with your answer."
_RETRY = "Comment `@{bot} retry`, or put the label `{turn}` back on: the count starts afresh."
_RETRY_WITH_HINT = "Tell me how to go on in a comment that mentions `@{bot}`: the count starts afresh."
_LET_GO = "Comment `@{bot} stop` to let it go."
_FINISH = "Finish it yourself: it is assigned to you, and I leave it alone."


@dataclass(frozen=True, slots=True)
class _Plea:
    """A blocked task's comment: what happened, and what the person can do about it."""

    headline: str
    happened: str
    can_do: tuple[str, ...]


PLEAS: Mapping[BlockCause, _Plea] = {
    BlockCause.QUESTION: _Plea("I have a question before I go on.", "", (_ANSWER, _LET_GO)),
    BlockCause.CANNOT: _Plea(
        "I could not do this.", "The worker says why:", (_RETRY_WITH_HINT, _FINISH, _LET_GO)
    ),
    BlockCause.NOTHING_TO_DO: _Plea(
        "I found nothing to change.",
        "The worker says why:",
        ("Close this if you agree.", "Otherwise say what is missing, in a comment that mentions `@{bot}`."),
    ),
    BlockCause.ATTEMPTS: _Plea(
        "All attempts are used up.",
        "The limit is `attempts` = {attempts}: so many runs of one step ended without a result.",
        (_RETRY_WITH_HINT, _RETRY, _FINISH),
    ),
    BlockCause.ROUNDS: _Plea(
        "Worker and reviewer do not come to an end.",
        "The limit is `rounds` = {rounds}: the review still asks for changes.",
        (
            "Read the last review; say what really matters in a comment that mentions `@{bot}`.",
            _RETRY,
            _FINISH,
        ),
    ),
    BlockCause.SAME_CHECK_FAILURE: _Plea(
        "The check fails in the same way again and again.",
        "The limit is `same_check_failures` = {same_check_failures}: fresh workers did not get past it.",
        ("See whether the check itself is broken, and mend it.", _RETRY_WITH_HINT, _FINISH),
    ),
    BlockCause.REFUSED: _Plea(
        "I did not publish the commits.",
        "They hold something that must not leave by itself:",
        (
            "If it is needed, make that part of the change yourself.",
            "Otherwise say how to do without, in a comment that mentions `@{bot}`.",
        ),
    ),
    BlockCause.WITHHELD: _Plea(
        "I did not publish what the agent wrote.",
        "Its text holds something that must not leave this machine:",
        (
            "See the run's folder (`dispatcher logs` names it), and change what was leaked.",
            _RETRY_WITH_HINT,
            _LET_GO,
        ),
    ),
    BlockCause.NO_COMMIT: _Plea(
        "The worker said that it was done, but there is no new commit.",
        "Another run would most likely end the same way.",
        ("Say what exactly is still missing, in a comment that mentions `@{bot}`.", _RETRY, _FINISH),
    ),
    BlockCause.CI_NEVER_SETTLED: _Plea(
        "CI did not come to a result.",
        "The limit is `ci_wait_minutes` = {ci_wait_minutes}; until then it was pending on:",
        ("See whether CI is stuck, and start it again.", "Then comment `@{bot} review`."),
    ),
    BlockCause.EFFECT_REFUSED: _Plea(
        "Something I had to do was refused.",
        "What was refused, and the answer:",
        ("Grant what is missing (rights, a protected branch, a full disk).", _RETRY, _FINISH),
    ),
    BlockCause.MALFORMED: _Plea(
        "The agent ended without a usable result.",
        "A repair run did not help. What was wrong:",
        (_RETRY, "If it happens again, see the run's log: `dispatcher logs`."),
    ),
    BlockCause.FORK: _Plea(
        "I cannot push to this branch.",
        "The branch is in a fork, or not open to me:",
        ("Allow edits by maintainers, or do it yourself.", _RETRY),
    ),
    BlockCause.EDITED: _Plea(
        "The text was changed after you asked for it.",
        "I stopped, because the change was made by somebody who may not ask me:",
        ("Read the text as it is now. If you want it so, put the label `{turn}` back on.", _LET_GO),
    ),
    BlockCause.NO_AGENT: _Plea(
        "No agent can work.",
        "That is a fault of the set-up, and counts against nobody. Everything else that needs these agents waits, too:",
        (
            "Run `dispatcher doctor --live` where the dispatcher runs: it says what to do.",
            "Then comment `@{bot} retry`: all that waits goes on.",
        ),
    ),
    BlockCause.BUDGET: _Plea(
        "The budget for this is used up.",
        "I stopped before it costs more. The limit, and what was used:",
        (
            "Comment `@{bot} retry`: I may then use as much again.",
            "Or raise the limit under `[limits]` in the configuration first.",
            _FINISH,
        ),
    ),
    BlockCause.TWO_STAGES: _Plea(
        "Two labels contradict each other.",
        "Both say where this stands, and only one can be true. I took both off:",
        (
            "Put the label `{turn}` back on: I go on from here.",
            "Comment `@{bot} review` for another look at the pull request.",
            _FINISH,
        ),
    ),
    BlockCause.CHECK_ABSENT: _Plea(
        "I could not run the check.",
        "That is a fault of the set-up, and counts against nobody:",
        (
            "Install the program where the dispatcher runs, or correct `check` in its configuration.",
            "Then: " + _RETRY[0].lower() + _RETRY[1:],
        ),
    ),
    BlockCause.STOPPED: _Plea("I stopped, as I was told.", "", (_RETRY,)),
}
"""What a blocked task's comment says, by cause."""

_UNKNOWN = _Plea("I cannot go on by myself.", "What happened:", (_RETRY_WITH_HINT, _RETRY, _FINISH))
_QUOTED = {BlockCause.QUESTION, BlockCause.CANNOT, BlockCause.NOTHING_TO_DO}
_WITH_OUTPUT = {BlockCause.ATTEMPTS, BlockCause.SAME_CHECK_FAILURE}

KEPT_BECAUSE: Mapping[str, str] = {
    "PersonTookOver": "a person took over",
    "CommandGiven": "I was told to stop",
    "HeadMoved": "somebody pushed",
    "Merged": "it was merged",
    "Closed": "it was closed",
    "Unlabelled": "the label was taken off",
    "AgentFaulted": "it could not go on (its login, quota or set-up)",
    "BudgetSpent": "the budget was used up",
}
"""Why a run's result is not wanted any more, by the name of the event."""


def _no_agents() -> Collection[str]:
    return ()


def _never(_repo: str) -> bool:
    return False


def _default_labels(_repo: str) -> LabelNames:
    return LabelNames()


def _nothing_allowed(_repo: str) -> AgentText:
    return AgentText()


NO_SANDBOX = "\n\n> [!WARNING]\n> Agents or checks of this repository run **without a sandbox**: with all rights of the dispatcher's user on its machine."


@dataclass(frozen=True, slots=True)
class Messages:
    """The `Words` of the product; its fields are asked anew for every text.

    `bot_login` and `agents` name whom is spoken of; `labels_of`, `allowed_in` and `is_unboxed` are about `owner/name`.
    """

    bot_login: Callable[[], str]
    labels_of: Callable[[str], LabelNames] = _default_labels
    agents: Callable[[], Collection[str]] = _no_agents
    allowed_in: Callable[[str], AgentText] = _nothing_allowed
    is_unboxed: Callable[[str], bool] = _never

    def status(self, task: Task, now: datetime) -> str:
        """The status comment: where the task stands, who works, what was used, what happens next. `now` is aware UTC."""
        headline, following = STAGE_WORDS[task.stage]
        rows = "\n".join(
            f"| {name} | {value} |" for name, value in (*_status_rows(task), *self._wish_rows(task))
        )
        return f"**{headline}**\n\n| | |\n|---|---|\n{rows}\n\n**Next:** {self._fill(following, task)}{_pause(task, now)}{self._warning(task)}"

    def _warning(self, task: Task) -> str:
        """Where the agents are not shut in, whoever reads the pull request should know."""
        return NO_SANDBOX if self.is_unboxed(task.repo) else ""

    def _wish_rows(self, task: Task) -> list[tuple[str, str]]:
        """A label that names no agent is told where it was put on."""
        known = self.agents()
        if not task.agent_wish or task.agent_wish in known:
            return []
        names = ", ".join(_code(name) for name in sorted(known)) or "none"
        return [("Label", f"{_code('agent:' + task.agent_wish)} names no agent of mine: there are {names}")]

    def comment(self, task: Task, kind: CommentKind, text: str) -> str:
        """A comment of this kind around the agent's text; for a blocked task `text` is its cause."""
        match kind:
            case CommentKind.BLOCKED:
                return self.blocked(task, text)
            case CommentKind.ANSWER:
                return self.answer(task, text)
            case CommentKind.NOTHING_TO_DO:
                return self.nothing_to_do(task, text)
            case CommentKind.KEPT:
                branch, why, goes_on = (*text.split("\n", 2), "", "")[:3]
                return self.kept(branch, why, is_continued=goes_on == CONTINUED)
            case _:
                assert_never(kind)

    def blocked(self, task: Task, why: str = "") -> str:
        """Which limit or event made it a person's turn, what was spent, and what the person can do."""
        cause, detail = parse_why(why or task.blocked_why)
        plea = PLEAS[cause] if cause else _UNKNOWN
        parts = [
            f"**{plea.headline}**",
            self._fill(plea.happened, task),
            _render_detail(cause, detail, self.allowed_in(task.repo)),
            _last_output(task) if cause in _WITH_OUTPUT else "",
            "What you can do:\n" + "\n".join(f"- {self._fill(hint, task)}" for hint in plea.can_do),
            f"<sub>{_spent(task)}</sub>",
        ]
        return _join(parts)

    def answer(self, task: Task, text: str) -> str:
        """The responder's answer."""
        return defuse(text, allowed=self.allowed_in(task.repo))

    def nothing_to_do(self, task: Task, why: str) -> str:
        """The worker saw nothing to change; the label comes back to a person."""
        return self.blocked(task, f"{BlockCause.NOTHING_TO_DO}: {why}")

    def pull_title(self, task: Task) -> str:
        """The pull request's title: the worker's, else the issue's. Nothing in it closes another issue when squashed."""
        title = defuse_line(task.pull_title or task.title, TITLE_LIMIT, self.allowed_in(task.repo))
        return title or f"Work on #{task.key.number}"

    def pull_body(self, task: Task) -> str:
        """The pull request's description; what closes the issue comes first, where no text of the agent can hide it."""
        allowed = self.allowed_in(task.repo)
        tested = defuse(task.tested, _TESTED_LIMIT, allowed)
        return _join(
            [
                f"Closes #{task.key.number}" if task.has_issue else "",
                defuse(task.pull_body, _AGENT_TEXT_LIMIT, allowed),
                f"### What was tested\n\n{tested}" if tested else "",
                self._warning(task).strip(),
            ]
        )

    def review(self, task: Task, *, approved: bool, summary: str, findings: Sequence[Finding]) -> str:
        """The body of a review; `findings` are those that have no line."""
        allowed = self.allowed_in(task.repo)
        remarks = "\n".join(_render_finding(finding, allowed) for finding in findings)
        return _join(
            [
                "**Approved.**" if approved else "**Changes requested.**",
                defuse(summary, 25_000, allowed),
                f"On the whole:\n\n{remarks}" if remarks else "",
            ]
        )

    def remark(self, task: Task, finding: Finding) -> str:
        """One finding that stands on a line of the diff."""
        return defuse(finding.text, allowed=self.allowed_in(task.repo))

    def kept(self, branch: str, why: str, *, is_continued: bool = False) -> str:
        """Where a superseded run's commits are, and whether the next worker goes on from them. `why`: the event's name, or words."""
        reason = KEPT_BECAUSE.get(why, "") or defuse_line(why, 300)
        return (
            f"While an agent was at work, {reason}. Its commits are not lost, and not forced onto anything: "
            f"they are on the branch {_code(branch)}."
            + (" The next worker goes on from there." if is_continued else "")
        )

    def _fill(self, text: str, task: Task) -> str:
        limits = task.limits
        return text.format(
            bot=self.bot_login(),
            turn=self.labels_of(task.repo).turn,
            attempts=limits.attempts,
            rounds=limits.rounds,
            same_check_failures=limits.same_check_failures,
            ci_wait_minutes=limits.ci_wait_s // 60,
        )


def _status_rows(task: Task) -> list[tuple[str, str]]:
    rows = [("Stage", f"`{task.stage}`")]
    if task.run:
        rows += [("Who works", _who(task.run)), ("Run", _code(task.run.id))]
    since = task.run.dispatched_at if task.run else task.step_started_at
    if since:
        rows.append(("Since", _clock_time(since)))
    if task.stage in _COUNTED:
        rows.append(("Round", f"{min(task.rounds + 1, task.limits.rounds)} of {task.limits.rounds}"))
        rows.append(("Attempts used", f"{task.attempts} of {task.limits.attempts}"))
    if task.branch:
        rows.append(("Branch", _code(task.branch)))
    if task.pull:
        rows.append(("Pull request", f"#{task.pull}"))
    if task.cost_usd or task.tokens:
        rows.append(("Used", render_used(task)))
    return rows


def render_used(task: Task) -> str:
    """What the task used: money against its budget, and tokens; what a person granted again is counted apart."""
    used, limits = used_since_granted(task), task.limits
    parts = [_render_money(used, limits.usd_per_task)]
    if limits.tokens_per_task:
        parts.append(f"{used.tokens:,} of {limits.tokens_per_task:,} tokens")
    elif task.tokens:
        parts.append(f"{used.tokens:,} tokens")
    in_all = f" ({render_usd(task.cost_usd)} in all)" if task.granted_at_usd else ""
    return ", ".join(parts) + in_all


def _render_money(used: Usage, budget_usd: float) -> str:
    """Tokens without a cent come of a program that names no cost and has no price: "$0.00" would say that they were free."""
    if used.tokens and not used.cost_usd:
        return "cost unknown"
    usd = render_usd(used.cost_usd or 0.0)
    return f"{usd} of {render_usd(budget_usd)}" if budget_usd else f"{usd} spent"


def _who(run: LiveRun) -> str:
    repairs = ", repairing its result" if run.is_repair else ""
    return f"{run.role} ({_code(run.agent)}{repairs})"


def _pause(task: Task, now: datetime) -> str:
    """What lasts is worth a word: a cooldown, a wait for an agent or for money. Other holds are `dispatcher explain`'s business."""
    if task.stage not in _WAITING:
        return ""
    if task.hold and task.hold.kind in _WAITED_FOR and task.hold.until and task.hold.until > now:
        return f" Not before {_clock_time(task.hold.until)}: {_WAITED_FOR[task.hold.kind]}."
    until = task.cooldown_until
    return f" Not before {_clock_time(until)}." if until and until > now else ""


def _clock_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _spent(task: Task) -> str:
    spent = f"So far: {task.rounds} of {task.limits.rounds} rounds"
    return f"{spent}, {render_used(task)}." if task.cost_usd or task.tokens else f"{spent}."


def _render_detail(cause: BlockCause | None, detail: str, allowed: AgentText) -> str:
    """An agent's words as a quote, machine words as code: a list when there are several lines."""
    if not detail:
        return ""
    if cause in _QUOTED:
        return "\n".join(f"> {line}".rstrip() for line in defuse(detail, _DETAIL_LIMIT, allowed).split("\n"))
    lines = [line for line in cut_text(detail, _DETAIL_LIMIT).split("\n") if line.strip()]
    return "\n".join(f"- {_code(line)}" for line in lines) if len(lines) > 1 else _code(lines[0])


def _last_output(task: Task) -> str:
    """What the next worker would have been told: the end of the check's output, or how the last run ended."""
    if not task.told:
        return ""
    shown = _visible(clean_text(task.told[-1][-_OUTPUT_LIMIT:]))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return f"<details><summary>The last thing that went wrong</summary>\n\n{fence}\n{shown}\n{fence}\n\n</details>"


def _render_finding(finding: Finding, allowed: AgentText) -> str:
    place = f" {_code(finding.path)}:" if finding.path else ""
    text = defuse(finding.text, 5_000, allowed).replace("\n", "\n  ")
    return f"- **{finding.severity}**{':' if not place else ''}{place} {text}"


def _code(text: str) -> str:
    """A text of ours or of a machine on one line, as code: nothing in it means anything to GitHub."""
    line = " ".join(clean_text(text, _CODE_LIMIT).split())
    return f"`{_visible(line).replace('`', chr(39))}`"


def _visible(code: str) -> str:
    """Code in which nothing can be taken for a hidden marker."""
    return code.replace("<!--", "< !--")


def _join(parts: Sequence[str]) -> str:
    return cut_text("\n\n".join(part for part in parts if part), TEXT_LIMIT)
