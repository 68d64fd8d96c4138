"""Find secrets that follow a name and a separator: `password=…`, `"token": "…"`, `key := …`.

The finder looks at each colon and equals sign, and reads the name backwards from there. A quote
after the separator opens a value or closes a literal: the quotes before it in the line tell which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from honeytrace._redaction.lazy import expression
from honeytrace._redaction.marker import Span
from honeytrace._redaction.plain_values import MAX_LOOKS, Skimmer, is_plain_word
from honeytrace._redaction.secret_names import MAX_NAME_CHARACTERS, Name, ascii_name, judge
from honeytrace._redaction.separators import (
    ARROWS,
    LABELS,
    LAST_WORDS,
    SEPARATOR,
    SIGNATURE,
    TYPE_WORDS,
    after_names,
    last_name,
    meaning,
)
from honeytrace._redaction.values import (
    QUOTES,
    find_value,
)

_CLOSERS = " \t\"'`*\\]?!+|&~^.}"
_ENDS = tuple(">)[0123456789")
_TAIL = expression(r"(?:</[A-Za-z0-9]{1,10}>|[ ]\([^()\n]{1,32}\)|\[[0-9A-Z_]{0,16})[ ]*$")
_ANY_ESCAPE = r"\\[abfnrtv]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}"
_ESCAPES = expression(_ANY_ESCAPE)
_ESCAPE = expression(rf"(?:{_ANY_ESCAPE})$")
_QUOTE = expression(
    rf"(?<![A-Za-z]){QUOTES}|{QUOTES}(?![A-Za-z])|(?<=[A-Za-z])[\"`](?=[A-Za-z])", re.ASCII
)
_PHRASE = expression(r"(?:[A-Za-z][\w-]*[ ]){1,3}$")
_PHRASE_CHARACTERS = 40
_TYPE_BEFORE = expression(r"([A-Za-z_]\w{0,63})[ ]+(?:As[ ]+|as[ ]+|\[\]|&|\*)?$")
_STATEMENT = expression(
    r"(?:^|[\s(])(?:if|elif|while|for|in|and|or|not|return|case|lambda|class|except|raise|async"
    r"|await|goto|else|is|def|func|fn|interface|struct|enum)\s+[*(]{0,2}$"
)
_PATH = expression(r"[\w:/]:$")
_CONTENT = expression(r"""(?<![\w.$-])([vV]al(?:ue)?)[ "'`\\]*$""")
_LABEL_CHARACTERS = 128  # of a label, its name, and what is between that and the value
_LABELLED = expression(
    rf"""(?P<label>name|Name|key|Key|header|Header|field|variable|param|parameter
        |property)\\?["']?\s?[:=]\s?(?:{QUOTES})?(?P<name>[\w.$-]{{2,64}})(?:{QUOTES})?
      [\s,;]{{0,24}}
      (?: (?:{QUOTES})?\w{{1,16}}(?:{QUOTES})?[:=]\s?(?:{QUOTES})?[\w-]{{0,32}}(?:{QUOTES})?
        [\s,;]{{1,24}} ){{0,2}} (?:{QUOTES})?(?:value|Value|val)(?:{QUOTES})?$""",
    re.VERBOSE,
)
# "value": "…", "name": "Authorization"
_LABEL_AFTER = expression(
    r"""["':=\s]{1,4}(?P<q>\\{0,7}["'])[^"'\n]{1,512}(?P=q),\s{0,24}(?P=q)
      (?:name|Name|key|Key|header|Header)(?P=q)\s?[:=]\s?(?P=q)(?P<name>[\w.$-]{2,64})(?P=q)""",
    re.VERBOSE,
)
_NEXT_QUOTE = expression(rf"[ \t*]{{0,16}}[bBfFrRuULN@$]{{0,2}}({QUOTES})", re.ASCII)
_TOO_SHORT = expression(r"[ \t]*[\w.-]{1,5}(?=[\s,;)\]}]|$)")  # to be a secret under a likely name
_FILE = expression(r"\.(?:c|cc|cpp|cs|go|h|java|js|jsx|kt|php|py|rb|rs|scala|sh|swift|ts|tsx)$")
_LINE_NUMBER = expression(r"[0-9]{1,6}(?!\w)")
_BARE_WORDS = {"token", "tokens", "Token", "Tokens", "key", "pass"}  # names of words, too
_TAIL_CHARACTERS = 48  # characters of a name that is not in ASCII


def named_values(text: str) -> Iterator[Span]:
    """Find the values that are given to secret names."""
    quotes = _Quotes(text)
    looks = done = 0
    separators = after_names(text)
    for at, backwards in separators:
        if at < done:
            continue
        name, alone = meaning(backwards)
        if alone and name and not name.sure and is_plain_word(text, at):
            continue
        span = _closely(text, at, quotes)
        if span:
            done = span[1]
            yield span
        looks += 1
        if looks == MAX_LOOKS:
            yield from Skimmer(text).values(separators, done)


# Separators that are read as others: by their first character.
_KINDS = {"%": "=", "-": "=>", **dict.fromkeys(ARROWS, ":")}


def _closely(text: str, at: int, quotes: _Quotes) -> Span | None:
    """Return the value that the separator at this place gives to a secret name.

    It is empty if it is not secret.
    """
    separator = SEPARATOR.match(text, at)
    found = _candidate(text, separator) if separator else None
    if not separator or not found or not _is_assignment(separator[0], found[2]):
        return None
    name, label, before = found
    start, end = separator.span()
    kind = _KINDS.get(text[start], separator[0])
    closes = quotes.open_at(start, end) and not _is_quoted(text, start, before)
    limit = _fragment(text, end) if _is_query(before) else -1
    if limit >= 0:
        span = _before(limit, text, end, name, label, kind)
    else:
        span = find_value(text, end, name, label, kind, closes)
    return span or (start, start, name.rule)


