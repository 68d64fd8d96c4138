"""How a call ended that did not return: the exception as text and plain data, without locals."""

from __future__ import annotations

import builtins
from types import TracebackType

from honeytrace._faults import attempt
from honeytrace._record import Failure, Json
from honeytrace._variants import is_ours

_MOST = 4096  # bytes of `error`
_FRAMES = 50
_ALL = 20  # exceptions that are told of: causes of causes, members of groups
_NOTES = 20
_CANCELLED = ("CancelledError", "Cancelled")  # asyncio's and trio's, imported by neither

_GROUP = getattr(builtins, "BaseExceptionGroup", None)  # from Python 3.11 on

# Read past whatever a class of the user's may say of its attributes.
_own = BaseException.__dict__["__dict__"].__get__
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_trace = BaseException.__dict__["__traceback__"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__


def failure(error: BaseException | None) -> Failure | None:
    """The failure that an exception means; None for one that only ends things in order."""
    if error is None or isinstance(error, GeneratorExit):
        return None
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return None
    details = _details(error, set())
    name, words = details["type"], details["message"]
    status = "cancelled" if name in _CANCELLED else "error"
    return Failure(_cut(f"{name}: {words}" if words else name), status, details)


def _details(error: BaseException, told: set[int]) -> Json:
    """An exception with its notes, what led to it and, if it is a group, its members.

    Each is told of once, and of `_ALL` in all.
    """
    told.add(id(error))
    details: Json = {
        "type": type(error).__qualname__,
        "message": _words(error),
        "traceback": _frames(_trace(error)),
    }
    notes = _own(error).get("__notes__")
    if type(notes) is list:
        details["notes"] = [_cut(note) for note in notes[:_NOTES] if type(note) is str]
    cause = _cause(error)
    context = None if cause is not None or _suppressed(error) else _context(error)
    for name, other in (("cause", cause), ("context", context)):
        if other is not None and _is_new(other, told):
            details[name] = _details(other, told)
    members = _members(error)
    if members:
        known = [_details(each, told) for each in members if _is_new(each, told)]
        details["exceptions"] = known
        if len(known) < len(members):
            details["more_exceptions"] = len(members) - len(known)
    return details


def _is_new(error: BaseException, told: set[int]) -> bool:
    return id(error) not in told and len(told) < _ALL


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """The members of an exception group, of the standard's or of the backport for 3.10."""
    if _GROUP and issubclass(type(error), _GROUP):
        return tuple(_GROUP.__dict__["exceptions"].__get__(error))
    if any(parent.__name__ == "BaseExceptionGroup" for parent in type(error).__mro__):
        return tuple(_own(error).get("_exceptions", ()))
    return ()


def _words(error: BaseException) -> str:
    words, fault = attempt(_text, error)  # the exception is the user's, and so is its __str__
    return f"[{type(fault).__name__} in __str__]" if words is None else _cut(words)


def _text(error: BaseException) -> str:
    return "".join((str(error),))  # `str` may return a subclass, with methods of its own


def _cut(text: str) -> str:
    if len(text) * 4 <= _MOST:
        return text
    return text[:_MOST].encode("utf-8", "replace")[:_MOST].decode("utf-8", "ignore")


def _frames(trace: TracebackType | None) -> list[str]:
    """Where it was raised, outermost first, without the frames of our own."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_ours(code):
            frames.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames[-_FRAMES:]
