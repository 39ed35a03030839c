"""The kinds of values that the configuration file may hold, beyond numbers and text."""

import re
import shlex
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from dispatcher.core.faults import FaultKind
from dispatcher.core.hosts import parse_host
from dispatcher.core.rules import AGENT_KINDS, TOLD_FIELDS

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REPO_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\[bot\])?|@[A-Za-z0-9_-]+/[A-Za-z0-9._-]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COLOUR = re.compile(r"[0-9a-fA-F]{6}")
_SHELL_ONLY = set("|&;<>()$`*?[]{}~#\n")
_TOKEN = re.compile(r"(gh[a-z]_|github_pat_)[A-Za-z0-9_]{10,}")
_USER_IN_ADDRESS = re.compile(r"//[^/@]*@")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

FAULT_NAMES = tuple(kind.value for kind in FaultKind if kind is not FaultKind.CRASH)


def looks_like_token(text: str) -> bool:
    """Whether the text is a forge token, by its prefix."""
    return bool(_TOKEN.match(text))


def holds_secret(text: str) -> bool:
    """Whether the text may hold a token or a password: such a text is never repeated in a message."""
    return bool(_TOKEN.search(text) or _USER_IN_ADDRESS.search(text))


def refuse(must: str) -> NoReturn:
    """Reject a value; `must` ends the sentence "..., but it must be"."""
    raise PydanticCustomError("dispatcher", "{must}", {"must": must})


def _owner(text: str) -> str:
    return (
        text
        if _OWNER.fullmatch(text)
        else refuse("the login of a user or organisation, without the repository")
    )


def _repo_name(text: str) -> str:
    good = _REPO_NAME.fullmatch(text) and text not in {".", ".."}
    return text if good else refuse("the repository's name alone, without the owner")


def _login(text: str) -> str:
    return text if _LOGIN.fullmatch(text) else refuse("a login, or a team as @org/team")


def _label(text: str) -> str:
    good = text == text.strip() and 0 < len(text) <= 50 and "," not in text and text.isprintable()
    return text if good else refuse("1 to 50 characters without a comma or outer spaces")


def _colour(text: str) -> str:
    return text.lower() if _COLOUR.fullmatch(text) else refuse('six hex digits, like "0e8a16"')


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        refuse(f"a regular expression that Python can read ({error})")
    return text


def group_count(pattern: str) -> int:
    """How many groups a regular expression has; -1 when it is none."""
    try:
        return re.compile(pattern).groups
    except re.error:
        return -1


def _told_field(name: str) -> str:
    return name if name in TOLD_FIELDS else refuse(f"one of {', '.join(TOLD_FIELDS)}")


def _fault_name(name: str) -> str:
    return name if name in FAULT_NAMES else refuse(f"one of {', '.join(FAULT_NAMES)}")


def _base_url(text: str) -> str:
    try:
        url = urlsplit(text)
        host = url.hostname or ""
        _ = url.port
    except ValueError:
        refuse("an address such as https://api.github.com")
    if url.username or url.password or url.query or url.fragment:
        refuse(
            "an address without a user, a password, a query: the token is read from a file or the environment"
        )
    if url.scheme == "http" and host not in LOOPBACK:
        refuse("https; plain http is for this machine only")
    if url.scheme not in {"http", "https"} or not host:
        refuse("an address such as https://api.github.com")
    if host in {"github.com", "www.github.com"}:
        refuse('"https://api.github.com": that is where the API of github.com lives')
    return text.rstrip("/")


def _path(text: str) -> str:
    if looks_like_token(text):
        refuse("the path of a file that holds the token, not the token itself")
    return refuse("a path without a NUL character") if "\0" in text else text


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _command_line(value: object) -> object:
    """A plain line becomes its words; one that needs a shell gets one."""
    if not isinstance(value, str):
        return value
    if value.strip() in {"", "off"}:
        return [value.strip()] if value.strip() else []
    if _SHELL_ONLY & set(value) or "=" in value.split()[0]:
        return ["sh", "-c", value]
    try:
        return shlex.split(value)
    except ValueError as error:
        return refuse(f"a command line that a shell can read ({error})")


def _host(text: str) -> str:
    try:
        parse_host(text)
    except ValueError:
        refuse("a host such as example.com, *.example.com:8443, localhost:11434 or 10.1.2.0/24")
    return text


def _link_host(text: str) -> str:
    return (
        text.lower() if text == "*" or _HOST.fullmatch(text) else refuse('a host such as example.com, or "*"')
    )


def _agent_names(names: list[str]) -> list[str]:
    return names or refuse("the name of at least one agent")


def _env_name(text: str) -> str:
    return text if _ENV_NAME.fullmatch(text) else refuse("a variable's name, such as ANTHROPIC_API_KEY")


def _agent_kind(text: str) -> str:
    if text not in {"", *AGENT_KINDS}:
        raise PydanticCustomError(
            "kind", "one of {kinds}", {"kinds": ", ".join(AGENT_KINDS), "choices": AGENT_KINDS}
        )
    return text


def _vendor(text: str) -> str:
    good = not text or (text == text.strip().lower() and text.isprintable() and len(text) <= 50)
    return text if good else refuse('a short name in small letters, such as "anthropic"')


Owner = Annotated[str, AfterValidator(_owner)]
RepoName = Annotated[str, AfterValidator(_repo_name)]
Login = Annotated[str, AfterValidator(_login)]
Label = Annotated[str, AfterValidator(_label)]
Colour = Annotated[str, AfterValidator(_colour)]
Regex = Annotated[str, AfterValidator(_regex)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
PathText = Annotated[str, AfterValidator(_path)]
CommandLine = Annotated[list[str], BeforeValidator(_command_line, json_schema_input_type=str | list[str])]
OneOrMany = BeforeValidator(_one_or_many, json_schema_input_type=str | list[str])
PathList = Annotated[list[PathText], OneOrMany]
Logins = Annotated[list[Login], OneOrMany]
Hosts = Annotated[list[Annotated[str, AfterValidator(_host)]], OneOrMany]
Globs = Annotated[list[str], OneOrMany]
LinkHosts = Annotated[list[Annotated[str, AfterValidator(_link_host)]], OneOrMany]
AgentNames = Annotated[list[str], OneOrMany, AfterValidator(_agent_names)]
AgentKind = Annotated[str, AfterValidator(_agent_kind), Field(json_schema_extra={"enum": ["", *AGENT_KINDS]})]
ToldField = Annotated[str, AfterValidator(_told_field)]
FaultName = Annotated[str, AfterValidator(_fault_name)]
EnvName = Annotated[str, AfterValidator(_env_name)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Usd = Annotated[float, Field(ge=0, le=1_000_000)]
Tokens = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
Vendor = Annotated[str, AfterValidator(_vendor)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000)]
