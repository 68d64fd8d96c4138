"""Recognize names whose values are secrets: `password`, `X-Api-Key`, `clientSecret`.

A name is split into words, in lower case and joined by underscores, and these are compared with the
lists in `secret_words.py`. A name is sure if every value under it is a secret. It is likely if the
value also has to look like one: `token` may name a word of a model's text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from honeytrace._redaction import secret_words
from honeytrace._redaction.lazy import expression
from honeytrace._redaction.marker import MARK
from honeytrace._redaction.randomness import is_uuid, looks_issued, looks_secret

NUMERIC_RULES = {"password", "secret", "key", "code"}
"""The rules whose secrets may be numbers."""

MAX_NAME_CHARACTERS = 128
"""The longest name that is remembered, or looked for in a text."""

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$"
_MAX_NAMES = 4096  # names that are remembered

MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e4e"
"""The marks of Latin, Hebrew, Arabic, Hindi and Thai that belong to the letter before them."""

_WORDS = expression(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FOREIGN_WORDS = expression(rf"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|(?:[^\W\dA-Za-z_][{MARKS}]*)+")

_ACCENTS = expression("[\u0300-\u036f]")
_LETTERS = str.maketrans(
    {"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "\u0131": "i"}
)

_ABOUT = expression(secret_words.ABOUT, re.VERBOSE)
_PLAIN_KEYS = frozenset(secret_words.PLAIN_KEYS.split())
_PIN = expression(
    r"(?:(?:account|atm|bank|card|customer|debit|device|login|my|new|old|phone|security|sim"
    r"|user)_)*"
    r"pin(?:_code|_number)?"
)
# What a form says about a field: {"password": ["must have at least 8 characters"]}
_MESSAGE = expression(
    r"(?:This[ ]field|[Mm]ust|is|[Ii]s|[Ss]hould|[Cc]annot)[ ]"
    r"(?:be|have|contain|match|not|required|too|invalid|wrong|missing|incorrect|is|may|must)\b"
)
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


class Name(NamedTuple):
    """The meaning of a name for its value.

    Attributes:
        rule: the rule that the marker names.
        sure: True if every value under the name is a secret; False if it has to look like one.
    """

    rule: str
    sure: bool


def _any_of(words: str) -> str:
    return "|".join(re.sub(r"\s+\|", "|", words).split())


def _owners(words: str) -> str:
    """Return an expression for owners, written with or without underscores."""
    return "|".join(sorted(set(words.split()), key=len, reverse=True))


_SURE = expression(
    rf"""(?:^|_)(?:
        (?P<token> (?:{_owners(secret_words.ISSUERS)})_?tokens? | jwts? | bearer | csrf | xsrf )
      | (?P<password> {_any_of(secret_words.PASSWORDS)} )
      | (?P<cookie> {_any_of(secret_words.COOKIES)} )
      | (?P<authorization> {_any_of(secret_words.AUTHORIZATIONS)} )
      | (?P<credentials> {_any_of(secret_words.CREDENTIALS)} )
      | (?P<connection> {_any_of(secret_words.CONNECTIONS)} )
      | (?P<key> (?:my)?(?:[a-z]{{2,16}})?api_?keys? | (?:{_owners(secret_words.KEY_OWNERS)})_?keys?
          | ap_ikeys? | art_api
          | key_(?:id_)?secret | (?:private|secret|api|ssh|encryption)_?(?:schlu(?:e)?ssel)
          | (?:api)_?schlue?ssel | cle_?(?:api|secrete|privee)
          | clave_?(?:api|secreta|privada) | chave_?(?:api|secreta|privada) | chiave_?(?:api
          |segreta|privata)
          | api_?密钥 | api_?キー | api_?ключ | ключ_?api | (?:azure|github|gitlab|gh|jira)_?pat |
          privkey | pkey$ )
      | (?P<code> {_any_of(secret_words.CODES)} )
      | (?P<secret> {_any_of(secret_words.SECRETS)} )
    )(?=_|$)""",
    re.VERBOSE,
)
_LIKELY = expression(
    r"""(?: (?:^|_)(?P<token> [a-z]*tokens? ) | (?:^|_)(?P<key> [a-z0-9]{2,20}_keys? |
        [a-z]{2,20}key | key)
      | (?:^|_)(?P<password> pass ) | (?:^|_)(?P<session> (?:session|sess|sid) ) )$""",
    re.VERBOSE,
)
# By the first letter, so that `re` dismisses most of them at once.
_HINTS = expression(
    "|".join(
        f"{letter}(?:{'|'.join(word[1:] for word in words)})"
        for letter, words in groupby(sorted(secret_words.HINTS.split("|")), itemgetter(0))
    )
)


def ascii_name(text: str) -> str:
    """Return the name in ASCII at the end of a text."""
    return text[len(text.rstrip(_NAME_CHARACTERS)) :]


def _without_accents(name: str) -> str:
    """Return the name with its Latin letters in ASCII."""
    letters = unicodedata.normalize("NFD", name.translate(_LETTERS))
    return unicodedata.normalize("NFC", _ACCENTS.sub("", letters))


def _judge(name: str) -> Name | None:
    if not name.isascii():
        name = _without_accents(name)
    elif not _HINTS.search(name.lower()) or name == "accesskey":  # an attribute of HTML
        return None
    pattern = _WORDS if name.isascii() else _FOREIGN_WORDS
    words = "_".join(pattern.findall(MARK.sub("", name))).lower()
    *_, found = None, *_SURE.finditer(words)  # the last word is the noun of a compound
    if _ABOUT.search(words):
        return None
    if found is None:
        return _judge_likely(words)
    rule = found.lastgroup or ""
    if rule == "code" and "pin" in found[0] and not _PIN.match(words):
        return None
    if rule == "key" and words.startswith(("public_", "foreign_", "primary_")):
        return None
    return Name(rule, True)


def _judge_likely(words: str) -> Name | None:
    found = _LIKELY.search(words)
    if found is None:
        return None
    rule = found.lastgroup or ""
    if rule == "key":
        owner = found[0].strip("_").removesuffix("s").removesuffix("key").strip("_")
        if owner in _PLAIN_KEYS or words.rpartition("_key")[0].split("_")[-1:] == ["public"]:
            return None
    return Name("token" if rule == "session" else rule, False)


_remembered = lru_cache(_MAX_NAMES)(_judge)


def judge(name: str) -> Name | None:
    """Return what a name says about its value, or None if it is not secret."""
    return _remembered(name) if len(name) <= MAX_NAME_CHARACTERS else _judge(name)


def may_hold_secret(text: str) -> bool:
    """Return whether a part of a text may be a secret name."""
    return not text.isascii() or _HINTS.search(text.lower()) is not None


def rule(name: str) -> str | None:
    """Return the rule of a name whose value is a secret, or None."""
    found = judge(name)
    return found.rule if found else None


def hides(name: Name, value: Any) -> bool:
    """Return whether a value under a secret name is a secret: `has_password: true` is not."""
    if value is None or value is True or value is False:
        return False
    if not name.sure:
        return type(value) is str and is_likely(name, value)
    if type(value) is int or type(value) is float:
        return name.rule in NUMERIC_RULES
    if type(value) is str:
        return value != "" and not MARK.fullmatch(value) and not _MESSAGE.match(value)
    if type(value) is dict:
        return bool(value) and not _is_schema(value)
    return not (type(value) is list and all(map(_is_message, value)))


def _is_message(value: Any) -> bool:
    return type(value) is str and _MESSAGE.match(value) is not None


def is_likely(name: Name, value: str) -> bool:
    """Return whether a value looks like a secret of the kind that the name may be for."""
    if name.rule == "token":
        return looks_secret(value) or looks_issued(value)
    return looks_secret(value) and not (name.rule == "key" and is_uuid(value))


def _is_schema(value: dict[str, Any]) -> bool:
    """Return whether this describes a value, as the parameters of a tool do."""
    kind = value.get("type")
    return (type(kind) is str and kind in _TYPES) or "$ref" in value or "anyOf" in value
