"""A verb of the client as a generator: it yields requests and pauses, is sent the answers, and returns its result.

So each verb is written once, for the client that blocks and for the one that awaits; these two carry out what is
yielded. Knows how an answer is told from an error; sends nothing.
"""

import email.utils
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from darkroom.client.errors import CannotConnect, DarkroomError, UnexpectedAnswer, problem_class
from darkroom.client.records import FieldProblem
from darkroom.client.tries import Tries

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request, as data. `path` is below the base URL; `read_seconds` is None for the client's own timeout."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """Bytes as they are, anything else as JSON."""
    read_seconds: float | None = None
    accepted: frozenset[int] = frozenset()
    """Statuses that are no error, beside the successful ones."""

    def arguments(self, timeout: httpx.Timeout) -> dict[str, Any]:
        """What `request` and `stream` of an httpx client take; `timeout` is that client's."""
        read = timeout.read if self.read_seconds is None else self.read_seconds
        return {
            "method": self.method,
            "url": self.path,
            "params": list(self.query),
            "headers": self.headers,
            ("content" if isinstance(self.body, bytes) else "json"): self.body,
            "timeout": httpx.Timeout(read, connect=timeout.connect, write=timeout.write, pool=timeout.pool),
        }


@dataclass(frozen=True)
class Pause:
    seconds: float


Reply = httpx.Response | httpx.RequestError
"""What is sent for a Request: an answer that was read to its end, or why there is none. For a Pause, None."""
Exchange = Generator[Request | Pause, Any, T]


def ask(request: Request, tries: Tries) -> Exchange[httpx.Response]:
    """A good answer, once there is one. Raises CannotConnect or a Problem."""
    while True:
        reply: Reply = yield request
        # Where the answer to a former try was lost, that one has deleted it.
        if tries.failed and request.method == "DELETE" and _status(reply) == HTTPStatus.NOT_FOUND:
            reply = httpx.Response(HTTPStatus.NO_CONTENT)
        if isinstance(reply, httpx.Response) and (reply.is_success or reply.status_code in request.accepted):
            return reply
        yield Pause(tries.pause_after(error_of(reply)))


def _status(reply: Reply) -> int | None:
    return reply.status_code if isinstance(reply, httpx.Response) else None


def error_of(reply: Reply) -> DarkroomError:
    """Of a reply that is none of success."""
    if isinstance(reply, httpx.RequestError):
        error = CannotConnect(f"{_asked(reply)} does not answer: {str(reply) or type(reply).__name__}")
        error.__cause__ = reply
        return error
    try:
        document = json.loads(reply.content)
        code, detail = str(document["code"]), str(document["detail"])
        errors = TypeAdapter(list[FieldProblem]).validate_python(document.get("errors") or [])
    except (ValueError, TypeError, KeyError):  # from a proxy, or another server
        code, detail, errors = f"http_{reply.status_code}", reply.reason_phrase, []
        if reply.has_redirect_location:
            detail += "; redirects are not followed, is base_url right?"
    return problem_class(reply.status_code, code)(
        reply.status_code, code, detail, errors, _retry_after(reply), reply.headers.get("x-request-id")
    )


def _asked(error: httpx.RequestError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # raised outside of httpx
        return "the service"
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _retry_after(answer: httpx.Response) -> float | None:
    """In seconds, as RFC 9110 has it: a number, or a date."""
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def read(kind: type[T], content: bytes | str) -> T:
    """JSON that the service sent, as that type. Raises UnexpectedAnswer."""
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        reason = f"what answered is not Darkroom, or too new for this client ({place}: {first['msg']})"
        raise UnexpectedAnswer(reason) from None
