"""Tell exceptions of the code that we call from exceptions that interrupt it from outside.

A signal handler can raise anywhere in the main thread, and `PyThreadState_SetAsyncExc` anywhere in
any thread. Such an exception belongs to the program. We swallow an exception only if the traceback
proves that it began in the function that we called. The proof is that each frame was called by the
frame before it, and that the last instruction raised. In doubt, the exception propagates.

Three facts about the interpreter help. It passes the interrupted frame to the functions that it
calls by itself (signal handlers, trace functions), which no ordinary call does. It interrupts only
after a call, at a jump and at the start of a function. And it creates an injected exception from
its class without arguments.

Some exceptions leave no evidence. These are wrongly taken for a failure of the called code:

- those of a Python signal handler that deletes or overwrites both of its arguments, if it has the
  name of something that the interrupted function uses;
- the TypeError of calling a signal handler that takes no arguments;
- those of a class used as a signal handler, if its `__init__` deletes both arguments;
- an injected `StopIteration`, `StopAsyncIteration`, `GeneratorExit`, `queue.Empty` or
  `CancelledError`, and an injected class that cannot be created without arguments.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` looks up an enum for each: 300 µs, not 5
import builtins
import dis
import inspect
import sys
import threading
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from queue import Empty
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, TracebackType
from typing import Any

_BARE = (StopIteration, StopAsyncIteration, GeneratorExit, Empty)  # C raises these without args
_IDLE = ("RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "JUMP_FORWARD")  # they never call or raise
_INTERRUPTED = (*_IDLE, "CALL", "PRECALL", "POP_JUMP", "YIELD_VALUE")
_BINDS = ("STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF")
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

# Read these directly: a user's class may define properties with the same names.
_args = BaseException.__dict__["args"].__get__
_trace = BaseException.__dict__["__traceback__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_parents = type.__dict__["__mro__"].__get__
_members = type.__dict__["__dict__"].__get__


def from_outside(
    error: BaseException, function: object = None, *, silent: bool = True
) -> BaseException | None:
    """Return the exception that must propagate, or None if `function` failed by itself.

    Call it in the `except` clause around `function(…)`. It returns `error` if that came from
    outside. If instead our clean-up raised `error` while it handled an exception from outside, it
    returns the latter. With `silent`, signal handlers not written in Python are suspected as well.
    """
    if type(error) is RecursionError:  # raised before a call begins, so its traceback cannot tell
        return None
    try:
        return _search(error, function, silent)
    except RecursionError:  # no frames left to search; the function failed for the same reason
        return None


def let_through(error: BaseException, function: object = None) -> None:
    """Raise the exception that `from_outside` returns, if any.

    For narrow `except` clauses that run often on the caller's thread. It does not suspect signal
    handlers in C: that would be wrong almost every time.
    """
    raised = from_outside(error, function, silent=False)
    if raised is not None:
        context = _context(raised)
        try:
            raise raised
        finally:
            raised.__context__ = context  # as it was before the `except` clause
            del raised, error, context  # or they would live until the next collection


class ignoring:  # noqa: N801 - used like `contextlib.suppress`
    """Ignore exceptions of these kinds, except for those that come from outside.

    with ignoring(FileNotFoundError):
        path.unlink()
    """

    def __init__(self, *kinds: type[Exception]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        """Begin; there is nothing to set up."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if error is None or kind is None or not issubclass(kind, self._kinds):
            return False
        raised = from_outside(error, silent=False)
        if raised is not None and raised is not error:
            context = _context(raised)
            try:
                raise raised
            finally:
                raised.__context__ = context  # see `let_through`
                del raised, error, trace, context
        return raised is None


def _search(error: BaseException, function: object, silent: bool) -> BaseException | None:
    """Look through `error` and the exceptions that were being handled when it was raised."""
    inside: list[FrameType] = []
    for _ in range(20):  # users can build a chain of contexts that is a cycle
        entries = [entry := _trace(error)]
        while (entry := entry.tb_next) is not None:
            entries.append(entry)
        if _has_arrived(error, entries, function) or not _is_raised(error, entries[-1], silent):
            return error
        inside += [each.tb_frame for each in entries if inside or each is not entries[0]]
        error = _context(error)
        if error is None or not _trace(error) or _trace(error).tb_frame not in inside:
            break  # the caller was handling this one before
    return None


def _has_arrived(error: BaseException, entries: list[TracebackType], function: object) -> bool:
    """Return True if a frame was not called by the one before it."""
    if issubclass(type(error), (KeyboardInterrupt, MemoryError)):
        return True
    for entry, after in pairwise(entries):
        caller, frame = entry.tb_frame, after.tb_frame
        if _is_told(frame):
            return True
        if frame.f_back is not caller or frame.f_code.co_flags & _GENERATOR:
            continue  # re-raised, or thrown into a generator
        known = (function,) if entry is entries[0] else caller.f_locals.values()
        calls = not _opcode(entry).startswith(_IDLE)
        if not calls or (not _can_name(caller, known, frame) and _may_be_handler(frame)):
            return True
    return False


def _is_told(frame: FrameType) -> bool:
    """Return True if a function has its caller's frame, or the code of it, as an argument."""
    code, caller = frame.f_code, frame.f_back
    count = code.co_argcount + code.co_kwonlyargcount
    values = [frame.f_locals.get(name) for name in code.co_varnames[:count]]
    if code.co_flags & inspect.CO_VARARGS:
        rest = frame.f_locals.get(code.co_varnames[count])
        values += rest if type(rest) is tuple else ()
    return caller is not None and any(each is caller or each is caller.f_code for each in values)


