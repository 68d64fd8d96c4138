"""`patch`: trace a function, method or class of somebody else's code by its path."""

from __future__ import annotations

import builtins
import threading
import time
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from honeytrace._config.live import live
from honeytrace._session.record import TraceSpec
from honeytrace._tracing.classes import methods_to_trace, spec_of_method
from honeytrace._tracing.decorate import decorate, is_traced
from honeytrace._tracing.options import parse_options
from honeytrace._utils.guard import try_call
from honeytrace.integrations._imports import (
    can_be_found,
    is_importing,
    loaded_again,
    spec_of,
    when_imported,
)
from honeytrace.integrations._members import Member, as_function, find

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from honeytrace._tracing.options import Options

_CLOCKS = (time.time_ns, time.perf_counter_ns)  # tracing a call reads them
_guard = live.guard.call


def patch(target: str, /, name: str | None = None, **options: Unpack[Options]) -> Patch:
    """Trace a function, method or class that you cannot decorate, because the code is not yours.

        honeytrace.patch("langchain_core.runnables.base:RunnableSequence.invoke", name="chain")

        with honeytrace.patch("shop.search:rank"):  # until the end of the block
            ...

    If the module is not imported yet, the patch waits for its import. If there is no such function,
    a warning names what is missing, and nothing else happens. A second patch of the same target
    returns the first one, so each call is one session. If the module has been reloaded since, that
    also puts the patch back. Code that has taken the function from its module before
    (`from shop.search import rank`) keeps the untraced one.

    Args:
        target: `"module:function"`, `"module:Class.method"` or `"module:Class"` for the public
            methods of a class.
        name: the session's name; by default the function's qualified name.
        options: further arguments of `trace_session`.

    Raises:
        TypeError, ValueError: if the target has another form, or an option cannot be used.
    """
    module, path = _parsed(target)
    if name is not None:
        options["name"] = name  # type: ignore[typeddict-unknown-key] # the overloads declare it
    spec = parse_options(options)
    with _lock:
        known = _patches.get(target)
        if known is not None and known.active:
            known._holders += 1
            known._renew(module)
            return known
        made = _patches[target] = Patch(target, path, spec)
    if not can_be_found(module):
        words = "no module named %r can be found; the patch of %r waits for its import"
        live.guard.warn(f"patch {target}", words, module, target)
    when_imported(module, made._apply)
    return made


_patches: dict[str, Patch] = {}
_lock = threading.RLock()


def _parsed(target: object) -> tuple[str, str]:
    """Return the module and the path inside it."""
    form = "give a string such as 'package.module:Class.method'"
    if not isinstance(target, str):
        raise TypeError(f"patch() cannot use {target!r}; {form}")
    module, colon, path = target.partition(":")
    names = [*module.split("."), *path.split(".")]
    if not colon or not all(each.isidentifier() for each in names):
        raise ValueError(f"patch() cannot use {target!r}; {form}")
    return module, path


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A member, and the traced stand-in that was put in its place."""

    member: Member
    traced: Any


class Patch:
    """The result of `patch(...)`. `undo()` puts the original back, and so does leaving `with`.

    Attributes:
        target: the path that was patched.
        active: False once it has been undone.
    """

    __slots__ = (
        "_holders",
        "_loaded",
        "_path",
        "_replaced",
        "_spec",
        "_waits",
        "active",
        "target",
    )

    def __init__(self, target: str, path: str, spec: TraceSpec) -> None:
        self.target = target
        self.active = True
        self._path = path
        self._spec = spec
        self._replaced: list[_Replaced] = []
        self._holders = 1
        self._loaded: object = None  # the `__spec__` of the module as it was patched
        self._waits = True  # for the import of the module

    def undo(self) -> bool:
        """Put the original back; return whether it is in place again.

        If another library has wrapped the function since, that wrapper must stay, and the traced
        function inside it too; a warning says so.
        """
        with _lock:
            self.active = False
            replaced, self._replaced = self._replaced, []
        restored = [self._restore(each) for each in reversed(replaced)]
        return all(restored)

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _lock:
            self._holders -= 1
            last = self._holders <= 0
        if last:
            self.undo()

    def __repr__(self) -> str:
        return f"<Patch {self.target!r} {self._state}>"

    @property
    def _state(self) -> str:
        if not self.active:
            return "undone"
        if self._waits:
            return "waiting for its import"
        return "active" if self._replaced else "without effect"

    def _renew(self, name: str) -> None:
        """Patch the module again if it has been loaded again."""
        module = loaded_again(name, self._loaded)
        if module is not None:
            # What a reload has put in place of ours must not be reported when this is undone.
            self._replaced = [each for each in self._replaced if each.member.holds(each.traced)]
            self._apply(module)

    def _apply(self, module: ModuleType) -> None:
        _guard(self._replace, module)

    def _replace(self, module: ModuleType) -> None:
        if not self.active:
            return
        self._waits = False
        self._loaded = None if is_importing(module) else spec_of(module)
        member = find(module, self._path)
        if member is None:
            yet = (
                " yet, as it is still being imported; call patch() again later"
                if is_importing(module)
                else ""
            )
            words = f"the module %r has no %r{yet}"
            self._warn(words, module.__name__, self._path)
        elif isinstance(member.value, type):
            self._replace_methods(member.value)
        else:
            self._replace_one(member, self._spec)

    def _replace_methods(self, owner: type) -> None:
        methods, error = try_call(methods_to_trace, owner, self._spec.methods)
        if error is not None:
            self._warn("%s", error)
        for name, value in (methods or {}).items():
            member = Member(owner, name, value, own=True)
            self._replace_one(member, spec_of_method(self._spec, name, value))

    def _replace_one(self, member: Member, spec: TraceSpec) -> None:
        if is_traced(member.value):
            return
        if member.owner is builtins or any(member.value is each for each in _CLOCKS):
            self._warn("honeytrace itself calls it, as it does other functions of Python")
            return
        _, error = try_call(self._put, member, spec)
        if error is not None:
            self._warn("%s", error)

    def _put(self, member: Member, spec: TraceSpec) -> None:
        traced = decorate(as_function(member), spec, member.in_class or None)
        member.replace(traced)
        self._replaced.append(_Replaced(member, traced))

    def _restore(self, replaced: _Replaced) -> bool:
        if replaced.member.holds(replaced.traced):
            replaced.member.restore()
            return True
        self._warn("something else has replaced it since, so it cannot be undone")
        return False

    def _warn(self, words: str, *arguments: object) -> None:
        live.guard.warn(
            f"patch {self.target}", f"cannot patch %r: {words}", self.target, *arguments
        )
