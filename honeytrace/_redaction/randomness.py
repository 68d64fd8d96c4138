"""Tell a secret from a word: random characters change between letters, cases and digits."""

from __future__ import annotations

import re
from itertools import islice

from honeytrace._redaction.lazy import expression

_CHANGE = expression(
    r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]|(?<=\w)[!#$%&*+/=?@^~]"
)
_DIGIT = expression(r"[0-9]")

_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NO_LETTERS = bytes(byte for byte in range(128) if not chr(byte).isalpha())
_MIN_UPPER = 0.18  # share of capitals among random letters; in joined words it is less
_NUMBER = expression(r"[0-9]{10}")
MIN_CHANGES = 3
_MAX_CHARACTERS = 128  # of a value; more do not help to judge it
_MIN_LENGTH = 8  # characters of a secret under a name that words stand under, too
_LONG = 20  # characters from which letters and digits alone are enough
_IDENTIFIER = expression(r"[A-Za-z][a-z]*(?:[-_ .][A-Za-z][a-z]*)*[-_ .]?[0-9]{0,4}", re.ASCII)
_ISSUED = expression(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w!#$%*+/@^~.-]{8,}", re.ASCII)
_UUID_CHARACTERS = 36
_UUID = expression(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_DATA = expression(r"[\d!#$%&*@^]")
_PLACE = expression(r"[\s/\\<>(){}\[\]|,;]")


def is_mixed(text: str) -> bool:
    """Return whether what follows a prefix is not made of words and numbers."""
    if _DIGIT.search(text):
        return _changes(text) or text.isalnum() or _NUMBER.search(text) is not None
    start = text[:_MAX_CHARACTERS]
    if not start.isascii():
        return sum(map(str.isupper, start)) > sum(map(str.isalpha, start)) * _MIN_UPPER
    letters = start.encode().translate(None, _NO_LETTERS)
    return len(letters) - len(letters.translate(None, _CAPITALS)) > len(letters) * _MIN_UPPER


def looks_secret(text: str) -> bool:
    """Return whether a value can only be a secret, whatever name it is under."""
    if is_uuid(text):
        return True
    if len(text) < _MIN_LENGTH or _IDENTIFIER.fullmatch(text):
        return False
    if _PLACE.search(text) and not text.startswith(("Bearer ", "Basic ")):
        return False
    if not _changes(text):
        return False
    return is_mixed(text) if len(text) >= _LONG else _DIGIT.search(text) is not None


def has_data(text: str) -> bool:
    """Return whether a text has a digit, or a sign that is not in words."""
    return _DATA.search(text) is not None


def looks_issued(text: str) -> bool:
    """Return whether a value may be a token of a service: unlike words, it mixes in digits."""
    return _ISSUED.fullmatch(text) is not None and not _IDENTIFIER.fullmatch(text)


def _changes(text: str) -> bool:
    """Return whether the kind of character changes often enough."""
    changes = _CHANGE.finditer(text, 0, _MAX_CHARACTERS)
    return sum(1 for _ in islice(changes, MIN_CHANGES)) == MIN_CHANGES


def is_uuid(text: str) -> bool:
    """Return whether the text is a UUID."""
    return len(text) == _UUID_CHARACTERS and _UUID.fullmatch(text) is not None