def _can_name(caller: FrameType, known: Iterable[object], frame: FrameType) -> bool:
    """Return True if `caller` names the function of `frame`, or has it in a variable."""
    code, own = frame.f_code, caller.f_code
    names = (*own.co_names, *own.co_varnames, *own.co_freevars, *own.co_cellvars)
    if code.co_name in names or (code.co_name.startswith("__") and code.co_name != "__call__"):
        return True  # operators call methods such as `__add__` without naming them
    owner = type(frame.f_locals.get(code.co_varnames[0])) if code.co_varnames else object
    values = [*known, *map(caller.f_globals.get, names), *(_member(owner, name) for name in names)]
    return any(_code(value) is code for value in values)


def _may_be_handler(frame: FrameType) -> bool:
    """Return True if the arguments may have been a signal number and a frame, now overwritten."""
    code, names = frame.f_code, frame.f_code.co_varnames[: frame.f_code.co_argcount]
    rest = code.co_varnames[len(names) + code.co_kwonlyargcount :][: code.co_flags >> 2 & 1]
    bound = set(code.co_cellvars)  # an inner function may have overwritten these
    for step in dis.get_instructions(code) if rest or len(names) > 1 else ():
        if step.opname.startswith(_BINDS):
            bound.update(step.argval if type(step.argval) is tuple else (step.argval,))
    return not bound.isdisjoint(rest) or any(
        second in bound and (first in bound or type(frame.f_locals.get(first)) is int)
        for first, second in pairwise(names)
    )


def _code(function: Any) -> CodeType | None:
    """Return the code that a call runs first; None if it would leave no frame in a traceback."""
    while issubclass(type(function), (partial, MethodType)):
        function = function.__func__ if type(function) is MethodType else function.func
    call = function if _member(type(function), "__code__") else _member(type(function), "__call__")
    return getattr(call, "__code__", None)


def _member(kind: type, name: str) -> Any:
    """Return an attribute as the class defines it, without asking the metaclass."""
    return next((_members(base)[name] for base in _parents(kind) if name in _members(base)), None)


def _is_raised(error: BaseException, last: TracebackType, silent: bool) -> bool:
    """Return True if the last instruction in the traceback, or C code called by it, raised this."""
    kind, code, opcode, context = type(error), last.tb_frame.f_code, _opcode(last), _context(error)
    before = context and _trace(context)
    # Python 3.10 can also interrupt while it enters an `except`, at the instruction that raised.
    caught = before and (before.tb_frame, before.tb_lasti) == (last.tb_frame, last.tb_lasti)
    ordinary = issubclass(kind, (Exception, SystemExit))  # others may be thrown into a greenlet
    if opcode.startswith("RAISE") or (opcode == "NATIVE" and ordinary):
        return not caught
    if opcode.startswith(_IDLE) and not code.co_flags & _GENERATOR:
        return False
    if ordinary and (_is_foreign(kind) or (_args(error) and not _fills_itself(kind))):
        return not (silent and _has_silent_handler())
    if issubclass(kind, SystemExit):
        return "exit" in code.co_names
    asyncio: Any = sys.modules.get("asyncio.exceptions")  # slow to import, so only if it is loaded
    bare = (*_BARE, asyncio.CancelledError) if asyncio else _BARE
    return issubclass(kind, bare) or not (caught or opcode.startswith((*_INTERRUPTED, "NATIVE")))


def _opcode(entry: TracebackType) -> str:
    """Return the last instruction that a frame ran; NATIVE for a frame that Cython made up."""
    steps, at = entry.tb_frame.f_code.co_code, entry.tb_lasti
    if len(steps) <= 6 and not entry.tb_frame.f_code.co_consts:
        return "NATIVE"
    while at >= 0 and dis.opname[steps[at]] == "CACHE":
        at -= 2
    while at >= 0 and dis.opname[steps[at]] == "EXTENDED_ARG":
        at += 2  # pragma: no cover - later versions than 3.10 point to the instruction itself
    return dis.opname[steps[at]] if at >= 0 else "RESUME"


def _is_foreign(kind: type) -> bool:
    """Return True if the `__new__` of a class comes from an extension module.

    Pydantic's ValidationError, for example, has empty `args`, but only C code can create one.
    """
    maker = _member(kind, "__new__")
    owner = getattr(maker, "__self__", None)
    return type(maker) is BuiltinFunctionType and owner not in vars(builtins).values()


def _fills_itself(kind: type) -> bool:
    """Return True if a class may fill `args` even when it is called without arguments."""
    makers = [_member(kind, name) for name in ("__new__", "__init__")]
    own = [getattr(each, "__func__", each) for each in makers]
    own = [each for each in own if type(each) is FunctionType]
    return bool(own) and all(len(m.__defaults__ or ()) >= m.__code__.co_argcount - 1 for m in own)


def _has_silent_handler() -> bool:
    """Return True if some signal handler could raise here without leaving a frame."""
    if threading.get_ident() != threading.main_thread().ident:
        return False
    handlers = [each for each in map(_signal.getsignal, range(1, _signal.NSIG)) if callable(each)]
    return any(_code(each) is None and each is not _signal.default_int_handler for each in handlers)
