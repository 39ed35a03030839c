"""The prompt files and WORKFLOW.md: found, checked, filled in, and read again when somebody edits them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.core.errors import BadConfig
from dispatcher.core.model import Role
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.template import Template, parse_template
from dispatcher.runs.variables import VARIABLES, render_variables

REPAIR = "repair"
"""The prompt of a run that mends a malformed outcome file."""

PROMPT_NAMES = (*(role.value for role in Role), REPAIR)

AGENTS_BEGIN, AGENTS_END = "<!-- agents:begin -->", "<!-- agents:end -->"
"""The marks in WORKFLOW.md between which the rules for agents stand; what is outside is for people."""

_GENERATED = re.compile(r"<!-- (table|diagram):begin -->.*?<!-- \1:end -->\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A finished prompt, and the digest of the files that it was made of."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class PromptFiles:
    """Where the prompts lie: a folder with `<name>.md` for each of `PROMPT_NAMES`, and WORKFLOW.md."""

    folder: Path
    workflow: Path


def find_shipped_prompts() -> PromptFiles:
    """The prompts that came with the package: inside it when installed, beside it in a working copy."""
    package = Path(__file__).resolve().parents[1]
    for home in (package / "shipped", package.parent):
        files = PromptFiles(home / "prompts", home / "WORKFLOW.md")
        if files.workflow.is_file() and files.folder.is_dir():
            return files
    raise BadConfig(
        f"no prompts/ and WORKFLOW.md in {package / 'shipped'} or {package.parent}.",
        "Install the package again.",
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: tuple[tuple[int, int, int], ...]
    template: Template
    rules: str
    digest: str


@dataclass
class PromptBook:
    """Fills the prompts in. A file that changed is read again; a bad edit keeps the last good one and is among `problems`."""

    files: PromptFiles
    _good: dict[str, _Loaded] = field(default_factory=dict)
    _problems: dict[str, str] = field(default_factory=dict)

    def render(self, name: str, role: Role, context: Mapping[str, object], folder: RunFolder) -> Prompt:
        """The prompt by that name. Raises BadConfig when it was never good."""
        loaded = self._load(name)
        return Prompt(
            loaded.template.render(render_variables(context, folder, role, loaded.rules)), loaded.digest
        )

    def problems(self) -> tuple[str, ...]:
        """What is wrong with prompt files at present, for `status`."""
        for name in PROMPT_NAMES:
            try:
                self._load(name)
            except BadConfig:
                continue
        return tuple(dict.fromkeys(self._problems.values()))

    def _load(self, name: str) -> _Loaded:
        good = self._good.get(name)
        try:
            stamp = _stamp(self._path(name)), _stamp(self.files.workflow)
            if good is None or good.stamp != stamp or name in self._problems:
                good = self._good[name] = self._read(name, stamp)
                self._problems.pop(name, None)
        except BadConfig as error:
            self._problems[name] = f"{error} The last good version stays in use." if good else str(error)
            if good is None:
                raise
        return good

    def _read(self, name: str, stamp: tuple[tuple[int, int, int], ...]) -> _Loaded:
        source, workflow = _load_text(self._path(name)), _load_text(self.files.workflow)
        rules = extract_rules(workflow, str(self.files.workflow))
        digest = hashlib.sha256(f"{source}\0{rules}".encode()).hexdigest()[:16]
        return _Loaded(stamp, parse_template(source, str(self._path(name)), VARIABLES), rules, digest)

    def _path(self, name: str) -> Path:
        return self.files.folder / f"{name}.md"


def extract_rules(workflow: str, file: str) -> str:
    """The part of WORKFLOW.md that agents get. Raises BadConfig when its marks are missing or empty."""
    begin, end = workflow.find(AGENTS_BEGIN), workflow.find(AGENTS_END)
    rules = _GENERATED.sub("", workflow[begin + len(AGENTS_BEGIN) : end]).strip() if 0 <= begin < end else ""
    if not rules:
        raise BadConfig(
            f"{file}: no rules for agents between `{AGENTS_BEGIN}` and `{AGENTS_END}`.",
            "Put both marks around them.",
        )
    return rules


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise BadConfig(
            f"{path}: {error.strerror}.", "Every prompt file and WORKFLOW.md must be there."
        ) from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def _load_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: cannot be read as UTF-8 text ({error}).", "Mend the file.") from error
