"""How this process writes its log: one line for each event on standard error, as JSON or for a terminal.

Everything that either side and its libraries log goes through here, so that nothing of a request gets in by the way. An
error's own words are written only where its class is known to hold none of a client's; a traceback says where, not with
what; a library's words only where it never sees a request. Knows structlog; knows nothing of jobs, HTTP or torch.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal

import structlog
from redis.exceptions import RedisError
from structlog.typing import EventDict, Processor

from contract.errors import DarkroomError
from contract.settings import LogSettings

log = structlog.get_logger("darkroom")

_OURS = "darkroom"
_PLAIN_ERRORS = (DarkroomError, RedisError)
"""Their words are ours, or those of a server and its connection. All others may quote what they could not use."""
_PLAIN_LIBRARIES = ("huggingface_hub", "opentelemetry", "uvicorn")
"""What these say from `warning` on names files, addresses and statuses."""
_LONGEST_WORDS = 500
_MOST_FRAMES = 30
_MOST_CAUSES = 10


def configure_logs(side: Literal["service", "worker"], settings: LogSettings) -> None:
    """To be called once, before anything is logged. Libraries are heard from `warning` on, whatever the level."""

    def add_side(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {"side": side, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _say_errors,
        add_side,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(settings.log_format)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # Not by way of the standard library, which would take five times as long for a line.
    structlog.configure(
        processors=[*shared, *rendering],
        logger_factory=lambda *_names: _StandardError(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_hear_library, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=max(logging.WARNING, level), handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level)
    logging.raiseExceptions = False  # it would print the arguments of a line that cannot be formatted
    _take_over_what_python_prints()


class _StandardError:
    """Where our own lines go. One that cannot be written is lost, as those of libraries are: nobody fails for it."""

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")

    debug = info = warning = error = critical = msg


def _rendering(log_format: str) -> list[Processor]:
    on_terminal = sys.stderr.isatty()
    if log_format == "console" or (log_format == "auto" and on_terminal):
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=plain, sort_keys=False)
        return [_order, _join_traceback, console]
    return [_order, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _order(_logger: Any, _method: str, event: EventDict) -> EventDict:
    first = ("timestamp", "level", "side", "event", "job_id", "owner")
    return {**{name: event[name] for name in first if name in event}, **event}


def _say_errors(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Errors among the values become words, and an `exc_info` the tracebacks of its chain."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = [_traceback(each) for each in _chain(error)]
    event.pop("stack_info", None)
    return {name: _words(value) if isinstance(value, BaseException) else value for name, value in event.items()}


def _words(error: BaseException) -> str:
    """One line: its class, and what it says where that is known to be harmless."""
    name = type(error).__name__
    said = _one_line(str(error)) if isinstance(error, _PLAIN_ERRORS) else ""
    return f"{name}: {said}" if said else name


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_WORDS]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, as Python would print them, the last one first."""
    each: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _traceback(error: BaseException) -> dict[str, Any]:
    """Files, lines and functions alone; the innermost frame last."""
    frames = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in walk_tb(error.__traceback__)
    ]
    return {"error": _words(error), "frames": frames[-_MOST_FRAMES:]}


def _join_traceback(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """As text below the line, which is how structlog shows it on a terminal."""
    if "exception" in event:
        stacks = [[stack["error"], *(f"  {frame}" for frame in stack["frames"])] for stack in event["exception"]]
        event["exception"] = "\n".join(f"    {line}" for stack in stacks for line in stack)
    return event


def _hear_library(_logger: Any, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    package = record.name.partition(".")[0]
    if package == _OURS:
        return event
    said = {"message": _one_line(event["event"])} if package in _PLAIN_LIBRARIES else {}
    where = f"{record.module}:{record.lineno}"
    return {**event, "event": "library", "logger": record.name, "where": where, **said}


def _take_over_what_python_prints() -> None:
    """Python itself prints warnings and uncaught errors in full."""

    def show_warning(*shown: Any, **_named: Any) -> None:
        _, category, filename, lineno, *_ = shown
        log.warning("python_warning", category=category.__name__, where=f"{filename}:{lineno}")

    def end_of_process(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            log.critical("process_failed", exc_info=error)

    def end_of_thread(ended: threading.ExceptHookArgs) -> None:
        name = ended.thread.name if ended.thread else None
        log.critical("thread_failed", thread=name, exc_info=ended.exc_value)

    def unraisable(ignored: "sys.UnraisableHookArgs") -> None:
        log.error("error_ignored", exc_info=ignored.exc_value)

    warnings.showwarning = show_warning
    sys.excepthook, threading.excepthook, sys.unraisablehook = end_of_process, end_of_thread, unraisable
