"""Find the value that a text gives to a name, to its end.

A value ends where its notation says: a quoted one at its quote, a block at its indentation, a bare
one at a space or a delimiter. Where the end is unclear, the value ends with its line.
"""

from __future__ import annotations

import re

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import Name, judge
from honeytrace._redaction.secret_values import (
    PROBE_CHARACTERS,
    SCHEME,
    is_about_itself,
    is_call,
    is_prose,
    is_reference,
    is_secret,
    is_word,
)
from honeytrace._redaction.separators import WIDE_COLON

QUOTES = r"""\\{0,8}(?:\"{3}|'{3}|["'`])"""
"""A quote, with the backslashes that it has in a text within a text."""

MAX_VALUE_CHARACTERS = 1024
"""Only so many characters of a value are judged, but a longer secret is replaced to its end."""

HEADER_RULES = ("authorization", "cookie")
"""The rules whose values in a header take the rest of the line."""

COLONS = (":", WIDE_COLON)
"""The separators that prose has, too."""

_MAX_PROSE_WORDS = {"key": 3, "password": 6, "secret": 6, "authorization": 6, "cookie": 6}
_MAX_WORDS = 6  # of a quoted secret that does not begin as prose does

# What may stand between a separator and a value: the end of emphasis, of an element, of a cell.
_DECORATION = verbose(
    r"""(?: [ \t]{0,8} (?: \*{1,3} | _{2} | ~~ | </[A-Za-z0-9]{1,10}>
        (?:\s{0,8}<t[dh]\b[^<>\n]{0,64}>)?
      | <(?:b|i|em|strong|code|td|span|kbd|tt)> ) ){1,3}"""
)
# What may make a value from a literal.
_WRAPPER = r"(?:String::from|(?:new[ ])?String|str|bytes|Buffer\.from)\("
_OPENING = expression(
    rf"[ \t]{{0,16}}(?:{_WRAPPER})?[bBfFrRuULN@$]{{0,2}}(?P<quote>{QUOTES})", re.ASCII
)
_GROUP = verbose(
    r"""[ \t]{0,16}(?P<group> \{ [^{}\n]{1,2048} \} | (?!\[REDACTED:)\[ [^\[\]\n]{1,2048} \] )"""
)
_BLOCK = verbose(
    r"""[ ]{0,8}[|>][+-]?[0-9]?[ ]{0,8}\r?\n (?P<block> (?P<indent>[ \t]+)[^\s] [^\n]*
      (?:\n(?P=indent)[^\n]*)* )"""
)
_HEREDOC = expression(
    r"""[ ]?<<[-~]?[ ]?["']?(?P<tag>[A-Za-z_]\w{0,31})["']?\n"""
    r"""(?P<block>(?:(?!\s*(?P=tag)\b)[^\n]{1,1024}\n){1,16}?)[ \t]*(?P=tag)\b"""
)
_NEXT_LINE = expression(
    r"""[ \t]{0,8}\r?\n(?P<indent>[ \t]{0,32})(?:[-*>][ ])?(?P<quote>["'`]?)"""
    r"""(?P<next>[^\s"'`]{4,256})(?P=quote)[ \t]*(?=\r?\n|$)""",
    re.ASCII,
)
_BARE = expression(
    r"""[ \t\u00a0\u3000]{0,16}(?P<bare> (?: [^\s"'`\\,;&|<>\[\]{}()\uff0c\u3002]+
      | (?!</[A-Za-z])[<>|(){}](?=[^\s"'`,;])
      | \[(?!REDACTED:) | \](?=[^\s"'`,;)\]}]) | \\(?![abfnrtvu"'`\\])
      | (?<=[^\s"'`(\[])['"](?=\w) | [,;&](?=[^\s\w"'`]|\w(?![\w.%-]{0,40}[:=])) )+ )""",
    re.VERBOSE,
)
# What YAML may have before a value: a tag, an anchor.
_TAG = verbose(r"[ ]{1,8}(?:!{1,2}[A-Za-z][\w/.:-]{0,32}|&[A-Za-z][\w-]{0,32})(?=[ ]+[^\s=])")
_TYPED = verbose(
    r"""[ ]?&?(?:'[a-z]{1,16}[ ])?(?:mut[ ])?
      [A-Za-z_][\w.]{0,40}(?:\[[\w.,|"' \[\]]{1,64}\]|<[\w.,|&' ]{1,64}>)?[?!]?
      (?:[ ]?\|[ ]?[\w.]{1,40}){0,3}[ ]{0,4}=(?![=>])[ ]{0,4}"""
)
# Token token="x", scope="y"
_PARAMETERS = (
    r"""[A-Za-z0-9-]{1,32}[ ]\w{1,32}=\\{0,7}"[^"\r\n]{0,512}\""""
    r"""(?:,[ ]{0,8}\w{1,32}=(?:\\{0,7}"[^"\r\n]{0,512}"|[^\s,"'`]{1,256})){0,16}"""
)
HEADER = expression(rf"[ \t]{{0,8}}(?P<line>(?:Digest[^\r\n]*|{_PARAMETERS}|[^\r\n\"'`\\]+))")
_HEADER_START = expression(
    rf"[ \t]{{0,8}}(?P<line>(?:Digest[^\r\n]{{0,512}}|{_PARAMETERS}|[^\r\n\"'`\\]{{1,512}}))"
)
_COOKIE = expression(r"[\w.$-]{1,128}=[^\s=]")
_CLOSING = ")]}>.,;:*!"
_TRAILING = expression(r"[ \t]*(?:\r?\n|$|\\[nr])")

