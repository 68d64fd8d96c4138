"""What the commands print."""

from __future__ import annotations

import json
import re
import sys

from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._utils.json import dumps
from honeytrace._utils.text import CONTROL

_ASCII = str.maketrans({"├": "|", "│": "|", "└": "`", "─": "-", "✗": "x", "µ": "u", "…": "..."})


class Stop(Exception):  # noqa: N818 - it ends the command, with a sentence
    """The command cannot do what was asked; the sentence says what to do."""


def fail(sentence: str) -> int:
    print(f"honeytrace: {sentence}", file=sys.stderr)
    return 2


def print_json(session: Session, encoder: json.JSONEncoder | None = None) -> None:
    whole = {**wire.payload(session), **session.extra}
    text = (dumps(whole, encoder) if encoder else dumps(whole)).decode()
    # The line breaks are ours: in a string they are spelled out already.
    print_text("\n".join(CONTROL.sub(_escaped, line) for line in text.split("\n")), {})


def print_text(text: str, instead: dict[int, str] = _ASCII) -> None:
    """Prints; in ASCII, and `instead` of some characters others, if the output takes no more."""
    try:
        print(text)
    except UnicodeEncodeError:
        print(re.sub(r"[^\x00-\x7f]", _escaped, text.translate(instead)))


def _escaped(found: re.Match[str]) -> str:
    """As JSON spells it, so that JSON stays JSON."""
    return json.dumps(found[0])[1:-1]
