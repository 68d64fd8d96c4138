"""What is known to differ, for whom and why. Each is expected to fail, to keep the list true.

A name that ends with a slash is of the flavours of a kind alone, one that ends with parentheses of
the kind without a flavour, whose call is all there is.
"""

from __future__ import annotations

import inspect
import sys

import wrapt

_NO_EXTENSION = inspect.isfunction(wrapt.FunctionWrapper.__init__)
_VERSION = sys.version_info[:2]


def where(condition: bool, names: str) -> str:
    """The differences with some versions of Python or wrapt."""
    return names if condition else ""


_CLASS = """
    of a class of our own, which messages and help() show: objects.binds objects.equality
    objects.weak_references looks.documentation;
"""
_FRAME = """
    and which is a frame more without wrapt's extension: calling.traceback_length()
    calling.depth_inside()
"""
_PROXY = f"""
    behind a proxy of wrapt's, which has methods for anything: looks.abstract_types;
    {where(_NO_EXTENSION, _FRAME)}
"""
_HONEYTRACE = {
    "callable object": f"""
        {_CLASS} objects.copies objects.pickles; {_PROXY}
        looks.questions_of_inspect looks.full_argument_specification objects.on_an_exit_stack
        objects.dressed_as_another
        {where(_VERSION < (3, 13) or _NO_EXTENSION, "surroundings.recursion")}
    """,
    "above lru_cache": f"""
        {_CLASS} objects.copies objects.pickles objects.dressed_as_another; {_PROXY}
    """,
    "builtin": f"""
        {_CLASS.replace("looks.documentation", "")} {_PROXY} unlike a builtin it can go:
        objects.dies {where(_NO_EXTENSION, "calling.wrong_calls")}
    """,
    "partial": f"""
        {_CLASS.replace("objects.binds", where(_VERSION < (3, 13), "objects.binds"))}
        objects.bound_to looks.attributes looks.call_arguments looks.code looks.module looks.names;
        and two calls are made for each: {where(_VERSION < (3, 12), "surroundings.recursion")}
    """,
}
KNOWN = {"honeytrace:trace_session": _HONEYTRACE}


def reason(decorator: str, behaviour: str, kind: str) -> str | None:
    """Why a behaviour of a kind is known to differ for a decorator."""
    base, _, flavour = kind.partition("/")
    words = KNOWN.get(decorator, {}).get(base, "").split()
    names = {each.strip(";:,") for each in words}
    known = {behaviour, f"{behaviour}/" if flavour else f"{behaviour}()"} & names
    return " ".join(words) if known else None
