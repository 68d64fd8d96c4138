"""The source text of the functions that stand in for traced ones, and how it is compiled.

Two texts cover the four kinds of function, so that sync and async cannot drift apart. They are
compiled once for each shape of parameters.
"""

from __future__ import annotations

import ast
import functools
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import CodeType

from honeytrace._capture.exceptions import FILE, MARK

# A stand-in has the parameters of the user's function and lives in the user's module, so each
# of our names begins with `ht_`, builtins included. MARK identifies our frames.
_CALL = f"""
{{async_}}def traced({{parameters}}):
    __tracebackhide__ = {MARK} = True
    ht_live = ht_runtime.live
    if ht_live.rare:
        ht_outer = ht_runtime.get()
        if ht_outer is None and ht_spec.usual and ht_next(ht_live.sampler.dropped, False):
            ht_dropped = True
        elif ht_live.off or ht_outer is not None and ht_outer.silent:
            return {{await_}}{{call}}
        else:
            ht_dropped = (
                (ht_outer is None or ht_outer.ended) and ht_runtime.drops(ht_spec, ht_outer)
            )
        if ht_dropped:
            {{token}}None
            try:
                {{token}}{{put}}(ht_runtime.unsampled)
                ht_result = {{await_}}{{call}}
            finally:
                {{leave}}
            {{dropped}}
    ht_begin = ht_runtime.begin
    ht_call = ht_begin(ht_spec, {{positional}}, {{keywords}})
    {{token}}None
    try:
        if ht_call is not None:
            {{token}}{{put}}(ht_call)
        ht_result = {{await_}}{{call}}
        {{finish}}(ht_call, ht_result)
    except ht_BaseException as ht_error:
        ht_runtime.end(ht_call, ht_runtime.absent, ht_error)
        raise
    {{left}}
    return {{result}}
"""

# The session is current only while a step runs, and no context token is kept across a `yield`.
# An exception that is thrown in leaves its `except` block before the next step, or it would become
# the context of later exceptions. While the generator waits, no variable holds an item or a sent
# value, except a short string; the box holds an item just long enough to yield it. Closing needs no
# code of its own: it throws in a GeneratorExit. If `ht_step` is `ht_throw` at the end, the
# exception that ended the generator was thrown in at the `yield`.
_STREAM = f"""
{{async_}}def traced({{parameters}}):
    __tracebackhide__ = {MARK} = True
    ht_steps = {{call}}
    ht_stream = None
    if not ht_runtime.live.off:
        ht_stream = ht_runtime.open(ht_spec, {{positional}}, {{keywords}}, ht_in_tests)
    {{forget}}
    if ht_stream is None:
        {{untraced}}
    ht_get, ht_put, ht_put_safely = ht_stream.get, ht_stream.put, ht_stream.put_safely
    ht_inner = ht_stream.call
    ht_keep, ht_take, ht_collecting = ht_stream.keep, ht_stream.take, ht_runtime.collecting
    ht_send, ht_throw = ht_steps.{{send}}, ht_steps.{{throw}}
    ht_step, ht_given, ht_fresh, ht_once = ht_first(ht_send), None, True, True
    try:
        while True:
            for ht_number in ht_batch:
                ht_outer = ht_get()
                {{put}}(ht_inner)
                try:
                    ht_item = {{await_}}ht_step(ht_given)
                finally:
                    ht_given = None
                    ht_inner = ht_get()
                    {{put}}(ht_outer)
                if ht_fresh:
                    ht_fresh = ht_stream.started(ht_item)
                if ht_type(ht_item) is ht_str and ht_len(ht_item) < 1024:
                    ht_box = None
                    ht_keep(ht_item)
                else:
                    ht_box = [ht_item]
                    ht_take(ht_item)
                    ht_item = None
                try:
                    ht_given = yield ht_item if ht_box is None else ht_box.pop()
                    ht_step = ht_send
                    if ht_once:
                        ht_once = ht_stream.resumes()
                except ht_BaseException as ht_error:
                    ht_step, ht_given = ht_throw, ht_thrown(ht_error)
            ht_stream.fold()
    except ht_{{stop}} as ht_stop:
        ht_runtime.close(ht_stream, ht_stop)
        return{{value}}
    except ht_BaseException as ht_error:
        ht_runtime.close(ht_stream, ht_error, ht_step is ht_throw)
        raise
"""


