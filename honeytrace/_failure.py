"""How a call ended that did not return: the exception as text and plain data, without locals."""

from __future__ import annotations

from types import TracebackType

from honeytrace._faults import attempt
from honeytrace._session import Failure, Json

_MOST = 4096  # bytes of `error`
_FRAMES = 50
_CANCELLED = ("CancelledError", "Cancelled")  # asyncio's and trio's, imported by neither


def failure(error: BaseException | None) -> Failure | None:
    """The failure that an exception means; None for one that only ends things in order."""
    if error is None or isinstance(error, GeneratorExit):
        return None
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return None
    name = type(error).__qualname__
    words = _words(error)
    details: Json = {"type": name, "message": words, "traceback": _frames(error.__traceback__)}
    status = "cancelled" if name in _CANCELLED else "error"
    return Failure(_cut(f"{name}: {words}" if words else name), status, details)


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
    """Where it was raised, outermost first; the first frame is our own and left out."""
    frames = []
    trace = trace.tb_next if trace is not None else None
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames[-_FRAMES:]
