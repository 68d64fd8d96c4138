"""`instrument` and `uninstrument`: record every call that known SDKs make to a model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

from honeytrace._config.live import live
from honeytrace._utils.guard import try_call
from honeytrace._utils.text import did_you_mean
from honeytrace.integrations import _litellm, _stainless
from honeytrace.integrations._imports import is_importing, loaded_again, spec_of, when_imported
from honeytrace.integrations._members import Member, as_function, find, overriding, taken
from honeytrace.integrations._presets import ANTHROPIC, LITELLM, OPENAI
from honeytrace.integrations._stainless import Sdk

_guard = live.guard.call
_VARIABLE = "HONEYTRACE_INSTRUMENT"
_OFF = ("", "0", "false", "no", "off", "none")
_ALL = ("1", "true", "yes", "on", "all")

Wrap = Callable[[Callable[..., Any], Any], Callable[..., Any]]


class Part(NamedTuple):
    """A method that is replaced.

    Attributes:
        module: the module that it is defined in.
        path: its path inside the module.
        wrap: makes the replacement from the method and the SDK.
        needed: whether nothing is recorded without it.
    """

    module: str
    path: str
    wrap: Wrap
    needed: bool = False


class Preset(NamedTuple):
    """The instrumentation of one SDK."""

    sdk: Sdk
    parts: tuple[Part, ...]


def _stainless_parts(package: str) -> tuple[Part, ...]:
    base, streaming = f"{package}._base_client", f"{package}._streaming"
    return (
        Part(base, "SyncAPIClient.request", _stainless.sync_request, needed=True),
        Part(base, "AsyncAPIClient.request", _stainless.async_request, needed=True),
        Part(base, "SyncAPIClient._process_response", _stainless.sync_response),
        Part(base, "AsyncAPIClient._process_response", _stainless.async_response),
        Part(streaming, "Stream.__stream__", _stainless.sync_stream),
        Part(streaming, "AsyncStream.__stream__", _stainless.async_stream),
    )


def _litellm_parts() -> tuple[Part, ...]:
    streams = "litellm.litellm_core_utils.streaming_handler"
    responses = "litellm.responses.streaming_iterator"
    names = [each for name in _litellm.SHAPES for each in (name, f"a{name}")]
    return (
        *(Part("litellm", name, _litellm.function, needed=name == "completion") for name in names),
        Part(streams, "CustomStreamWrapper.__next__", _litellm.sync_step),
        Part(streams, "CustomStreamWrapper.__anext__", _litellm.async_step),
        Part(responses, "SyncResponsesAPIStreamingIterator.__next__", _litellm.sync_step),
        Part(responses, "ResponsesAPIStreamingIterator.__anext__", _litellm.async_step),
    )


PRESETS = {
    "openai": Preset(OPENAI, _stainless_parts("openai")),
    "anthropic": Preset(ANTHROPIC, _stainless_parts("anthropic")),
    "litellm": Preset(LITELLM, _litellm_parts()),
}


class _Replaced(NamedTuple):
    member: Member
    made: Any


class _Installed(NamedTuple):
    """Records how one SDK is instrumented.

    Attributes:
        replaced: its members that have been replaced.
        loaded: for each of its modules, the `__spec__` of the module as it was replaced.
    """

    replaced: list[_Replaced]
    loaded: dict[str, object]


_installed: dict[str, _Installed] = {}
_lock = threading.RLock()


def instrument(*names: str) -> None:
    """Record each call that the known SDKs make to a model, as a session of its own.

        honeytrace.instrument()                       # all of them
        honeytrace.instrument("openai", "anthropic")

    SDKs that are imported later are included. Nothing is imported here. Calling it again changes
    nothing, unless a module of an SDK has been reloaded since. The SDKs return and send the same as
    before.

    Args:
        names: "openai", "anthropic" or "litellm"; all of them for "all" or none.

    Raises:
        TypeError, ValueError: if a name is not that of a known SDK.
    """
    for name in _checked(names):
        preset = PRESETS[name]
        with _lock:
            made, parts = _installed.get(name), preset.parts
            if made is None:
                made = _installed[name] = _Installed([], {})
                preset.sdk.active.append(True)
            else:
                parts = tuple(part for part in parts if _is_reloaded(part.module, made))
        for part in parts:
            when_imported(part.module, partial(_apply, preset, part, made))


def _is_reloaded(module: str, made: _Installed) -> bool:
    return loaded_again(module, made.loaded.get(module)) is not None


def uninstrument(*names: str) -> None:
    """Stop recording the calls of these SDKs, or of all, and put their methods back.

    Raises:
        TypeError, ValueError: if a name is not that of a known SDK.
    """
    for name in _checked(names):
        with _lock:
            PRESETS[name].sdk.stop()
            installed = _installed.pop(name, None)
        for member, made in reversed(installed.replaced if installed else []):
            # If another library has wrapped ours since, ours stays inside and does nothing.
            if member.holds(made):
                member.restore()


def instrument_from_environment() -> None:
    """Instrument the SDKs that HONEYTRACE_INSTRUMENT names; `all` means every known one."""
    value = os.environ.get(_VARIABLE, "").strip().lower()
    if value in _OFF:
        return
    for name in PRESETS if value in _ALL else value.split(","):
        _, error = try_call(instrument, name.strip()) if name.strip() else (None, None)
        if error is not None:
            live.guard.warn(f"{_VARIABLE} {name}", "%s=%s: %s", _VARIABLE, value, error)


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    if names == ("all",):
        return tuple(PRESETS)
    known = ", ".join(PRESETS)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is not the name of an SDK; give one of {known}")
        if name not in PRESETS:
            hint = did_you_mean(name.lower(), PRESETS, f"the known ones are {known}")
            raise ValueError(f"{name!r} is not an SDK that can be instrumented; {hint}")
    return names or tuple(PRESETS)


def _apply(preset: Preset, part: Part, made: _Installed, module: ModuleType) -> None:
    _guard(_replace, preset, part, made, module)


def _replace(preset: Preset, part: Part, made: _Installed, module: ModuleType) -> None:
    if _installed.get(preset.sdk.name) is not made:  # undone before the import
        return
    made.loaded[part.module] = None if is_importing(module) else spec_of(module)
    member = find(module, part.path)
    if member is None or not callable(member.value):
        if part.needed:
            words = "cannot instrument %s: the module %r has no %r, so its calls are not recorded"
            if is_importing(module):
                words += " yet: it is still being imported, so call instrument() again afterwards"
            topic = f"instrument {preset.sdk.name}"
            live.guard.warn(topic, words, preset.sdk.name, part.module, part.path)
        return
    if member.in_class:
        for each in [member, *overriding(member, preset.sdk.name)]:
            _put(each, part.wrap(as_function(each), preset.sdk), made)
        return
    wrapped = part.wrap(member.value, preset.sdk)
    # A module may have taken a function by `from litellm import completion` before.
    for each in [member, *taken(member)]:
        _put(each, wrapped, made)


def _put(member: Member, wrapped: Any, made: _Installed) -> None:
    member.replace(wrapped)
    made.replaced.append(_Replaced(member, wrapped))
