"""What the simulated forge answers when it says no: each refusal carries GitHub's status and wording."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of the `errors` list that GitHub adds to a 422."""

    resource: str
    code: str
    field: str
    message: str = ""


class Refused(Exception):
    """The forge does not do what was asked; `status` is the HTTP status of the answer."""

    status = 400
    message = "Bad Request"

    def __init__(self, message: str = "", errors: tuple[FieldError | str, ...] = ()) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.errors = errors


class Unauthorized(Refused):
    """401: the token is unknown, expired or revoked."""

    status = 401
    message = "Bad credentials"


class Forbidden(Refused):
    """403: the caller sees the thing, but may not do this to it."""

    status = 403
    message = "Resource not accessible by personal access token"


class NotFound(Refused):
    """404: it does not exist, or the token cannot see it; GitHub does not say which."""

    status = 404
    message = "Not Found"


class NotAllowed(Refused):
    """405: the pull request cannot be merged as it stands."""

    status = 405
    message = "Pull Request is not mergeable"


class Conflict(Refused):
    """409: the head is not the one that the caller expected."""

    status = 409
    message = "Head branch was modified. Review and try the merge again."


class Invalid(Refused):
    """422: well-formed, but against the rules."""

    status = 422
    message = "Validation Failed"
