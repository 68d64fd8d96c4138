"""Record the exception of a call as text and plain data, without local variables."""

from __future__ import annotations

import builtins
import linecache
from dataclasses import dataclass
from types import CodeType, TracebackType

from honeytrace._capture.stdlib_types import mro, nearest, qualname, state
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

_MAX_ERROR_BYTES = 4096  # of the field `error`
_MAX_NAME_BYTES = 256  # reserved in `error` for the type of the exception
_END = " more characters]"
_MAX_WORD_CHARACTERS = 1024  # only a longer word may be cut in the middle
_MAX_FRAMES = 50
_MAX_EXCEPTIONS = 20  # in one error: with its causes and the members of groups
_MAX_NOTES = 20
_CANCELLED = ("CancelledError", "Cancelled", "GreenletExit")  # of asyncio, trio and gevent
_STEERING = {
    "airflow": ("AirflowSkipException", "AirflowRescheduleException", "TaskDeferred"),
    "arq": ("Retry", "RetryJob"),
    "celery": ("Retry", "Ignore", "Reject", "TaskPredicate"),
    "dagster": ("RetryRequested",),
    "dramatiq": ("Retry",),
    "huey": ("CancelExecution", "RetryTask"),
    "langgraph": ("GraphBubbleUp", "GraphInterrupt", "NodeInterrupt", "ParentCommand"),
    "prefect": ("Pause", "PrefectSignal"),
    "pydantic_ai": (
        *("ModelRetry", "CallDeferred", "ApprovalRequired", "SkipModelRequest"),
        *("SkipToolExecution", "SkipToolValidation", "ToolRetryError"),
    ),
    "scrapy": ("CloseSpider", "DontCloseSpider", "DropItem", "IgnoreRequest"),
    "streamlit": ("RerunException", "StopException"),
    "temporalio": ("ContinueAsNewError",),
    "tornado": ("Finish",),
}
"""For each package, the exceptions by which code tells a framework what to do next."""

_HTTP = ("starlette", "fastapi", "werkzeug", "aiohttp")
_HTTP_CODES = ("status_code", "code")
_EXIT_CODES = ("exit_code", "_code", "code", "returncode")

_GROUP = getattr(builtins, "BaseExceptionGroup", None)  # from Python 3.11 on

