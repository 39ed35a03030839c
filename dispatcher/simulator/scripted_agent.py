"""An agent that follows a script instead of a model: it really edits, runs, commits and reviews. Standard library only.

    python scripted_agent.py SCRIPT.json < prompt

It is started like any agent of the `command` kind, in its checkout, and finds the run by DISPATCHER_RUN_DIR. The script maps a role to its rounds,
and each round to a list of steps; the last round counts for all later ones:

    {"worker": [[{"write": "shop.py", "text": "..."}, {"commit": "Fix it"}, {"outcome": {"outcome": "done", ...}}]],
     "reviewer": [[{"if": {"diff_lacks": "test_"}, "then": [...], "else": [...]}]]}

A step is an object with one verb of `VERBS`; unknown verbs end the program with code 2 and a line that names them.
`repair` instead of a role holds the steps of a repair run; without it the role's own steps are used.
"""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

Fields = dict[str, object]


class BadScript(Exception):
    """The script cannot be followed; the message names the step."""


class Scene:
    """What the agent sees: its prompt, its context, its checkout, its outcome file."""

    def __init__(self, prompt: str, run_folder: Path) -> None:
        self.prompt = prompt
        self.folder = run_folder
        self.checkout = Path.cwd()
        self.context: Fields = _load_object(run_folder / "context.json")
        self.outcome = run_folder / "out" / "outcome.json"

    def text(self, name: str) -> str:
        """A context variable as text; lists are joined line by line."""
        value = self.context.get(name, "")
        return "\n".join(str(entry) for entry in value) if isinstance(value, list) else str(value)

    def path(self, step: Fields, verb: str) -> Path:
        """The file that a step names, inside the checkout."""
        return self.checkout / str(step[verb])


def main(argv: list[str]) -> int:
    """Read prompt and script, follow the steps. Returns the exit code."""
    script_path = argv[1] if len(argv) > 1 else os.environ.get("DISPATCHER_AGENT_SCRIPT", "")
    try:
        scene = Scene(_read_prompt(), Path(os.environ["DISPATCHER_RUN_DIR"]))
        follow(choose_steps(_load_object(Path(script_path)), scene), scene)
    except BadScript as error:
        sys.stderr.write(f"{script_path}: {error}\n")
        return 2
    return 0


def choose_steps(script: Fields, scene: Scene) -> list[Fields]:
    """The steps of this role and round."""
    role = scene.text("role")
    key = "repair" if scene.text("repair_error") and "repair" in script else role
    rounds = script.get(key)
    if not isinstance(rounds, list) or not rounds:
        raise BadScript(f"no steps for `{key}`")
    steps = rounds[min(max(int(scene.text("round") or 1), 1), len(rounds)) - 1]
    return _as_steps(steps)


def follow(steps: list[Fields], scene: Scene) -> None:
    """Perform the steps in order."""
    for step in steps:
        verb = next((name for name in step if name in VERBS), None)
        if verb is None:
            raise BadScript(f"no known verb in {json.dumps(step)[:200]}; known: {', '.join(sorted(VERBS))}")
        VERBS[verb](step, scene)


# --- conditions


def holds(condition: Fields, scene: Scene) -> bool:
    """Whether every part of a condition is true."""
    return all(_holds_one(name, str(wanted), scene) for name, wanted in condition.items())


def _holds_one(name: str, wanted: str, scene: Scene) -> bool:
    subject, _, relation = name.rpartition("_")
    if relation not in {"has", "lacks"}:
        raise BadScript(f"unknown condition `{name}`: it ends with _has or _lacks")
    return (wanted in _subject(subject, scene)) is (relation == "has")


def _subject(subject: str, scene: Scene) -> str:
    match subject:
        case "prompt":
            return scene.prompt
        case "log":
            return _git("log", "--format=%B", f"origin/{scene.text('base')}..", allow_failure=True)
        case "diff":
            return scene.text("diff") or _git("diff", f"origin/{scene.text('base')}...", allow_failure=True)
        case _ if subject.startswith("file:"):
            file = scene.checkout / subject.removeprefix("file:")
            return file.read_text(encoding="utf-8") if file.is_file() else ""
        case _:
            return scene.text(subject)


# --- verbs


def _print(step: Fields, _scene: Scene) -> None:
    sys.stdout.write(f"{step['print']}\n" * int(str(step.get("times", 1))))
    sys.stdout.flush()


def _write(step: Fields, scene: Scene) -> None:
    path = scene.path(step, "write")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(step.get("text", "")), encoding="utf-8")


