"""Show the commands that run a step again: as `curl`, and as a pytest test."""

from __future__ import annotations

from honeytrace._session.session import RESERVED
from honeytrace._utils.json import Json
from honeytrace.local._origin import function_of, sdk_of
from honeytrace.local._request import curl
from honeytrace.local.page._html import Markup, Node, tag

_SCRIPT = (
    "The function was in the program itself: write the name of its file, without .py, for MODULE."
)
_MODULE = "For MODULE, write the module of yours that defines {}."


def render(session: Json, maker: Json | None) -> Node:
    """Return what can be run; `maker` is the session, or one above it, that called a function."""
    command, without = curl(session)
    shown = [
        _section("As curl", command, without) if command else None,
        _as_test(session, maker) if maker else None,
    ]
    if not any(shown):
        return None
    return tag("details", tag("summary", "Run it again"), shown, class_="again")


def _section(title: str, command: str, words: str) -> Markup:
    return tag(
        "section",
        tag("h3", title, tag("button", "Copy", type="button", class_="copy")),
        tag("p", words, class_="soft") if words else None,
        tag("pre", command),
    )


def _as_test(session: Json, maker: Json) -> Node:
    """Return the command that writes a test of the function that was called."""
    path = function_of(maker) or ""
    if "<" in path:  # no import can name it
        return None
    words = [_origin(session)] if function_of(session) is None else []
    script = path.startswith("__main__.")
    words.append(_SCRIPT if script else _MODULE.format(path))
    name = str(maker.get("session_name") or "")[:40]
    test = "".join(letter if letter.isalnum() else "_" for letter in name).lower()
    command = f"honeytrace export --pytest {maker['session_id']} --import MODULE -o test_{test}.py"
    return _section("As a pytest test", command, " ".join(words))


def _origin(session: Json) -> str:
    """Say why the step itself cannot become a test."""
    about = session.get("metadata", {}).get(RESERVED)
    sdk = sdk_of(str(session.get("session_name")), about if isinstance(about, dict) else {})
    what = f"A call of {sdk}'s SDK" if sdk else "A block"
    return f"{what}, which a test cannot repeat; this exports the function that made it."
