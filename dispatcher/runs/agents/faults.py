"""Errors as the agent programs tell them: which are the set-up's (no login, no quota, a vendor whose server fails), which the task's.

Only what is recognised as the set-up's is a fault: a fault costs the task nothing, so that one which comes with the task itself would
be tried, and paid for, without an end. Standard library only: the supervisor loads it. Times are read for the end of a hold.
"""

import calendar
import re
import time

from dispatcher.runs.agents.telling import (
    FAULT,
    LIMIT,
    LOGIN,
    OVERLOAD,
    PRINTED,
    QUOTA,
    RATE_LIMIT,
    SETTINGS,
    Told,
    shorten,
)

# A number is a status only beside a word that says so: programs count tokens and lines as well.
_NUMBER = r"(4(?:0[0-4]|08|13|22|29)|5(?:0\d|1[01]|2\d|30))(?!\d|\.\d)"
_STATUS = re.compile(
    r"(?:\b(?:status|code|https?|api|error)(?:[ _-]?(?:code|error))?|(?<=status)code|\bhttp/[\d.]+)[\"'\\]*(?: (?:is|was|of))?[ :=(\[\"']{1,4}"
    + _NUMBER
    + r"|(?<![\d.])"
    + _NUMBER
    + r" (?:unauthorized|payment required|forbidden|not found|too many requests|bad request|(?:payload|content) too large|unprocessable"
    r"|request timeout|internal server error|bad gateway|service unavailable|gateway time)",
    re.IGNORECASE,
)
_OF_THE_TASK = frozenset({400, 413, 422})
"""The API's answers to a request that it does not take as it is, unless its words name something else."""
_MEANINGS = {
    400: "it does not take this request",
    401: "the login is missing, wrong or expired",
    402: "the account has no money left",
    403: "the account may not use this",
    404: "there is no such model or address",
    413: "the request is too large",
    422: "it does not take this request",
    429: "rate limited, or the quota is used up",
}
_TEXT_LIMIT = 300

# What a task does to itself: it does not fit into the model, or takes more turns than a person allowed.
_TASK_WORDS = re.compile(
    r"context[ _-]?(?:window|length|limit|size)|ran out of room|max(?:imum)?[ _](?:session[ _])?turns"
    r"|\b(?:prompt|input|request|messages?|conversation|context|content|string|payload) (?:(?:is|are|was|were) )?too (?:long|large)"
    r"|token count\b.{0,40}\bexceeds",
    re.IGNORECASE,
)

# The programs' own words, where no status stands beside them. Checked in this order: a used-up quota is often told as a rate limit.
_WORDS = (
    (
        QUOTA,
        re.compile(
            r"usage limit|limit reached|hit your (?:\w+ )?limit|quota (?:is )?(?:exceeded|exhausted|used up)|insufficient_quota"
            r"|exceeded your current quota|out of (?:extra )?(?:usage|credits)|RESOURCE_EXHAUSTED.*(?:per ?day|daily)|TerminalQuotaError",
            re.IGNORECASE,
        ),
    ),
    (
        LOGIN,
        re.compile(
            r"not logged in|please (?:run )?/?log ?in|log ?in again|invalid (?:x-)?api[ -]key|incorrect api key|api key (?:is )?(?:not valid|invalid|expired)|authentication[ _]?(?:error|failed|required)"
            r"|token (?:has )?expired|oauth token|no auth(?:entication|orization)? (?:method|information|credentials)|credit balance is too low|set an auth method",
            re.IGNORECASE,
        ),
    ),
    (RATE_LIMIT, re.compile(r"rate.?limit|too many requests", re.IGNORECASE)),
    (
        OVERLOAD,
        re.compile(
            r"overloaded|server[ _]?error|(?:service|temporarily) ?unavailable|bad gateway|high (?:demand|load)|at capacity|temporary (?:error|failure)"
            r"|\bE(?:CONN\w+|TIMEDOUT|PIPE|AI_AGAIN|NOTFOUND|HOSTUNREACH|NETUNREACH)\b|connection ?(?:was |is |has been )?(?:error|refused|reset|closed|aborted|lost|failed)"
            r"|(?:cannot|can't|could not|unable to|failed to) (?:connect|reach)|error sending request|fetch failed|socket hang up|reconnecting"
            r"|timed?[ -]?out|network (?:error|is unreachable)|no route to host|name resolution|dns error|(?:stream|server) (?:was )?(?:disconnected|closed)|certificate",
            re.IGNORECASE,
        ),
    ),
    (
        SETTINGS,
        re.compile(
            r"(?:model|deployment)\b.{0,60}\b(?:not found|does not exist|not supported|is not available)|unknown model|LLM provider not provided",
            re.IGNORECASE,
        ),
    ),
)  # fmt: skip