def _put(names: str) -> str:
    """Return the expression that makes a record current.

    Before Python 3.12 it depends on `context.collecting`, which costs less to test here than in a
    function.
    """
    if sys.version_info >= (3, 12):
        return f"{names}put"  # pragma: no cover - coverage is measured on one version
    return f"({names}put_safely if {names}collecting else {names}put)"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of function.

    Attributes:
        name: the name of the kind in recorded sessions.
        text: the source text of the stand-in, with fields for the parts that differ.
        words: the values of the fields that do not depend on the parameters.
        streams: whether calls return a generator.
    """

    name: str
    text: str
    words: Mapping[str, str]
    streams: bool = False


_SYNC = {"async_": "", "await_": ""}
_ASYNC = {"async_": "async ", "await_": "await "}
_PUT_CALL = {"put": _put("ht_runtime.")}
_PUT_STEP = {"put": _put("ht_")}

# A plain function ends in the context that it began in. There, a token costs less than another
# `put`, above all if nothing was current in this context before: so `left` restores that, too.
_LEAVE = """try:
                    ht_runtime.reset(ht_token)
                except ht_BaseException as ht_error:
                    ht_runtime.reset_failed(ht_outer, ht_error)"""

FUNCTION = Kind(
    "function",
    _CALL,
    {
        **_SYNC,
        **_PUT_CALL,
        "token": "ht_token = ",
        "leave": _LEAVE,
        "left": "if ht_live.rare: ht_runtime.forget(ht_token)",
        "finish": "ht_followed = ht_runtime.finish",
        "result": "ht_result if ht_followed is None else ht_followed",
        # What a coroutine runs later is not recorded either.
        "dropped": "if ht_type(ht_result) is not ht_runtime.coroutine: return ht_result\n"
        "            ht_followed = ht_runtime.finish(ht_runtime.unsampled, ht_result)\n"
        "            return ht_result if ht_followed is None else ht_followed",
    },
)
COROUTINE = Kind(
    "coroutine",
    _CALL,
    {
        **_ASYNC,
        **_PUT_CALL,
        "token": "",
        "leave": f"{_put('ht_runtime.')}(ht_outer)",
        "left": "",
        "finish": "ht_runtime.conclude",
        "result": "ht_result",
        "dropped": "return ht_result",
    },
)
GENERATOR = Kind(
    "generator",
    _STREAM,
    {
        **_SYNC,
        **_PUT_STEP,
        "send": "send",
        "throw": "throw",
        "stop": "StopIteration",
        "value": " ht_stop.value",
        "untraced": "return (yield from ht_steps)",
    },
    streams=True,
)
ASYNC_GENERATOR = Kind(
    "async generator",
    _STREAM,
    {
        **_ASYNC,
        **_PUT_STEP,
        "send": "asend",
        "throw": "athrow",
        "stop": "StopAsyncIteration",
        "value": "",
        "untraced": "ht_stream = ht_runtime.untraced",
    },
    streams=True,
)
_KINDS = {each.name: each for each in (FUNCTION, COROUTINE, GENERATOR, ASYNC_GENERATOR)}


@dataclass(frozen=True, slots=True)
class Shape:
    """The parts of the text that depend on the parameters of the traced function.

    Attributes:
        parameters: the parameter list of the `def`.
        call: the call of the traced function with these parameters.
        positional: the tuple of positional arguments for `begin`.
        keywords: the dict of keyword arguments for `begin`.
        forget: the statement that deletes the parameters, for generators.
    """

    parameters: str
    call: str
    positional: str
    keywords: str
    forget: str


@functools.lru_cache(maxsize=1024)
def factory_code(kind: str, shape: Shape, names: tuple[str, ...]) -> CodeType:
    """Compile the factory that makes stand-ins of this kind and shape.

    The factory takes a value for each name; the text uses these names with the prefix `ht_`.

    All code is on line 1 and has no columns. So `co_firstlineno` alone decides which line of the
    user's file tracebacks, debuggers and coverage show for the stand-in.
    """
    found = _KINDS[kind]
    body = textwrap.indent(found.text.format(**asdict(shape), **found.words), "    ")
    ours = ", ".join(f"ht_{each}" for each in names)
    tree = ast.parse(f"def factory({ours}):\n{body}\n    return traced")
    for node in ast.walk(tree):
        if isinstance(node, (ast.expr, ast.stmt, ast.excepthandler, ast.arg, ast.keyword)):
            node.lineno = node.end_lineno = 1
            node.col_offset = node.end_col_offset = -1
    return compile(tree, FILE, "exec")
