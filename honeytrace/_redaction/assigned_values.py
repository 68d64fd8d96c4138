"""What a text gives to a name: where the value ends, and whether it tells anything."""

from __future__ import annotations

import re
from functools import partial

from honeytrace._redaction.marker import MARK, Span
from honeytrace._redaction.secret_names import NUMBERS, rule

_compiled = partial(re.compile, flags=re.ASCII | re.VERBOSE)

_PROBE = 256  # more than any value has that tells nothing
_VALUE = _compiled(
    r"""(?: [^\S\r\n]{0,8} | \s{0,8}(?=["'`{\[\\]) )(?:
      [bBfFrRuU]{0,2}(?P<quote>\\{0,8}(?:\"{3}|'{3}|[\"'`]))(?!(?P=quote))
        (?P<quoted>(?s:.)+?)(?=(?<!\\)(?P=quote)|\Z)
    | (?P<group> \{[^{}]+\} | (?!\[REDACTED:)\[[^\[\]]+\] )
    | [|>][+-]?[ ]*\r?\n(?P<block> (?:[ \t]+[^\n]+\n?)+ )
    | (?P<plain> (?: [^\s\"'`\\,;&\[]+ | \[(?!REDACTED:rest\]) | \\(?![bfnrt\"'`])
        | [,;&](?!\s|[\w.-]{1,40}[:=]|\Z) )+ )
    )"""
)
_LINE = _compiled(r"(?: (?<=Digest)[^\r\n]* | [^\r\n\"'`\\]* )")
_TYPED = _compiled(
    r"""\s?&?[A-Za-z_][\w.]{0,40}(?:\[[\w., |]{1,64}\])?\??(?:[ ]?\|[ ]?[\w.]{1,40}){0,3}
      \s{0,4}=(?!=)"""
)
_CLOSING = ")]}>.,;:"
_HARMLESS = _compiled(
    r"""(?:(?:basic|bearer|token)[ ])? (?:
      (?: any|await|bool|boolean|bytes|dict|empty|false|final|float|hidden|int
        |integer|invalid|list|missing
        |nil|no|none|null|number|object|off|on|optional|required|secretstr|str|string|true
        |undefined|unset|valid|yes )(?:[^\w-].*)? | &str
    | \$\{[^{}]*\}? | \$[A-Z_][A-Z0-9_]* | \$\(.* | \{+[ ]?[\w.]*[ ]?\}* | <[^<>]*>?
    | %[sdr] | %\(\w+\)s | [*.xX\u2022\u2026]+ | \W{1,3} | [A-Za-z_.]{2,}[(\[].*
    | \{\s{0,8}\\{0,2}"(?:type|\$ref|anyOf|description|title)\\{0,2}".* )""",
    flags=re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_REFERENCE = _compiled(
    r"(?=\w{0,64}(?:[._]|[a-z][A-Z]))(?:[A-Za-z_]\w{0,64}\.)*([A-Za-z_]\w{0,64})[)\]},;.:]{0,4}"
)
_PROSE = _compiled(r"[A-Za-z][a-z']*[.,;:!?]?[ ]+[A-Za-z][a-z']*(?![\w=:-])")
_OFFER = _compiled(r"(?:Basic|Bearer|Digest|Negotiate|Token|ApiKey)[ ]", flags=re.A | re.I)


def value(text: str, at: int, name: str, found: str) -> Span | None:
    """The value that begins at `at`, unless it is a reference, a type, a small number, prose."""
    sep = text[at - 1]
    if text[at : at + 1] in ("=", ">"):  # of `:=`, `==`, `=>`
        at += 1
    match = _VALUE.match(text, at, at + _PROBE)
    if match is None or match.lastgroup is None:
        return None
    kind = match.lastgroup
    start, end = match.span(kind)
    if kind == "plain" and _is_code(text, start, end, sep):
        return None
    if end - start < _PROBE - 16 and is_known(text[start:end], name, found):
        typed = _TYPED.match(text, at) if sep == ":" else None
        return value(text, typed.end(), name, found) if typed else None
    if kind == "plain" and sep == ":" and found in ("authorization", "cookie"):
        shown = _LINE.match(text, end, start + _PROBE)
        if shown and is_known(text[start : shown.end()], name, found):
            return None
        line = _LINE.match(text, end)
        return start, line.end() if line else end, found
    end = (_VALUE.match(text, at) or match).end(kind)
    if kind == "plain":
        end = start + (len(text[start:end].rstrip(_CLOSING)) or end - start)
    return start, end, found


def _is_code(text: str, start: int, end: int, sep: str) -> bool:
    """Whether what begins here is prose, or names where the value is: `self.auth.token`."""
    if _OFFER.match(text, start):
        return False
    match = _REFERENCE.match(text, start, end)
    if match and match.end() == end and rule(match[1]):
        return True
    return sep != "=" and is_prose(text, start)


def is_prose(text: str, start: int) -> bool:
    """Whether words of English begin here."""
    return bool(_PROSE.match(text, start))


def is_known(given: str, name: str, found: str) -> bool:
    """Whether the value of an assignment tells nothing that was not told."""
    mark = MARK.match(given)
    given = given[mark.end() :].rstrip(_CLOSING) if mark else given.rstrip(_CLOSING) or given
    if mark or _HARMLESS.fullmatch(given):
        return not (mark and given)
    if given.isdigit():
        return found not in NUMBERS and len(given) < 6
    return given.rpartition(".")[2].lower().lstrip("_") == name.rpartition(".")[2].lower()