# What an expression has after the name that it looks for: password=(\S+)
_PATTERN = expression(r"[()]{0,2}(?:\\{1,2}[SsWwDd]|\[\^|\.[*+]|\?[:P<!=])")


def quoted_end(text: str, start: int, quote: str) -> tuple[int, bool]:
    """Return where a quoted value ends that begins at `start`, and whether its quote closes it."""
    done = start
    at = text.find(quote, start)
    while at >= 0 and text.find("\n", done, at) < 0:
        before = at
        while before > start and text[before - 1] == "\\":
            before -= 1
        if quote[0] == "\\" or (at - before) % 2 == 0:
            return at, True
        done = at
        at = text.find(quote, at + 1)
    # The search for the end of the line is the last, because a text may have no other line.
    line = text.find("\n", done)
    limit = len(text) if line < 0 else line
    escaped = text.find("\\n", start, limit)
    return (escaped if escaped >= 0 else limit), False


def find_value(
    text: str, at: int, name: Name, label: str, separator: str, in_quotes: bool
) -> Span | None:
    """Return the secret that a separator gives to a name, if there is one.

    Args:
        text: the whole text.
        at: where the separator ends.
        name: what the name says.
        label: the name as it is written.
        separator: the separator: `:`, `=`, `==` …
        in_quotes: whether a quote that was opened earlier in the line is still open, so that the
            next one closes it.
    """
    tag = _TAG.match(text, at) if separator == ":" else None
    at = tag.end() if tag else at
    decoration = _DECORATION.match(text, at)
    if decoration:
        at = decoration.end()
    opening = _OPENING.match(text, at)
    if opening:
        return _quoted(text, opening, name, label, in_quotes)
    if "==" in separator or separator in ("!=", "<=", ">="):
        return None
    if separator in COLONS and name.rule in HEADER_RULES:
        return _header(text, at, name, label)
    if name.sure and (group := _GROUP.match(text, at)):
        return _grouped(group, name)
    if block := (_BLOCK if separator == ":" else _HEREDOC).match(text, at):
        secret = name.sure or looks_secret(block["block"].strip())
        return (*_trimmed(text, *block.span("block")), name.rule) if secret else None
    following = _NEXT_LINE.match(text, at) if separator in COLONS else None
    if following:
        return _next(following, name, label)
    typed = _TYPED.match(text, at) if separator == ":" else None
    if typed and not looks_secret(text[at : typed.end()].split("=")[0].strip()):
        return find_value(text, typed.end(), name, label, "=", in_quotes)
    return _bare(text, at, name, label, separator)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _quoted(
    text: str, opening: re.Match[str], name: Name, label: str, in_quotes: bool
) -> Span | None:
    if in_quotes:
        return None
    start, quote = opening.end(), opening["quote"]
    end, closed = quoted_end(text, start, quote)
    if end == start:
        return None
    given = text[start : min(end, start + MAX_VALUE_CHARACTERS)]
    if not closed and (len(given) > 256 or is_prose(text, start)):
        given = given.split()[0] if given.split() else ""
        end = start + len(given)
    if name.sure and closed and is_call(given) and given.endswith(")"):
        return None
    if _is_sentence(given, name, is_prose(text, start)):
        return None
    if name.rule == "cookie" and "=" not in given and not looks_secret(given):
        return None
    return (start, end, name.rule) if is_secret(given, name, label if name.sure else "") else None


def _is_sentence(given: str, name: Name, prose: bool) -> bool:
    """Return whether a quoted text has more words than a secret of this kind may have."""
    words = len(given.split())
    if prose and (words > _MAX_PROSE_WORDS.get(name.rule, 0) or is_about_itself(given)):
        return True
    return words > _MAX_WORDS and name.rule not in HEADER_RULES


