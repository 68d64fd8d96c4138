"""Carry the current session into threads, executors and other processes."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import thread as _pools
from contextlib import ExitStack
from typing import Any, Generic, ParamSpec, TypeVar, cast

from honeytrace._config.live import live
from honeytrace._delivery.senders import THREADS
from honeytrace._session import context
from honeytrace._session.record import CallRecord
from honeytrace._session.scope import carried
from honeytrace.propagation._headers import extract, inject

_P = ParamSpec("_P")
_R = TypeVar("_R")


def bind(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a function that runs `function` inside the session that is current now.

        pool.submit(bind(retrieve), question)
        threading.Thread(target=bind(work)).start()

    It can be called from any thread, as often as you like. It can be pickled if `function` can be,
    so it also works with process pools. Sessions that start inside become children of that session,
    even if it has ended by then. Other context variables are left alone.

    Raises `TypeError` for something that cannot be called.
    """
    if not callable(function):
        raise TypeError(f"bind() takes a function, not {function!r}; {_advice(function)}")
    if inspect.iscoroutinefunction(function):
        return cast("Callable[_P, _R]", _bound_coroutine(function))
    return Bound(function)


def _advice(given: object) -> str:
    """Return what to do about something that was given to `bind` and is not a function."""
    if isinstance(given, Executor):
        return "bind the functions that you submit to it"
    if inspect.iscoroutine(given):
        return "give the coroutine function; tasks and `asyncio.gather` need no bind()"
    return "give its arguments later"


class Bound(Generic[_P, _R]):
    """A function that runs inside the session that was current when it was bound."""

    def __init__(self, function: Callable[_P, _R]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._record = carried(context.get())
        self._override = live.override.get()  # the capture of this context in a test

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        outer = _enter(self._record)
        captured = live.override.set(self._override)
        try:
            return self._function(*args, **kwargs)
        finally:
            live.override.reset(captured)
            context.make_current(outer)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Pickle the ids alone: in another process the session is only a parent."""
        outer = _enter(self._record)
        try:
            return _Remote, (self._function, inject({}))
        finally:
            context.make_current(outer)


class _Remote:
    """A bound function that was pickled."""

    def __init__(self, function: Callable[..., Any], carrier: dict[str, str]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._carrier = carrier

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with extract(self._carrier):
            return self._function(*args, **kwargs)


def _enter(record: CallRecord | None) -> CallRecord | None:
    """Make a record current and return the one that was."""
    outer = context.get()
    context.make_current(record)
    return outer


def _bound_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    record = carried(context.get())

    @functools.wraps(function)
    async def bound(*args: Any, **kwargs: Any) -> Any:
        outer = _enter(record)
        try:
            return await function(*args, **kwargs)
        finally:
            context.make_current(outer)

    return bound


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """A `ThreadPoolExecutor` whose calls run inside the session that they were submitted in.

    This includes calls by `map` and by `loop.run_in_executor`. It takes the arguments of a
    `ThreadPoolExecutor`. Functions that are bound already run in the session they were bound in.

    Raises `TypeError` for an executor: submit bound functions to that one instead.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **others: Any,
    ) -> None:
        if isinstance(max_workers, Executor):
            raise TypeError(
                "ContextThreadPoolExecutor() is an executor itself and cannot wrap "
                f"{max_workers!r}; submit bind(function) to that one"
            )
        super().__init__(max_workers, thread_name_prefix, initializer, initargs, **others)

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        return super().submit(_bound(fn), *args, **kwargs)


def _bound(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Bind a function; leave what cannot be called to the executor, which reports it."""
    return bind(function) if callable(function) else function


class _Patch:
    """Replaces a method by one that calls `around(original, *args, **kwargs)`.

    If somebody else has patched the same method since, ours stays below theirs and does nothing.
    """

    def __init__(self, owner: type, name: str, around: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._around = around
        self._ours: Any = None
        self._original: Any = None
        self._on = False

    def make(self) -> bool:
        """Patch the method; return False if it is patched already."""
        if self._on:
            return False
        self._on = True
        if self._ours is None:
            self._original = vars(self._owner)[self._name]
            self._ours = self._replacement(self._original)
            setattr(self._owner, self._name, self._ours)
        return True

    def undo(self) -> None:
        self._on = False
        if self._ours is not None and vars(self._owner)[self._name] is self._ours:
            setattr(self._owner, self._name, self._original)
            self._ours = None

    def _replacement(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if not self._on:
                return original(*args, **kwargs)
            return self._around(original, *args, **kwargs)

        return replacement


def _linked_start(start: Callable[..., None], thread: threading.Thread) -> None:
    if _needs_link(thread):
        run: Callable[[], None] = Bound(thread.run)

        def linked() -> None:
            vars(thread).pop("run", None)  # it refers to the thread, which would be a cycle
            run()

        thread.run = linked  # type: ignore[method-assign]
    start(thread)


def _needs_link(thread: threading.Thread) -> bool:
    """Return False for threads that inherit the context and for those that only serve others.

    Each call that an executor runs is linked by itself.
    """
    if context.get() is None or getattr(sys.flags, "thread_inherit_context", False):
        return False
    serves = vars(thread).get("_target") is _pools._worker
    return not (serves or thread.name.startswith(THREADS))


def _linked_submit(
    submit: Callable[..., Any], pool: ThreadPoolExecutor, fn: Any, /, *args: Any, **kwargs: Any
) -> Any:
    return submit(pool, _bound(fn), *args, **kwargs)


_patches = (
    _Patch(threading.Thread, "start", _linked_start),
    _Patch(ThreadPoolExecutor, "submit", _linked_submit),
)


def link_threads() -> ExitStack:
    """Link the threads of this program to the session that starts them, until `unlink_threads`.

    From now on a session in a `threading.Thread`, a `Timer`, a `ThreadPoolExecutor` or
    `loop.run_in_executor` becomes a child of the session that started the thread or submitted the
    call. Calling it twice is harmless. It changes the methods `Thread.start` and
    `ThreadPoolExecutor.submit`; use `bind` or `ContextThreadPoolExecutor` to change nothing.

    The result can be used in `with`, which unlinks the threads at the end.
    """
    undo = ExitStack()
    for patch in _patches:
        if patch.make():
            undo.callback(patch.undo)
    return undo


def unlink_threads() -> None:
    """Undo `link_threads`. Threads that run already stay linked."""
    for patch in _patches:
        patch.undo()