def _fragment(text: str, at: int) -> int:
    """Return where the fragment of a URL begins, if there is one after a value that begins here."""
    bare = text[at : at + 1].isalnum()
    return text.find("#", at, at + MAX_NAME_CHARACTERS) if bare else -1


def _before(limit: int, text: str, at: int, name: Name, label: str, kind: str) -> Span | None:
    """Return the secret that begins at `at`, which ends at the limit at the latest."""
    first = max(0, at - MAX_NAME_CHARACTERS)
    span = find_value(text[first:limit], at - first, name, label, kind, False)
    return (span[0] + first, span[1] + first, span[2]) if span else None


def _candidate(text: str, separator: re.Match[str]) -> tuple[Name, str, str] | None:
    """Return the secret name before a separator, as it is written, and the text before the name."""
    start, end = separator.span()
    if content := _CONTENT.search(text, max(0, start - 16), start):
        return _labelled(text, start, content)
    head = text[max(0, start - MAX_NAME_CHARACTERS - 16) : start].rstrip(_CLOSERS)
    name = ascii_name(head)
    if name in _BARE_WORDS:
        before = head[: -len(name)]
        alone = before[-1:] != " " and not _is_query(before)
        if alone and _TOO_SHORT.match(text, end):
            return None
    if separator[0] in ("::", "=~") or (separator[0][0] == ":" and head[-1:] == "["):
        return None  # a path, a pattern, a slice
    if separator[0] == ":" and _FILE.search(name) and _LINE_NUMBER.match(text, end):
        return None  # secrets.py:42
    return _named(separator[0], head, name)


def _labelled(text: str, at: int, content: re.Match[str]) -> tuple[Name, str, str] | None:
    """Return the secret name that a label gives: `"name": "Authorization", "value": …`."""
    window = text[max(0, at - _LABEL_CHARACTERS) : at]
    label = _LABELLED.search(window) if any(map(window.__contains__, LABELS)) else None
    label = label or _LABEL_AFTER.match(text, at)
    name = judge(label["name"]) if label else None
    return (name, content[1], text[max(0, content.start() - 1) : content.start()]) if name else None


def _named(separator: str, head: str, name: str) -> tuple[Name, str, str] | None:
    if head[-1:] in _ENDS and (tail := _TAIL.search(head)):
        head = head[: tail.start()].rstrip(_CLOSERS)
        name = ascii_name(head)
    if not head[-len(name) - 1 :].isascii():
        name = last_name(head[-_TAIL_CHARACTERS:])
    before = head[: len(head) - len(name)]
    cut = _escaped(before, name)
    before, name = before + name[:cut], name[cut:].lstrip("-.$")
    found = _judged(separator, before, name)
    return (found, name, before) if found else None


def _escaped(before: str, name: str) -> int:
    """Return how many characters of a name belong to an escape, as in `\\nname` and `%20name`."""
    sign = before[-1:]
    if not name or sign not in ("\\", "%"):
        return 0
    if escape := _ESCAPE.search(before + name[: 4 if sign == "\\" else 2].rstrip()):
        return escape.end() - len(before)
    return int(sign == "\\" and name[0] in "abfnrtv")


def _is_query(before: str) -> bool:
    """Return whether what follows is a name in the query of a URL."""
    last = before[-1:]
    return last in ("?", "&") or (last in ("F", "f", "6") and before[-3:].upper() in ("%3F", "%26"))


def _judged(separator: str, before: str, name: str) -> Name | None:
    if not name:
        return None
    query = _is_query(before)
    if (query and "=" in separator) or separator[0] == "%":
        if SIGNATURE.fullmatch(name):
            return Name("signature", True)
        if name.lower() == "key":
            return Name("key", True)
    found = judge(name)
    if found and query:
        return Name(found.rule, True)
    if name.lower() in LAST_WORDS:
        near = _ESCAPES.sub(" ", before[-_PHRASE_CHARACTERS:])
        phrase = _PHRASE.search(near)
        whole = judge(phrase[0] + name) if phrase else None
        if whole and (found is None or not found.sure):
            return whole
    if found:
        return found
    if separator == "=" and name in TYPE_WORDS and (typed := _TYPE_BEFORE.search(before)):
        return judge(typed[1])
    return None


def _is_assignment(separator: str, before: str) -> bool:
    """Return whether this gives a value to the name: code has other colons."""
    if separator[0] == ":" and (
        before.endswith(("::", "//")) or (before.endswith(":") and _PATH.search(before[-9:]))
    ):
        return False
    return not (separator == ":" and _STATEMENT.search(before[-24:]))


def _is_quoted(text: str, separator: int, before: str) -> bool:
    """Return whether a name stands in quotes of its own, so that a value begins after it."""
    closing = text[max(0, separator - 4) : separator].rstrip()[-1:]
    return closing != "" and closing in "\"'`" and before.endswith(closing)


class _Quotes:
    """Counts the quotes of each line, to tell whether one is open at a place in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counts: Counter[str] = Counter()

    def open_at(self, start: int, end: int) -> bool:
        """Return whether the quote that follows a separator closes a literal."""
        text = self._text
        line = text.rfind("\n", self._at, start) + 1
        if line > self._at:
            self._at = line
            self._counts.clear()
        for match in _QUOTE.finditer(text, self._at, start):
            self._counts[match[0]] += 1
        self._at = max(start, self._at)
        following = _NEXT_QUOTE.match(text, end)
        return following is not None and self._counts[following[1]] % 2 == 1