def find_group(text: str, at: int, name: Name) -> Span | None:
    """Return the group in brackets that begins here, if it holds secrets."""
    group = _GROUP.match(text, at) if name.sure else None
    return _grouped(group, name) if group else None


def _grouped(group: re.Match[str], name: Name) -> Span | None:
    given = group["group"]
    if not re.search(r"""["'][^"']+["'][ ]*[,\]}]""", given):
        return None
    if re.match(
        r"""\{\s*\\*["'](?:type|\$ref|anyOf|description|title)\\*["']""", given
    ) or re.fullmatch(r"\{+[\w. ]*\}+", given):
        return None
    return (*group.span("group"), name.rule)


def _next(following: re.Match[str], name: Name, label: str) -> Span | None:
    given = following["next"].rstrip(_CLOSING)
    if "=" in given[:24] or re.match(r"[#/\-]|\w+\(", given):
        return None
    known = name.sure and following["indent"] and following["next"] == given
    if not looks_secret(given) and not (known and re.search(r"\d|[^\w\s]", given)):
        return None
    if not is_secret(given, name, label):
        return None
    return following.start("next"), following.start("next") + len(given), name.rule


def _header(text: str, at: int, name: Name, label: str) -> Span | None:
    """Return the value of a header, which takes the rest of its line or literal."""
    line = _HEADER_START.match(text, at)
    if line is None:
        return None
    start, end = _trimmed(text, *line.span("line"))
    given = text[start:end]
    if name.rule == "cookie":
        secret = _COOKIE.match(given) is not None or looks_secret(given)
    else:
        scheme = SCHEME.match(given)
        first = given[scheme.end() if scheme else 0 :].split(" ", 1)[0].rstrip(_CLOSING)
        secret = is_secret(first, name, label) and _is_authorization(given, first, scheme)
        if secret and not scheme:
            return start, start + len(first), name.rule
    if not secret:
        return None
    whole = HEADER.match(text, at)
    return (*_trimmed(text, start, whole.end("line") if whole else end), name.rule)


def _is_authorization(given: str, first: str, scheme: re.Match[str] | None) -> bool:
    """Return whether this is the value of an authorization header, and not prose with a colon."""
    if is_call(first):
        return False
    words = given.split(None, 3)
    if scheme:
        return scheme[0] == "Digest " or not (is_word(first) and len(words) > 2)
    if is_word(first) or is_prose(given, 0):
        return False
    return len(words) == 1 or re.search(r"\d", first) is not None


def _bare(text: str, at: int, name: Name, label: str, separator: str) -> Span | None:
    match = _BARE.match(text, at, at + PROBE_CHARACTERS)
    if match is None:
        return None
    if match.end() == at + PROBE_CHARACTERS:
        whole = is_secret(match["bare"], name, label) and _BARE.match(text, at)
        return (*whole.span("bare"), name.rule) if whole else None
    start, end = match.span("bare")
    given = match["bare"]
    shorter = given.rstrip(_CLOSING)
    end = start + (len(shorter) or len(given))
    given = text[start:end]
    if not is_secret(given, name, label) or is_call(text[start : end + 1]):
        return None
    if (given[0] in "([{" and text[start - 1] == " ") or _PATTERN.match(text, start):
        return None
    if is_reference(given):
        return None
    if is_word(given) and not _is_written(text, start, end, separator, label):
        return None
    if separator != "=" and is_prose(text, start):
        return None
    return start, end, name.rule


def _is_written(text: str, start: int, end: int, separator: str, label: str) -> bool:
    """Return whether a word that is not quoted is a value, not a variable or a type."""
    after = text[end : end + 1]
    ends = after in ".,;" and separator != "=" and _TRAILING.match(text, end + 1)
    if after and after in "([{.):,;" and not ends and not (after == ";" and "=" in separator):
        return False
    word = text[start:end]
    before = text[max(0, start - len(label) - 3) : start - len(label) - 1]
    touches = text[start - 1] == "=" or text[start - 3 : start].upper() == "%3D"
    if touches and separator == "=" and not before.endswith(("(", ", ", "*")):
        return judge(word) is None
    if "_" in word:
        return False
    if "-" in label.strip("-") and separator == "=":
        return True
    if separator in COLONS:
        cased = word[1:] != word[1:].lower() or not word[:1].islower()
        described = label[:1] == "_" or label.lower().startswith("credential")
        return bool(_TRAILING.match(text, end)) and ("-" in label or not cased) and not described
    return False