def _append(step: Fields, scene: Scene) -> None:
    with scene.path(step, "append").open("a", encoding="utf-8") as file:
        file.write(_lines(step.get("text", "")))


def _replace(step: Fields, scene: Scene) -> None:
    path, old = scene.path(step, "replace"), _lines(step["old"])
    before = path.read_text(encoding="utf-8")
    if old not in before:
        raise BadScript(f"{step['replace']} does not contain {old!r}")
    path.write_text(before.replace(old, _lines(step["new"]), 1), encoding="utf-8")


def _delete(step: Fields, scene: Scene) -> None:
    scene.path(step, "delete").unlink()


def _run(step: Fields, scene: Scene) -> None:
    command = step["run"]
    argv = [str(word) for word in command] if isinstance(command, list) else shlex.split(str(command))
    done = subprocess.run(
        [sys.executable if word == "{python}" else word for word in argv], cwd=scene.checkout, check=False
    )
    if done.returncode and not step.get("may_fail"):
        raise BadScript(f"{argv} ended with code {done.returncode}")


def _commit(step: Fields, _scene: Scene) -> None:
    _git("add", "-A")
    _git("commit", "--quiet", "--allow-empty", "-m", str(step["commit"]))


def _outcome(step: Fields, scene: Scene) -> None:
    # In one move, so that nobody ever sees half of it.
    temporary = scene.outcome.with_suffix(".part")
    temporary.write_text(json.dumps(step["outcome"]), encoding="utf-8")
    temporary.replace(scene.outcome)


def _outcome_text(step: Fields, scene: Scene) -> None:
    scene.outcome.write_text(_lines(step["outcome_text"]), encoding="utf-8")


def _if(step: Fields, scene: Scene) -> None:
    condition = step["if"]
    if not isinstance(condition, dict):
        raise BadScript("`if` needs an object of conditions")
    follow(_as_steps(step.get("then" if holds(condition, scene) else "else", [])), scene)


def _sleep(step: Fields, _scene: Scene) -> None:
    time.sleep(float(str(step["sleep"])))


def _wait_for(step: Fields, scene: Scene) -> None:
    while not (scene.checkout / str(step["wait_for"])).exists():
        time.sleep(0.01)


def _hang(_step: Fields, _scene: Scene) -> None:
    while True:
        signal.pause()


def _crash(step: Fields, _scene: Scene) -> None:
    sys.stdout.flush()
    os._exit(int(str(step["crash"])))


def _ignore(step: Fields, _scene: Scene) -> None:
    names = step["ignore"]
    for name in names if isinstance(names, list) else [names]:
        signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_IGN)


def _print_environment(_step: Fields, _scene: Scene) -> None:
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in sorted(os.environ.items())))
    sys.stdout.flush()


def _daemon(step: Fields, scene: Scene) -> None:
    """Leave a process behind that no session or group kill finds; it holds a lock on the named file while it lives."""
    pid_file = scene.path(step, "daemon")
    if os.fork():
        os.wait()
        while not pid_file.exists():
            time.sleep(0.005)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    part = pid_file.with_suffix(".part")
    part.write_text(str(os.getpid()), encoding="ascii")
    held = part.open("r+", encoding="ascii")
    fcntl.lockf(held, fcntl.LOCK_EX)
    part.replace(pid_file)
    while True:
        signal.pause()


VERBS: dict[str, Callable[[Fields, Scene], None]] = {
    "append": _append,
    "commit": _commit,
    "crash": _crash,
    "daemon": _daemon,
    "delete": _delete,
    "hang": _hang,
    "if": _if,
    "ignore": _ignore,
    "outcome": _outcome,
    "outcome_text": _outcome_text,
    "print": _print,
    "print_environment": _print_environment,
    "replace": _replace,
    "run": _run,
    "sleep": _sleep,
    "wait_for": _wait_for,
    "write": _write,
}
"""What a step can do. `text`, `old`, `new` and `outcome_text` may be lists of lines."""


# --- small things


def _git(*arguments: str, allow_failure: bool = False) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode and not allow_failure:
        raise BadScript(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _lines(value: object) -> str:
    return "".join(f"{line}\n" for line in value) if isinstance(value, list) else str(value)


def _as_steps(value: object) -> list[Fields]:
    if not isinstance(value, list) or not all(isinstance(step, dict) for step in value):
        raise BadScript("steps are a list of objects")
    return value


def _load_object(path: Path) -> Fields:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadScript(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise BadScript(f"{path} holds no JSON object")
    return found


def _read_prompt() -> str:
    return "" if sys.stdin.isatty() else sys.stdin.read()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
