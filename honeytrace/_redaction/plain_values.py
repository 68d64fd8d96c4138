"""Judge values at a small part of the cost: words that are not secret, and all in very long texts.

To read a name and its value closely takes a hundred times as long as to find them. Two things make
up for that. A plain word after a name such as `token` is dismissed at once. And in a text with more
names than any ordinary one, the values after the first thousands are read by simple rules: they
end at their quote, at a space or with their line, and each distinct value is judged only once.
"""

from __future__ import annotations

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import Name
from honeytrace._redaction.values import (
    QUOTES,
    WIDE_COLON,
    find_group,
    is_prose,
    is_secret,
    is_source,
    quoted_end,
)

MAX_LOOKS = 2000
"""Names of one text whose values are read closely."""

MAX_JUDGED = 10_000
"""Distinct values of one text that are judged by simple rules; what is left counts as secret."""

MAX_PROBE_CHARACTERS = 256
"""Only so many characters of a value are judged, but a longer secret is replaced to its end."""

_ANY_BARE = r"""[^\s"'`,;&<>|\\\uff0c\u3002]"""
_MAX_WORD = 19  # characters of a word that is not a secret without a digit
# A word in quotes, or alone, with a sign after it that ends it in all notations.
_WORD = expression(
    rf"""[:=][ \t]{{0,2}}(?:(["'`])[^"'`\\\n\d\[]{{1,{_MAX_WORD}}}\1"""
    rf"""|[A-Za-z_]{{1,{_MAX_WORD}}}(?=\n|[)}}][\n,;]|[,;][ \n]))"""
)
# The same by simple rules: nothing that could be a part of a secret follows.
_BARE_WORD = expression(
    rf"""[:=]{{1,2}}[> \t]{{0,2}}(?:(["'`])[^\W\d]{{1,{_MAX_WORD}}}\1"""
    rf"""|[^\W\d]{{1,{_MAX_WORD}}}(?![\w.+/~"'`-]))"""
)
_VALUE = verbose(
    rf"""(?: :[=:-]? | =+[>~]? | %3[ADad] | {WIDE_COLON} | <- ) [ \t]{{0,16}}
      (?P<line> (?:[|>][+-]?[0-9]?[ ]{{0,8}})? \r?\n[ \t]{{0,32}}(?:-[ ])? )?
      (?: \*{{1,3}}[ ]? | _{{2}} | </?[A-Za-z0-9]{{1,10}}> )?
      (?: [bBfFrRuULN@$]{{0,2}}(?P<quote>{QUOTES}) | (?P<group>[\[{{(])
        | (?P<bare> (?={_ANY_BARE}) ) )"""
)
_LINE = expression(r"""[^\r\n"'`\\]+""")
_BARE = expression(f"{_ANY_BARE}+")
_HEADERS = ("authorization", "cookie")
_CLOSING = ")]}>.,;:*!"
# What follows a quote that closes a literal; what was replaced before.
_NOT_BEGUN = (*" \t\n\r+,).;:&?}]", "[REDACTED:")
_DIGIT = expression(r"[0-9]")


def is_plain_word(text: str, at: int) -> bool:
    """Return whether what a separator gives to a likely name is not a secret, as a word is not."""
    return _WORD.match(text, at) is not None


class Skimmer:
    """Reads the values of one text by simple rules."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._judged: dict[tuple[str, Name, bool], bool] = {}

    def value(self, at: int, name: Name, before: str) -> Span | None:
        """Return the secret that the separator at this place gives to a name, if there is one.

        Args:
            at: where the separator begins.
            name: what the name says.
            before: the character before the name; behind a colon it is not one.
        """
        text = self._text
        if before == ":" or (not name.sure and _BARE_WORD.match(text, at)):
            return None
        match = _VALUE.match(text, at)
        if match is None:
            return None
        if match.lastgroup == "group":
            return find_group(text, match.start("group"), name)
        quoted = match.lastgroup == "quote"
        start = match.end() if quoted else match.start("bare")
        line = name.rule in _HEADERS and text[at] == ":"
        end = self._end(start, match["quote"], line, MAX_PROBE_CHARACTERS)
        given = text[start:end]
        if not given or given.startswith(_NOT_BEGUN) or (match["line"] and not _is_data(given)):
            return None
        if not self._is_secret(given, name, quoted):
            return None
        if len(given) > MAX_PROBE_CHARACTERS // 2:
            end = self._end(start, match["quote"], line, len(text))
        return start, end, name.rule

    def _end(self, start: int, quote: str | None, line: bool, most: int) -> int:
        """Return where a value ends: at its quote, with its line, or at what cannot be in it."""
        text = self._text
        if quote:
            return min(quoted_end(text, start, quote)[0], start + most)
        match = (_LINE if line else _BARE).match(text, start, start + most)
        return start + len(match[0].rstrip(_CLOSING)) if match else start

    def _is_secret(self, given: str, name: Name, quoted: bool) -> bool:
        key = (given, name, quoted)
        known = self._judged.get(key)
        if known is not None:
            return known
        if len(self._judged) >= MAX_JUDGED:
            return name.sure or _DIGIT.search(given) is not None
        secret = is_secret(given, name) and not (is_prose(given, 0) if quoted else is_source(given))
        self._judged[key] = secret
        return secret


def _is_data(given: str) -> bool:
    """Return whether what is in the next line may be the value, and not the next name."""
    return looks_secret(given) or (_DIGIT.search(given) is not None and given[-1:] != ":")
