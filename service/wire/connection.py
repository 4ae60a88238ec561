"""The HTTP protocol of the server, with bounds that uvicorn's own has not, and problem documents of its own.

Anybody can connect, before any key is asked for. What a connection can hold is bounded in bytes and in seconds: the
head of a request, a body that nobody reads, an answer that its client does not read. Knows bytes; knows nothing of what
they ask for.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import HeadTooLarge, HeadTooSlow, InvalidRequest, ServiceError, TargetTooLong
from service.exception_handlers import problem

MAX_HEAD_BYTES = 128 * 1024
"""Looked at once for each read, so a head can be larger by one of them: 256 KiB."""
HEAD_SECONDS = 30.0
"""From the connection, or the first byte of a later request, to the end of the head."""
MAX_UNREAD_BYTES = 1024**2
"""Of a body whose request has been answered: read on and thrown away, so that the answer arrives."""
MAX_TARGET_BYTES = 32 * 1024
"""Of the path and the query; more than a list's filters can take."""
UNREAD_SECONDS = 10.0
READING_SECONDS = 30.0
"""Within each such span a client must take LEAST_READ_BYTES of an answer that waits for it."""
LEAST_READ_BYTES = 32 * 1024


class Connection(HttpToolsProtocol):
    """One connection; closed where its client goes beyond a bound."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.url = b""
        self._in_head = self._in_body = self._deaf = False
        self._head_bytes = self._unread_bytes = 0
        self._timer = _Timer(self.loop)
        self._reading_timer = _Timer(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.stop()
        self._reading_timer.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        went_on = self._in_head
        super().data_received(data)
        if self._in_head and went_on:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge(f"The head of a request must be at most {MAX_HEAD_BYTES} bytes."))
        elif not (self._in_head or self._in_body or self._is_answering):
            # Empty lines between two requests: the server's own timer has ended with the first.
            self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise _Refused

    def on_headers_complete(self) -> None:
        self._check_framing()
        self._in_head, self._in_body, self._unread_bytes = False, True, 0
        self._timer.stop()
        super().on_headers_complete()
        if self.parser.should_upgrade():  # the parser reads nothing after it
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > MAX_UNREAD_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._timer.stop()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answering:
            return
        if self._in_body:
            self._timer.start(UNREAD_SECONDS, self.transport.close)
        elif self._in_head:  # of the next request: its client has waited, not dawdled
            self._timer.start(HEAD_SECONDS, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._reading_timer.stop()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        if len(self.url) > MAX_TARGET_BYTES:
            self._refuse(TargetTooLong(f"Path and query must be at most {MAX_TARGET_BYTES} bytes."))
        else:
            self._refuse(InvalidRequest("This is no HTTP/1.1 request that can be taken."))

    def _unsupported_upgrade_warning(self) -> None:
        """Not worth a line in the log: anybody may ask, and is answered in HTTP/1.1."""

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _check_framing(self) -> None:
        """What the parser lets through and two servers in a row could read differently (RFC 9112, sections 3.2, 6.1).

        Raises _Refused.
        """
        fields = Headers(raw=self.headers)
        is_old = self.parser.get_http_version() == "1.0"
        hosts = len(fields.getlist("host"))
        if hosts > 1 or (hosts == 0 and not is_old):
            raise _Refused
        codings = [each.lower() for each in fields.getlist("transfer-encoding")]
        if codings and (codings != ["chunked"] or is_old):
            raise _Refused
        # The parser takes what follows an Upgrade for another protocol, and its body with it.
        if self.parser.should_upgrade() and ("content-length" in fields or codings):
            raise _Refused
        if not self.url.startswith((b"/", b"*")):
            host = httptools.parse_url(self.url).host
            self.headers[:] = [(name, host if name == b"host" else value) for name, value in self.headers]

    def _expect_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._timer.start(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        # A client may begin its next request while it waits for an answer: that one is still to be given.
        if self._is_answering:
            self._timer.start(HEAD_SECONDS, self._give_up)
        elif self._has_begun:
            self._refuse(HeadTooSlow(f"The head must have come within {HEAD_SECONDS:.0f} seconds."))
        else:
            self.transport.close()

    @property
    def _has_begun(self) -> bool:
        """Whether there is anything of the request that is waited for."""
        return self.scope is not None and "method" not in self.scope

    def _refuse(self, error: ServiceError) -> None:
        """Answers what never became a request, and hangs up. No answer that is under way is cut into."""
        self._deaf = True
        if self._is_answering:
            own_body = self._in_body and not self.pipeline and not self.cycle.response_started
            if not own_body:
                self.cycle.keep_alive = False
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self._on_the_wire(error))
        self.transport.close()

    def _on_the_wire(self, error: ServiceError) -> bytes:
        answer = problem(error)
        headers = [*self.server_state.default_headers, *answer.raw_headers]
        if "connection" not in answer.headers:
            headers.append((b"connection", b"close"))
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        return b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", bytes(answer.body)])

    def _watch_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._reading_timer.start(READING_SECONDS, lambda: self._judge_reader(left))

    def _judge_reader(self, left_before: int) -> None:
        if left_before - self.transport.get_write_buffer_size() < LEAST_READ_BYTES:
            self.transport.abort()
        else:
            self._watch_reader()


class _Refused(Exception):
    """Raised to the parser, which makes an error of it like those of its own."""


class _Timer:
    """Calls something in a while, unless it is stopped or started anew before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, then: Callable[[], None]) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, then)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
