"""Find the separators that may follow a secret name, and tell what the name means by itself.

A name ends at its separator, so the text is read backwards; most names were seen before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from honeytrace._redaction import secret_words
from honeytrace._redaction.lazy import expression
from honeytrace._redaction.secret_names import MARKS, Name, judge, may_hold_secret

WIDE_COLON = "\uff1a"
"""The colon of Chinese and Japanese texts."""

ARROWS = "\u2190\u2192\u21d2\u279c"
"""The arrows between a name and its value."""

SEPARATOR = expression(rf""":+[=-]?|=+[>~]?|%3[ADad]|{WIDE_COLON}|<-|[{ARROWS}]|->(?=[ ]?["'])""")
"""A sign between a name and its value."""

LABELS = ("ame", "ey", "eader", "field", "variable", "param", "property")
"""Parts of the words that introduce a name: `"name": "Authorization", "value": …`."""

SIGNATURE = expression(r"(?:[\w-]{0,40}-)?sig(?:nature)?", re.ASCII | re.IGNORECASE)
"""The name of the signature in the query of a URL."""

LAST_WORDS = frozenset(secret_words.LAST_WORDS.split())
TYPE_WORDS = frozenset(secret_words.TYPE_WORDS.split())

# Separators that become a colon of the same length. First a character that each has.
_AS_COLONS = (
    (WIDE_COLON, expression(WIDE_COLON), ":"),
    *((arrow, expression(arrow), ":") for arrow in ARROWS),
    ("<", expression("<-"), ":\0"),
    (">", expression("""->(?=[ ]?["'])"""), ":\0"),
    ("%", expression("%3[ADad]"), ":\0\0"),
)
# Digits mean nothing in a name: without them there are fewer names, and no times of a day.
_WITHOUT_DIGITS = bytes.maketrans(b"=0123456789", b":..........")
# A character of a name: a letter, a digit, one of `_.$-`, or any that is not in ASCII.
_ANY_NAME = r"[^\x00-\x23%-,/:-@\[-^`{-\x7f]"
# What is before a separator, read backwards: what closes the name, a remark, the name itself.
_OPEN = r"""[ \t"'`*\\?!+|&~^.}]*"""
_CLOSERS_BACKWARDS = r"""[ \t"'`*\\\]?!+|&~^.}]*"""
# Each alternative begins with one character, so that most names are read without trying them.
_BACKWARDS = rf"""{_OPEN}
    (?: (?: >[A-Za-z0-9.]{{1,10}}/< | \)[^()\n]{{1,32}}\([ ] | \[
          | \]{_CLOSERS_BACKWARDS}(?:[0-9A-Z_.]{{0,16}}\[)? ) {_CLOSERS_BACKWARDS} )?
    (?P<name> {_ANY_NAME}+[^\n]? )"""
_NAMES = expression(f":(?={_BACKWARDS})", re.VERBOSE)
_NOT_NAME = expression(r"[^\w.$-]")
_NOT_FOREIGN_NAME = expression(rf"[^\w.${MARKS}-]")
# Names read backwards: a signature that is not in a query, the value of a label.
_UNASKED = expression(r"(?:erutangis|gis)(?!\w)[^?&%\\]?", re.IGNORECASE)
_VALUE = expression(r"(?:eulav|eulaV|lav|laV)(?![\w.$-])")

_plain: set[str] = set()  # names, read backwards, that are not secret, whatever is around them
_MAX_PLAIN = 4096
_MAX_REMEMBERED = 64  # characters of a name that is remembered as plain
_MAX_MEANINGS = 1024
_PHRASE_WORD = expression(r"[A-Za-z][\w-]*")
_MAX_WORDS = 3  # of a name with spaces


def after_names(text: str) -> Iterator[tuple[int, str]]:
    """Find the separators that may follow a secret name.

    Yields where each begins, and the name with the character before it, read backwards.
    """
    backwards = _with_colons(text)[::-1]
    names = _NAMES.findall(backwards)
    likely = {name for name in {*names} - _plain if not _is_plain(name)}
    if likely and "%3" not in text:
        likely = {name for name in likely if not _UNASKED.fullmatch(name)}
    if likely and not any(map(text.__contains__, LABELS)):
        likely = {name for name in likely if not _VALUE.match(name)}
    if likely:
        last = len(text) - 1
        starts = [match.start() for match in _NAMES.finditer(backwards)]
        for name, at in zip(reversed(names), reversed(starts), strict=True):
            if name in likely:
                yield last - at, name


def _with_colons(text: str) -> str:
    """Return the text, as long as it is, with colons as its only separators."""
    for character, separator, colon in _AS_COLONS:
        if character in text:
            text = separator.sub(colon, text)
    if text.isascii():
        return text.encode().translate(_WITHOUT_DIGITS).decode()
    return text.replace("=", ":")


def _is_plain(backwards: str) -> bool:
    """Return whether a name, read backwards with the character before, is not secret anywhere."""
    before, name = _parted(backwards)
    if not name:
        return True
    if len(name) > _MAX_REMEMBERED:
        return not may_hold_secret(name)
    if before in ("\\", "%"):  # an escape may be before the name
        plain = not (may_hold_secret(name) or name.lower().endswith(("value", "val", "sig")))
    else:
        plain = not (judge(name) or _depends(before, name))
    if plain:
        if len(_plain) >= _MAX_PLAIN:
            _plain.clear()
        _plain.add(backwards)
    return plain


def _parted(backwards: str) -> tuple[str, str]:
    """Return the character before a name, if any, and the name."""
    whole = backwards[::-1]
    name = last_name(whole)
    return whole[: len(whole) - len(name)][-1:], name


def last_name(text: str) -> str:
    """Return the name at the end of a text."""
    return (_NOT_NAME if text.isascii() else _NOT_FOREIGN_NAME).split(text)[-1]


def _depends(before: str, name: str) -> bool:
    """Return whether what is before it decides if it is secret: `secret id`, `token string`."""
    word = name.lower()
    return (
        word in ("value", "val")
        or (before == " " and word in LAST_WORDS)
        or (before in (" ", "]", "&", "*") and name in TYPE_WORDS)
        or SIGNATURE.fullmatch(name) is not None
    )


class Meaning(NamedTuple):
    """The meaning of a name, as far as the character before it tells.

    Attributes:
        name: what the name says about its value; None if it says nothing by itself.
        alone: True if nothing else that is before the name matters.
    """

    name: Name | None
    alone: bool


_UNKNOWN = Name("secret", False)


@lru_cache(_MAX_MEANINGS)
def meaning(backwards: str) -> Meaning:
    """Return the meaning of a name, which is read backwards with the character before."""
    before, name = _parted(backwards)
    if len(name) > _MAX_REMEMBERED or not backwards.isascii():
        return Meaning(judge(name[-_MAX_REMEMBERED:]) or _UNKNOWN, False)
    if before == "\\":  # an escape is before the name
        return Meaning(judge(name[1:]) or judge(name) or _UNKNOWN, False)
    if before in ("?", "&", "%"):  # in the query of a URL
        word = name[2:] if before == "%" else name
        found = judge(word) or (_UNKNOWN if before == "%" else None)
        rule = "signature" if SIGNATURE.fullmatch(word) else word.lower() == "key" and "key"
        return Meaning(Name(rule, True) if rule else found and Name(found.rule, True), False)
    found = judge(name)
    if _depends(before, name) and not (found and found.sure):
        return Meaning(None if SIGNATURE.fullmatch(name) else found or _UNKNOWN, False)
    return Meaning(found, True)


@lru_cache(_MAX_MEANINGS)
def phrase(head: str) -> Name | None:
    """Return the meaning of the last words of a text: `the API key`."""
    words = _PHRASE_WORD.findall(head)[-_MAX_WORDS:]
    return judge("_".join(words)) if words else None
