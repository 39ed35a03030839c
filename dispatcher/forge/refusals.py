"""What GitHub's refusals mean for us: each status and GraphQL error type as one of the errors of `core.errors`."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatcher.core.errors import BadCredential, DispatcherError, Gone, NeedsPerson, RetryLater

_CURE_401 = "Make a new one at GitHub (Settings, Developer settings) and put it where the old one was."


class Transient(RetryLater):
    """The request may or may not have acted: a network fault, a time-out or a 5xx."""


class Refused(NeedsPerson):
    """GitHub understood the request and will not do it (422); `fields` are its reasons, one per field."""

    def __init__(self, message: str, cure: str = "", fields: tuple[str, ...] = ()) -> None:
        super().__init__(message, cure)
        self.fields = fields

    def mentions(self, words: str) -> bool:
        """Whether the reasons contain these words, in any case."""
        return words.lower() in f"{self} {' '.join(self.fields)}".lower()


class Moved(RetryLater):
    """The repository has another name now and GitHub did not act; ask for it by number."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal over REST: what was asked (method and path), the status, the headers in lower case, GitHub's words."""

    asked: str
    status: int
    headers: Mapping[str, str]
    message: str
    fields: tuple[str, ...] = ()


def explain_refusal(refusal: Refusal) -> DispatcherError:
    """The error that says who must act. Rate limits are not for here: `gate` knows them."""
    said = f"GitHub answered {refusal.status} to {refusal.asked}: {refusal.message or 'no reason given'}."
    match refusal.status:
        case 301 | 302 | 307 | 308:
            error: DispatcherError = Moved(said)
        case 401:
            error = BadCredential(
                f"GitHub refuses the token ({refusal.message or 'Bad credentials'}).", _CURE_401
            )
        case 403:
            error = _explain_forbidden(refusal, said)
        case 404 | 410 | 451:
            error = Gone(said, "Was it deleted, or can the token not see it?")
        case 409 | 408 | 423 | 425:
            error = RetryLater(said)
        case status if status >= 500:
            error = Transient(said)
        case _:
            why = f" ({'; '.join(refusal.fields)})" if refusal.fields else ""
            error = Refused(f"{said.removesuffix('.')}{why}.", fields=refusal.fields)
    return error


def explain_graphql(kind: str, message: str, operation: str) -> DispatcherError:
    """The error for one entry of a GraphQL answer's `errors`; `kind` is its `type`."""
    said = f"GitHub answered {kind or 'an error'} to {operation}: {message}."
    match kind:
        case "NOT_FOUND":
            return Gone(said, "Was it deleted, or can the token not see it?")
        case "FORBIDDEN" | "INSUFFICIENT_SCOPES":
            return BadCredential(said, "Give the token the scope or permission that is missing.")
        case "UNPROCESSABLE" | "VALIDATION":
            return Refused(said)
        case "" if "something went wrong" in message.lower() or "timeout" in message.lower():
            return Transient(said)
        case "SERVICE_UNAVAILABLE" | "INTERNAL" | "LOADING":
            return Transient(said)
        case _:
            return Refused(said)


def _explain_forbidden(refusal: Refusal, said: str) -> DispatcherError:
    headers = refusal.headers
    if refusal.status == 401:
        return BadCredential(f"GitHub refuses the token ({refusal.message or 'Bad credentials'}).", _CURE_401)
    if "x-github-sso" in headers:
        return BadCredential(
            said, "Authorize the token for the organization's single sign-on (Configure SSO)."
        )
    accepted = _scopes(headers.get("x-accepted-oauth-scopes", ""))
    granted = _scopes(headers.get("x-oauth-scopes", ""))
    if accepted and "x-oauth-scopes" in headers and not accepted & granted:
        wanted = " or ".join(f"`{scope}`" for scope in sorted(accepted))
        return BadCredential(
            said, f"The token lacks the scope {wanted}: add it in the token's settings at GitHub."
        )
    if "not accessible by" in refusal.message:
        wanted = headers.get("x-accepted-github-permissions", "the permission for this")
        return BadCredential(said, f"Give the token {wanted} in its settings at GitHub.")
    if "archived" in refusal.message.lower():
        return NeedsPerson(said, "Unarchive the repository, or take it out of the configuration.")
    return NeedsPerson(said, "Give the bot account write access to the repository.")


def _scopes(header: str) -> frozenset[str]:
    return frozenset(scope.strip() for scope in header.split(",") if scope.strip())
