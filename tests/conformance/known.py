"""What is known to differ, for whom and why. Each is expected to fail, to keep the list true.

A name that ends with a slash is of the flavours of a kind alone; with a question mark, it differs
with some versions of Python or wrapt, or without wrapt's extension.
"""

from __future__ import annotations

_CLASS = """
    of a class of our own, which messages and help() show: objects.binds objects.equality
    objects.weak_references looks.documentation looks.hints?;
"""
_PROXY = """
    behind a proxy of wrapt's, which has methods for anything: looks.abstract_types; and which is a
    frame more without wrapt's extension: calling.traceback_length? calling.depth_inside?
    calling.wrong_calls?;
"""
_HONEYTRACE = {
    "callable object": f"""
        {_CLASS} objects.copies objects.pickles objects.specified_mock; {_PROXY}
        looks.questions_of_inspect looks.full_argument_specification objects.on_an_exit_stack
        objects.dressed_as_another surroundings.recursion?
    """,
    "above lru_cache": f"""
        {_CLASS} objects.copies objects.pickles objects.dressed_as_another; {_PROXY}
    """,
    "builtin": f"""
        {_CLASS.replace("looks.documentation", "")} {_PROXY} unlike a builtin it can go:
        objects.dies
    """,
    "partial": f"""
        {_CLASS.replace("objects.binds", "objects.binds?")}
        objects.bound_to looks.attributes looks.call_arguments looks.code looks.module looks.names;
        and two calls are made for each: surroundings.recursion?
    """,
}
KNOWN = {"honeytrace:trace_session": _HONEYTRACE}


def reason(decorator: str, behaviour: str, kind: str) -> tuple[str, bool] | None:
    """Why a behaviour of a kind is known to differ for a decorator, and whether it always does."""
    base, _, flavour = kind.partition("/")
    words = KNOWN.get(decorator, {}).get(base, "").split()
    names = {each.strip(";:,") for each in words}
    always = behaviour in names or (flavour != "" and f"{behaviour}/" in names)
    known = always or f"{behaviour}?" in names
    return (" ".join(words), always) if known else None