_EPOCH = re.compile(r"(?<!\d)(1[6-9]\d{8}|2\d{9})(\d{3})?(?!\d)")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?\s?(Z|UTC|[+-]\d\d:?\d\d)?")
_IN = re.compile(
    r"(?:in|after|within|again|reset\w*|retry\w*)[ :]{1,3}(?:about )?((?:\d+(?:\.\d+)? ?(?:days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|d|h|m|s)(?![a-z]),? ?(?:and )?)+)",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d+(?:\.\d+)?) ?([dhms])", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?:resets?|again|until|available|try)\b[^.\d]{0,24}?(?:at )?(?<!\d)(\d{1,2})(?::(\d\d))? ?(am|pm)\b",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* (\d{1,2})(?:st|nd|rd|th)?(?:,? (\d{4}))?(?:,| at)? (\d{1,2})(?::(\d\d))? ?(am|pm)",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNIT_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DAY_S = 86_400
_FARTHEST_S = 32 * _DAY_S


def error_of_status(kind: str, status: int, said: str = "", now_s: float | None = None) -> Told:
    """What an answer of the vendor's API means that is an error."""
    meaning = _MEANINGS.get(
        status, "the vendor's server fails" if status >= 500 else "it refuses the request"
    )
    words = f": {_one_line(said)}" if said else ""
    text = f"{kind}: {status} from the API ({meaning}){words}"
    return _error(_what_of(status, said), text, said, now_s)


def error_of_text(kind: str, said: str, now_s: float | None = None, *, otherwise: str = PRINTED) -> Told:
    """What a program's own words mean: by the status that they name, else by what they say.

    Words without a meaning are a printed line, or the kind of fault that `otherwise` names.
    """
    found = _STATUS.search(said)
    if found:
        return error_of_status(kind, int(found[1] or found[2]), said, now_s)
    what = LIMIT if _TASK_WORDS.search(said) else kind_of_words(said) or otherwise
    return _error(what, f"{kind}: {_one_line(said)}", said, now_s)


def _error(what: str, text: str, said: str, now_s: float | None) -> Told:
    if what in {LIMIT, PRINTED}:
        return Told(what, text)
    return Told(FAULT, text, None, what, find_reset_s(said, time.time() if now_s is None else now_s))


def kind_of_words(said: str) -> str:
    """The kind of fault that words speak of; "" when they speak of none."""
    return next((kind for kind, pattern in _WORDS if pattern.search(said)), "")


def find_reset_s(said: str, now_s: float) -> float | None:
    """When a quota comes back (seconds since 1970), where the words name a moment in the coming 32 days; local times are this machine's.

    Understood are numbers of seconds since 1970, ISO times, "in 2 hours 5 minutes", "resets 3pm" and "Nov 23rd, 2026 4:05 PM".
    """
    for find in (_find_epoch, _find_iso, _find_dated, _find_wait, _find_clock):
        found_s = find(said, now_s)
        if found_s is not None and now_s < found_s <= now_s + _FARTHEST_S:
            return found_s
    return None


def _what_of(status: int, said: str) -> str:
    """A kind of fault, or LIMIT, or PRINTED for a status that says nothing."""
    words = kind_of_words(said)
    match status:
        case 401 | 402 | 403:
            return QUOTA if words == QUOTA else LOGIN
        case 404:
            return SETTINGS
        case 429:
            return QUOTA if words == QUOTA else RATE_LIMIT
        case _ if _TASK_WORDS.search(said):  # some servers give a prompt that does not fit a 500
            return LIMIT
        case _ if status == 408 or status >= 500:
            return OVERLOAD
        case _ if words:  # an empty account and a key that is no key are a 400 at some vendors
            return words
        case _:
            return LIMIT if status in _OF_THE_TASK else PRINTED


def _find_epoch(said: str, _now_s: float) -> float | None:
    found = _EPOCH.search(said)
    return float(found[1]) if found else None


def _find_iso(said: str, _now_s: float) -> float | None:
    found = _ISO.search(said)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    zone = (found[7] or "Z").replace(":", "")
    offset_s = 0
    if zone[0] in "+-":
        offset_s = (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)
    return calendar.timegm((year, month, day, hour, minute, second)) - offset_s


def _find_dated(said: str, now_s: float) -> float | None:
    found = _DATED.search(said)
    if not found:
        return None
    month = _MONTHS.index(found[1].lower()) + 1
    year = int(found[3]) if found[3] else time.localtime(now_s).tm_year
    hour = int(found[4]) % 12 + (12 if found[6].lower() == "pm" else 0)
    return _local_s(year, month, int(found[2]), hour, int(found[5] or 0))


def _find_wait(said: str, now_s: float) -> float | None:
    found = _IN.search(said)
    if not found:
        return None
    return now_s + sum(float(n) * _UNIT_S[unit.lower()] for n, unit in _PIECE.findall(found[1]))


def _find_clock(said: str, now_s: float) -> float | None:
    found = _CLOCK.search(said)
    if not found:
        return None
    today = time.localtime(now_s)
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "pm" else 0)
    at_s = _local_s(today.tm_year, today.tm_mon, today.tm_mday, hour, int(found[2] or 0))
    return at_s if at_s is None or at_s > now_s else at_s + _DAY_S


def _local_s(year: int, month: int, day: int, hour: int, minute: int) -> float | None:
    try:
        return time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))
    except (OverflowError, ValueError):
        return None


def _one_line(text: str) -> str:
    return shorten(" ".join(text.split()), _TEXT_LIMIT)