# A user's class may override these attributes, so they are read from the base class.
_own = BaseException.__dict__["__dict__"].__get__
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_trace = BaseException.__dict__["__traceback__"].__get__
_code = SystemExit.__dict__["code"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__


def failure(error: BaseException | None) -> Failure | None:
    """Return the failure that an exception means; None if it ends the call normally."""
    if error is None or _is_orderly(error):
        return None
    details = _details(error, set())
    name, words = details["type"], details["message"]
    status = "cancelled" if name in _CANCELLED else "error"
    text = _cut(f"{name}: {words}" if words else name, _MAX_ERROR_BYTES)
    return Failure(text, status, details, text.endswith(_END))


def _is_orderly(error: BaseException) -> bool:
    """Return whether this exception is not an error.

    It may close a generator, end the program with exit code 0, redirect a browser, or tell a
    framework what to do next.

    Command-line libraries end a command in their own way. click and typer raise an exception with
    an `exit_code`; others raise a class called `Exit` with a code under another name.
    """
    kind = type(error)  # `isinstance` would ask the user's class for `__class__`
    if issubclass(kind, GeneratorExit) or _steers(kind) or _redirects(error, kind):
        return True
    if issubclass(kind, SystemExit):
        code = _code(error)
        return code is None or _is_zero(code)
    own = state(error, kind)
    names = _EXIT_CODES if any(qualname(each) == "Exit" for each in mro(kind)) else _EXIT_CODES[:1]
    return any(_is_zero(own.get(name, nearest(kind, name))) for name in names)


def _steers(kind: type) -> bool:
    """Return whether exceptions of a class only tell a framework what to do next."""
    return any(qualname(each) in _STEERING.get(_package(each), ()) for each in mro(kind))


def _package(kind: type) -> str:
    return str(nearest(kind, "__module__")).partition(".")[0]


def _redirects(error: BaseException, kind: type) -> bool:
    """Return whether this is an answer of a web framework that is not an error, as a redirect."""
    if not any(qualname(each) == "HTTPException" and _package(each) in _HTTP for each in mro(kind)):
        return False
    own = state(error, kind)
    codes = (own.get(name, nearest(kind, name)) for name in _HTTP_CODES)
    return any(issubclass(type(code), int) and 100 <= code < 400 for code in codes)


def is_cancellation(error: BaseException) -> bool:
    """Return whether asyncio, trio or gevent raised this to cancel a task.

    `concurrent.futures.CancelledError` does not count: it says that a result is missing.
    """
    kind = type(error)
    return qualname(kind) in _CANCELLED and not issubclass(kind, Exception)


def _is_zero(code: object) -> bool:
    return type(code) in (int, bool) and code == 0


def _details(error: BaseException, told: set[int]) -> Json:
    """Describe an exception with its notes, its cause and, if it is a group, its members.

    Each exception is described once; `_MAX_EXCEPTIONS` bounds their number.
    """
    told.add(id(error))
    details: Json = {
        "type": type(error).__qualname__,
        "message": _message(error),
        "traceback": _frames(_trace(error)),
    }
    notes = _own(error).get("__notes__")
    if type(notes) is list:
        details["notes"] = [_cut(note) for note in notes[:_MAX_NOTES] if type(note) is str]
    cause = _cause(error)
    context = None if cause is not None or _suppressed(error) else _context(error)
    members = _members(error)
    for name, other in (("cause", cause), ("context", context)):
        # A group is often raised while its first member is handled: that one is a member.
        if (
            other is not None
            and _is_new(other, told)
            and all(other is not each for each in members)
        ):
            details[name] = _details(other, told)
    if members:
        known = [_details(each, told) for each in members if _is_new(each, told)]
        details["exceptions"] = known
        if len(known) < len(members):
            details["more_exceptions"] = len(members) - len(known)
    return details


def _is_new(error: BaseException, told: set[int]) -> bool:
    return id(error) not in told and len(told) < _MAX_EXCEPTIONS


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the members of an exception group, including the backport for Python 3.10."""
    if _GROUP and issubclass(type(error), _GROUP):
        return tuple(_GROUP.__dict__["exceptions"].__get__(error))
    if any(parent.__name__ == "BaseExceptionGroup" for parent in type(error).__mro__):
        return tuple(_own(error).get("_exceptions", ()))
    return ()


def _message(error: BaseException) -> str:
    words, fault = try_call(_text, error)  # its __str__ may be user code
    return f"[{type(fault).__name__} in __str__]" if words is None else _cut(words)


def _text(error: BaseException) -> str:
    return "".join((str(error),))  # `str` may return a subclass with methods of its own


def _cut(text: str, most: int = _MAX_ERROR_BYTES - _MAX_NAME_BYTES) -> str:
    """Cut a text to `most` bytes, between words: redaction would not recognize half a secret."""
    if len(text) * 4 <= most or (len(text) <= most and len(_encoded(text)) <= most):
        return text
    room = most - len(_encoded(f"… [{len(text)}{_END}"))
    kept = _encoded(text[:room])[:room].decode("utf-8", "ignore")
    head, *word = kept.rsplit(None, 1)
    if word and len(word[0]) < _MAX_WORD_CHARACTERS:
        kept = head
    return f"{kept}… [{len(text) - len(kept)}{_END}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _frames(trace: TracebackType | None) -> list[str]:
    """List the frames of a traceback, outermost first, without our own frames."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_ours(code):
            frames.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    more = len(frames) - _MAX_FRAMES
    return [f"… [{more} more frames]", *frames[more:]] if more > 0 else frames


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that ended a call, as it is recorded.

    Attributes:
        text: the type and message, for the field `error`.
        status: "error" or "cancelled".
        details: the exception as JSON data, for the metadata.
        cut: whether `text` was shortened.
    """

    text: str
    status: str
    details: Json
    cut: bool


FILE = "<traced by honeytrace>"
"""The file name of stand-ins for callables without Python code, which have no file to show."""

# Without lines, `inspect.getsource` raises, even inside pytest's report on a fixture.
linecache.cache[FILE] = (0, None, ["\n"] * 9, FILE)

MARK = "__honeytrace__"
"""The local variable that identifies stand-ins. It survives pickling by value."""


def is_ours(code: CodeType) -> bool:
    """Return whether this is the code of a stand-in, whose file and line are the user's."""
    return MARK in code.co_varnames
