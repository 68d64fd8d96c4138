"""Judge values at a small part of the cost: words that are not secret, and all in very long texts.

To read a name and its value closely takes a hundred times as long as to find them. Two things make
up for that. A plain word after a name such as `token` is dismissed at once. And in a text with more
names than any ordinary one, all but the first values are read by simple rules: they end at their
quote, at a space or with their line, and each distinct value is judged only once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import Name
from honeytrace._redaction.secret_values import (
    PROBE_CHARACTERS,
    SCHEME,
    is_prose,
    is_secret,
    is_source,
)
from honeytrace._redaction.separators import ARROWS, WIDE_COLON, meaning, phrase
from honeytrace._redaction.values import HEADER, HEADER_RULES, QUOTES, find_group, quoted_end

MAX_LOOKS = 1500
"""Names of one text whose values are read closely."""

MAX_JUDGED = 10_000
"""Distinct values of one text that are judged by simple rules; what is left counts as secret."""

# A run of characters without quotes, or a sign that does not end the value. Nothing may follow what
# repeats this, so that a run is not tried in parts.
_BARE_PART = r"""(?:[^\s"'`,;&<>|\\\uff0c\u3002]{1,256}|[,;&](?=\w(?![\w.%-]{0,40}[:=])))"""
_MAX_WORD = 19  # characters of a word that is not a secret without a digit
# A word in quotes, or alone, with a sign after it that ends it in all notations.
_WORD = expression(
    rf"""[:=][ \t]{{0,2}}(?:(["'`])[^"'`\\\n\d\[]{{1,{_MAX_WORD}}}\1"""
    rf"""|[A-Za-z_]{{1,{_MAX_WORD}}}(?=\n|[)}}][\n,;]|[,;][ \n]))"""
)
# The same by simple rules: no digit, and nothing that could be a part of a secret follows.
_BARE_WORD = expression(
    rf"""[:=]{{1,2}}[> \t]{{0,2}}(?:(["'`]{{1,3}})[^"'`\\\n\d]{{1,{_MAX_WORD}}}\1"""
    rf"""|[^\W\d]{{1,{_MAX_WORD}}}(?![\w.+/~"'`-]))"""
)
# `(?:x|)` is quicker than `(?:x)?`.
_VALUE = verbose(
    rf"""(?: :[=:-]? | =+[>~]? | %3[ADad] | {WIDE_COLON} | <- | -> | [{ARROWS}] ) [ \t]{{0,16}}
      (?P<line> (?:[|>][+-]?[0-9]?[ ]{{0,8}}|) \r?\n[ \t]{{0,32}}(?:-[ ]|) |)
      (?: \*{{1,3}}[ ]? | _{{2}} | </?[A-Za-z0-9]{{1,10}}> |)
      (?: (?=[A-Za-z_][\w.]{{0,40}}(?:\[|[ ][|=]))
        [A-Za-z_][\w.]{{0,40}}(?:\[[^\]\n]{{1,64}}\]|)(?:[ ]\|[ ][\w.]{{1,40}}){{0,3}} [ ]=[ ] |)
      (?: [bBfFrRuULN@$]{{0,2}} (?:
            (?P<q>["'`]) (?P<quoted>[^"'`\\\n]{{1,{PROBE_CHARACTERS}}}) (?P=q)
          | (?P<quote>{QUOTES}) )
        | (?P<group>[\[{{(])
        | (?P<bare> {_BARE_PART}{{1,64}} ) )"""
)
_BARE = expression(f"{_BARE_PART}+")
_CLOSING = ")]}>.,;:*!"
# What follows a quote that closes a literal; what was replaced before.
_NOT_BEGUN = (*" \t\n\r+,).;:&?}]", "[REDACTED:")
_DIGIT = expression(r"[0-9]")
_PHRASE_CHARACTERS = 24  # before a separator: words that may be a name together

_Place = tuple[int, int]  # where a value begins and ends, from where its separator begins
_NOT_SECRET: _Place = (0, 0)


def is_plain_word(text: str, at: int) -> bool:
    """Return whether what a separator gives to a likely name is not a secret, as a word is not."""
    return _WORD.match(text, at) is not None


class Skimmer:
    """Reads the values of one text by simple rules."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._judged: dict[tuple[str, Name], _Place] = {}

    def values(self, separators: Iterable[tuple[int, str]], done: int) -> Iterator[Span]:
        """Find the values behind the separators that `after_names` yields, from `done` on."""
        text, judged = self._text, self._judged
        for at, backwards in separators:
            if at < done:
                continue
            name, alone = meaning(backwards)
            if not alone and backwards[-1] == " ":
                name = phrase(text[max(0, at - _PHRASE_CHARACTERS) : at]) or name
            if not name or (not name.sure and _BARE_WORD.match(text, at)):
                continue
            match = _VALUE.match(text, at) if backwards[-1] != ":" else None
            if match is None:
                continue
            found = judged.get((match[0], name)) or self._judge(match, name)
            if found is not _NOT_SECRET:
                done = at + found[1]
                yield at + found[0], done, name.rule

    def _judge(self, match: re.Match[str], name: Name) -> _Place:
        """Return where the value is, if it is a secret."""
        at = match.start()
        kind = match.lastgroup or ""
        header = name.rule in HEADER_RULES and kind == "bare" and match[0][0] == ":"
        if kind == "group":
            span = find_group(self._text, match.start("group"), name)
        elif kind == "quote" or header or match.end() - at > PROBE_CHARACTERS:
            span = self._long(match, kind, name, header)
        elif len(self._judged) >= MAX_JUDGED:
            return _found(match, kind, name, judge=False)
        else:
            found = self._judged[match[0], name] = _found(match, kind, name)
            return found
        return (span[0] - at, span[1] - at) if span else _NOT_SECRET

    def _long(self, match: re.Match[str], kind: str, name: Name, header: bool) -> Span | None:
        """Return a value that the expression does not match to its end, if it is a secret."""
        text = self._text
        start = match.end() if kind == "quote" else match.start(kind)
        if kind == "bare":
            whole = (HEADER if header else _BARE).match
            probe = whole(text, start, start + PROBE_CHARACTERS)
            end = probe.end() if probe else start
        else:
            end, _ = quoted_end(text, start, match["quote"] or match["q"])
        given = text[start : min(end, start + PROBE_CHARACTERS)]
        if not _is_value(given.rstrip(_CLOSING), name, match["line"], quoted=kind != "bare"):
            return None
        if kind == "bare":
            rest = whole(text, start)
            end = start + len(rest[0].rstrip(_CLOSING)) if rest else end
        return start, end, name.rule


def _found(match: re.Match[str], kind: str, name: Name, judge: bool = True) -> _Place:
    """Return where the value is, if it is a secret."""
    given = match[kind] if kind == "quoted" else match[kind].rstrip(_CLOSING)
    if judge:
        secret = _is_value(given, name, match["line"], quoted=kind == "quoted")
    else:
        secret = name.sure or _DIGIT.search(given) is not None
    start = match.start(kind) - match.start()
    return (start, start + len(given)) if secret else _NOT_SECRET


def _is_value(given: str, name: Name, line: str | None, quoted: bool) -> bool:
    """Return whether a value is a secret."""
    if not given or given.startswith(_NOT_BEGUN) or (line and not _is_data(given)):
        return False
    if name.rule in HEADER_RULES and (scheme := SCHEME.match(given)):
        given = given[scheme.end() :]
    secret = is_secret(given, name, "" if quoted else "=")  # a number may be one without quotes
    return secret and not (is_prose(given, 0) if quoted else is_source(given))


def _is_data(given: str) -> bool:
    """Return whether what is in the next line may be the value, and not the next name."""
    return looks_secret(given) or (_DIGIT.search(given) is not None and given[-1:] != ":")
