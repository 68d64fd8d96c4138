"""Find the default that code gives to a secret name: `field(default="…")`, `password or "…"`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import MAX_NAME_CHARACTERS, Name, ascii_name, judge
from honeytrace._redaction.secret_values import is_prose, is_secret
from honeytrace._redaction.values import quoted_end

MAX_DECLARATION_CHARACTERS = 512
"""Characters between the opening bracket and the default."""

_DEFAULT = verbose(
    r"""(?: \b(?<![.-])[dD]efault\\?["']?\s{0,16}[=:] | \bField\( ) \s{0,8}
      [bBfFrRuU]?(?P<quote>\\{0,7}["'])"""
)
_HEAD_CHARACTERS = 256  # of the name, its type and the called function, before the bracket
# Read backwards: variable "db_password" {, password: str = field(, "password": {
_TYPE = r"(?:\][^\[\n]{0,48}\[)?[\w.]{1,40}"
_HEAD = expression(
    rf"""(?: [ ]?"(?P<variable>[\w-]{{2,64}})"[ ]elbairav
      | [\w.]{{0,48}}\s?[=:]\s? (?:{_TYPE}(?:\s?\|\s?{_TYPE}){{0,3}}\s?:\s?)?
        ["']?\\?(?P<name>[\w-]{{1,63}}[A-Za-z_])(?![\w.$-]) )""",
    re.ASCII | re.VERBOSE,
)
_DIGIT = expression(r"[0-9]")
# Each behind a character that it needs, with its length without a quote. A search that ends with a
# rare character is fast.
_ALTERNATIVES = (
    *(("|", "||", 2), ("?", "??", 2), ("?", "?:", 2)),
    *(('"', ' or "', 4), ("'", " or '", 4)),
)
_ALTERNATIVE = expression(r"""[ ]?(?P<quote>["'`])""")
_COMPARES = expression(r"\s?[=!]=")
_BRACKET = expression(r"[(){}]")
_FIRST = verbose(r"""\(\s{0,32}\\?["'](?:--)?(?P<name>[A-Za-z_][\w.-]{1,63})\\?["'],""")


def declared_defaults(text: str) -> Iterator[Span]:
    """Find `password = field(default="…")`, `getenv("PASSWORD", default="…")` and the like.

    The name is before the bracket that is open at the default, or it is the first argument.
    """
    for match in _DEFAULT.finditer(text):
        label = _label(text, match.end())
        name = judge(label) if label else None
        if name:
            start = match.end()
            end, closed = quoted_end(text, start, match["quote"])
            secret = closed and _is_default(text[start:end], name, label)
            yield start, end if secret else start, name.rule


def _is_default(given: str, name: Name, label: str) -> bool:
    """Return whether a default is a secret; the default of a type variable is a word."""
    if is_prose(given, 0) or not is_secret(given, name, label):
        return False
    return name.sure or _DIGIT.search(given) is not None


def _label(text: str, at: int) -> str:
    """Return the name that is declared in the bracket that is open here; empty if there is none."""
    opened = _opened(text, at)
    if opened < 0:
        return ""
    if first := _FIRST.match(text, opened, at):
        return first["name"]
    head = _HEAD.match(text[max(0, opened - _HEAD_CHARACTERS) : opened][::-1])
    return (head["variable"] or head["name"])[::-1] if head else ""


def _opened(text: str, at: int) -> int:
    """Return where the bracket is that is open at a place; -1 if it is not near."""
    closed = 0
    backwards = text[max(0, at - MAX_DECLARATION_CHARACTERS) : at][::-1]
    for bracket in _BRACKET.finditer(backwards):
        closed += 1 if bracket[0] in ")}" else -1
        if closed < 0:
            return at - bracket.end()
    return -1


def alternatives(text: str) -> Iterator[Span]:
    """Find `password or "…"`, `os.getenv("API_KEY") || "…"`, `getenv("API_KEY") ?: "…"`."""
    for character, sign, length in _ALTERNATIVES:
        at = text.find(sign) if character in text else -1
        while at >= 0:
            opening = _ALTERNATIVE.match(text, at + length)
            label = _name_before(text, at) if opening else ""
            name = judge(label)
            if opening and name:
                start = opening.end()
                end, closed = quoted_end(text, start, opening["quote"])
                whole = closed and not _COMPARES.match(text, end + 1)
                secret = whole and _is_alternative(text[start:end], name, label)
                yield start, end if secret else start, name.rule
            at = text.find(sign, at + len(sign))


def _name_before(text: str, at: int) -> str:
    """Return the name that ends here, or the literal in the call that ends here."""
    head = text[max(0, at - MAX_NAME_CHARACTERS) : at].rstrip("\"')] ")
    return ascii_name(head)


def _is_alternative(given: str, name: Name, label: str) -> bool:
    """Return whether a text after a name is a secret; it may as well be a word to compare with."""
    if " " in given or not ((name.sure and _DIGIT.search(given)) or looks_secret(given)):
        return False
    return is_secret(given, name, label)
