"""What is known to differ, for whom and why. Each is expected to fail, to keep the list true."""

from __future__ import annotations

_TYPE = (
    "of a class of our own, which messages and help() show: objects.binds objects.equality"
    " objects.weak_references looks.documentation"
)
_HONEYTRACE = {
    "callable object": f"""
        {_TYPE} objects.copies objects.pickles objects.specified_mock; and behind a proxy of
        wrapt's, which has methods for anything: looks.abstract_types looks.questions_of_inspect
        looks.own_signature looks.full_argument_specification looks.call_arguments
        objects.on_an_exit_stack objects.dressed_as_another surroundings.recursion; what it yields
        or awaits binds its arguments when its body begins: generators.wrong_call_at_the_call
        async_generators.wrong_call_at_the_call calling.wrong_calls/ calling.calls_by_keyword/
    """,
    "above lru_cache": f"""
        {_TYPE} objects.copies objects.pickles; and behind a proxy of wrapt's, see above:
        looks.abstract_types objects.dressed_as_another
    """,
    "builtin": f"""
        {_TYPE.removesuffix(" looks.documentation")}; and behind a proxy of wrapt's, see above:
        looks.abstract_types; and unlike a builtin it can go: objects.dies
    """,
    "partial": f"""
        {_TYPE} objects.bound_to looks.attributes looks.call_arguments looks.code looks.module
        looks.names; and two calls are made for each: surroundings.recursion
    """,
}
KNOWN = {"honeytrace:trace_session": _HONEYTRACE}


def reason(decorator: str, behaviour: str, kind: str) -> str | None:
    """Why a behaviour of a kind is known to differ for a decorator, if it is.

    A name that ends with a slash is of the flavours of a kind alone.
    """
    base, _, flavour = kind.partition("/")
    words = KNOWN.get(decorator, {}).get(base, "")
    names = {each.strip(";:,") for each in words.split()}
    known = behaviour in names or (flavour and f"{behaviour}/" in names)
    return " ".join(words.split()) if known else None
