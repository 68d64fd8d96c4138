"""Check the options of `trace_session` at decoration, so that traced calls raise no errors."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from honeytrace._capture.deferred import as_object
from honeytrace._capture.snapshot import Snapshot
from honeytrace._config.checks import RATE
from honeytrace._config.settings import Config
from honeytrace._session.record import TraceSpec
from honeytrace._session.session import ENTERED, STEPS
from honeytrace._session.wire import is_uuid
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json
from honeytrace._utils.text import did_you_mean

_TEXTS = ("name", "project", "source")
_IDS = ("session_id", "parent")
_LISTS = ("config_args", "ignore", "only", "methods")
_FUNCTIONS = ("process_inputs", "process_outputs", "reduce")
_SWITCHES = ("capture_inputs", "capture_outputs")
_ALL = (
    *_TEXTS,
    "step",
    *_IDS,
    "sample_rate",
    *ENTERED,
    *_LISTS,
    *_FUNCTIONS,
    *_SWITCHES,
    "ignore_exceptions",
)

if TYPE_CHECKING:
    from typing import Literal, TypedDict

    Names = tuple[str, ...] | list[str] | set[str] | frozenset[str]

    Step = Literal[
        "agent",
        "chain",
        "embedding",
        "evaluator",
        "guardrail",
        "model",
        "prompt",
        "reranker",
        "retriever",
        "tool",
    ]

    class Options(TypedDict, total=False):
        """The keyword arguments of `trace_session`, for type checkers and editors.

        The overloads differ in `name` and `session_id` and declare these themselves.
        """

        project: str | None
        source: str | None
        step: Step | None
        parent: str | uuid.UUID | None
        sample_rate: float | None
        inputs: Mapping[str, Any] | None
        config: Mapping[str, Any] | None
        user_properties: Mapping[str, Any] | None
        metrics: Mapping[str, Any] | None
        feedback: Mapping[str, Any] | None
        metadata: Mapping[str, Any] | None
        capture_inputs: bool | None
        capture_outputs: bool | None
        ignore: Names
        only: Names
        config_args: Names
        process_inputs: Callable[[dict[str, Any]], Any] | None
        process_outputs: Callable[[Any], Any] | None
        reduce: Callable[[list[Any]], Any] | None
        ignore_exceptions: type[BaseException] | Iterable[type[BaseException]]
        methods: Names


def parse_options(options: Mapping[str, Any]) -> TraceSpec:
    """Return the checked options. Raises `TypeError` or `ValueError`."""
    for label in options:
        if label not in _ALL:
            raise TypeError(f"trace_session() has no argument {label!r}; {_hint(label)}")
    given = {label: value for label, value in options.items() if _is_given(label, value)}
    checked: dict[str, Any] = {"name": ""}
    for labels, check in _CHECKS:
        checked |= {label: check(label, given[label]) for label in labels if label in given}
    fields = {label: json_object(label, given[label]) for label in ENTERED if label in given}
    return TraceSpec(**checked, fields=fields)


def _is_given(label: str, value: object) -> bool:
    """Return False for None, and for the empty id of a session that is not recorded."""
    return value is not None and not (label in _IDS and isinstance(value, str) and not value)


# Names that other tracers have for arguments of ours.
_ELSEWHERE = {
    **dict.fromkeys(("as_type", "kind", "run_type", "span_kind", "span_type", "type"), "step"),
    **dict.fromkeys(("operation_name", "run_name", "span_name"), "name"),
    **dict.fromkeys(("attributes", "extra", "tags"), "metadata"),
    **dict.fromkeys(("project_name", "service"), "project"),
    **dict.fromkeys(("user", "user_id"), "user_properties"),
}


def _hint(label: str) -> str:
    if label in _ELSEWHERE:
        return f"use {_ELSEWHERE[label]}=…"
    if label in Config.__slots__:
        return f"configure({label}=…) sets it for the whole program"
    return did_you_mean(label, _ALL, f"it takes {', '.join(_ALL)}")


def _text(label: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        _refuse(label, value, "a string that is not empty", isinstance(value, str))
    return value


def _step(label: str, value: Any) -> str:
    if not isinstance(value, str) or value not in STEPS:
        choices = ", ".join(map(repr, STEPS))
        _refuse(label, value, f"one of {choices}", isinstance(value, str))
    return value


def _uuid(label: str, value: Any) -> str:
    text = str(value) if isinstance(value, uuid.UUID) else value
    if not is_uuid(text):
        some = "the id of a session, such as session.session_id"
        _refuse(label, value, some if label == "parent" else "a UUID such as uuid.uuid4()", True)
    lower: str = text.lower()
    return lower


def json_object(label: str, value: Any, function: str = "trace_session") -> Json:
    """Return a copy of a mapping. Raises `TypeError`, which names the function and the argument."""
    given = try_call(_dict, value)[0] if isinstance(value, Mapping) else None
    if given is None:
        _refuse(label, value, "a mapping such as {'key': 'value'}", function=function)
    return as_object(Snapshot().take(given, label))


def _dict(value: Mapping[str, Any]) -> Json:
    return dict(value)


def _names(label: str, value: Iterable[str]) -> tuple[str, ...]:
    known = isinstance(value, (tuple, list, set, frozenset))
    if not known or not all(isinstance(name, str) for name in value):
        what = "method" if label == "methods" else "parameter"
        _refuse(label, value, f"a tuple of {what} names such as ('model',)")
    return tuple(value)


def _function(label: str, value: Any) -> Callable[[Any], Any]:
    if not callable(value) or inspect.iscoroutinefunction(value):
        _refuse(label, value, "a plain function of one argument")
    function: Callable[[Any], Any] = value
    return function


def _switch(label: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse(label, value, "True or False")
    return value


def _exceptions(label: str, value: Any) -> tuple[type[BaseException], ...]:
    kinds = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in kinds):
        _refuse(label, value, "a tuple of exception classes such as (KeyError,)")
    return tuple(kinds)


def _rate(label: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(label, value, RATE)
    if not 0 <= value <= 1:
        _refuse(label, value, RATE, True)
    return float(value)


def _refuse(
    label: str,
    value: object,
    wanted: str,
    right_type: bool = False,
    function: str = "trace_session",
) -> NoReturn:
    error = ValueError if right_type else TypeError
    raise error(f"{function}({label}=…) cannot be {value!r}; give {wanted}")


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[str, Any], Any]], ...] = (
    (_TEXTS, _text),
    (("step",), _step),
    (_IDS, _uuid),
    (("sample_rate",), _rate),
    (_LISTS, _names),
    (_FUNCTIONS, _function),
    (_SWITCHES, _switch),
    (("ignore_exceptions",), _exceptions),
)
