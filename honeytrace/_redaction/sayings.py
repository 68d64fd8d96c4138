"""Find secrets that a text compares with a name or says: `"…" == password`, `the password is …`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from honeytrace._redaction.lazy import beginning, expression
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import judge
from honeytrace._redaction.secret_values import is_secret
from honeytrace._redaction.values import MAX_VALUE_CHARACTERS

_COMPARISON = expression(r"""(?P<quote>["'`])[ ]?[!=]={1,2}[ ]?(?P<name>[A-Za-z_$][\w.$]{1,63})""")
# The password is `…`, where a word before may be the last of a secret name.
_SAID = expression(
    r"""[ ]is[ ](?<=[cdDenstTyY][ ]is[ ])(?P<quote>["'`]?)
      (?P<value>[^\s"'`<>{}()\[\]]{5,128})(?P=quote)(?![\w"'`])""",
    re.VERBOSE,
)
_DIGIT = expression(r"[0-9]")
_ALGORITHM = expression(r"[A-Z]+[-_]?[0-9]+|(?:aes|base|bcrypt|md|rsa|sha|utf|v)-?[0-9.]+")
_SAID_NAME = expression(r"[A-Za-z]{2,16}(?:[ ][A-Za-z]{3,16})?$")
_SAID_NAME_CHARACTERS = 33


def comparisons(text: str) -> Iterator[Span]:
    """Find `"…" == password`."""
    for match in _COMPARISON.finditer(text):
        end = match.start()
        name = judge(match["name"])
        if name and name.sure and not text.startswith("(", match.end()):
            first = max(text.rfind("\n", 0, end) + 1, end - MAX_VALUE_CHARACTERS)
            quote = text.rfind(match["quote"], first, end)
            given = text[quote + 1 : end]
            if quote >= 0 and given and is_secret(given, name, match["name"]):
                yield quote + 1, end, name.rule


def sayings(text: str) -> Iterator[Span]:
    """Find `the password is …`. The value has to look like a secret."""
    for match in beginning(" is ", _SAID, text):
        start, end = match.span("value")
        given = match["value"].rstrip(".,;:!?")
        quoted = match["quote"] and not _ALGORITHM.fullmatch(given)
        if _DIGIT.search(given) and (quoted or looks_secret(given)):
            first = max(0, match.start() - _SAID_NAME_CHARACTERS)
            label = _SAID_NAME.search(text, first, match.start())
            name = judge(label[0]) if label else None
            if name and name.sure:
                end = start + len(given)
                yield start, end if is_secret(given, name, "") else start, name.rule
