"""Find private keys, credentials in URLs, webhooks, and the tokens of authorization schemes."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from honeytrace._redaction.lazy import beginning, expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import is_mixed

_PEM = verbose(r"-{4,5}[ ]?BEGIN[ ](?P<kind>[A-Z0-9 _-]{0,100}PRIVATE[ ]KEY[A-Z ]{0,8})-{4,5}")
_PEM_END = verbose(r"-{4,5}[ ]?END[ ][A-Z0-9 _-]{0,100}PRIVATE[ ]KEY[A-Z ]{0,8}-{4,5}")
# The lines of a key without an end: base64, headers, and the escapes between them.
_PEM_BODY = verbose(
    r"""(?: (?:\\r)?\\n | \s | [>|,"'+]{1,3}(?=\s)
      | (?<=[\s"'nr>|])(?: [A-Za-z0-9+/=]{1,128}(?=[ \t]*(?:[\r\n\\"'…]|$)) |
      [A-Z][A-Za-z-]{1,32}:[ ][^\n]{0,128} ) )*"""
)
_URL = verbose(
    r"""://(?:
      (?P<alone> [^\s:/?\#@"'<>\\`${}]{8,256}(?=:(?:x-oauth-basic|x-token-auth)?@) )
    | (?P<user>[^\s:/?\#@"'<>\\`]{0,128}):(?!\d{1,5}[/?\#])
        (?P<password> [^\s/?\#"'<>\\`]{1,256}(?=@)
        | (?:[^\s@"'<>\\/`]|/(?!/)|(?<!:)/){1,256}(?:@[^\s@/?\#"'<>\\`]{0,64}){0,8}(?=@)
        | [^\s@"'<>\\`\u2026]{1,256}(?=\u2026[ ]\[) )
    | (?P<token> (?=[A-Za-z_.~%+-]{0,64}\d)[\w.~%+-]{12,256}(?=@) )
    )"""
)
_MAX_URL_CHARACTERS = 1024  # from the scheme to the host, or to where the text was cut
# The path of a webhook is all that it takes to post there.
_WEBHOOK = verbose(
    r"""/(?: (?<=hooks\.slack\.com/)(?:services|workflows|triggers)
      | (?<=hooks\.zapier\.com/)hooks/catch | (?<=discord\.com/)api/webhooks
      | (?<=discordapp\.com/)api/webhooks | (?<=\.tines\.com/)webhook
      | (?<=outlook\.office\.com/)webhook(?:b2)? | (?<=\.webhook\.office\.com/)webhookb2
      | (?<=open\.feishu\.cn/)open-apis/bot/v2/hook |
      (?<=open\.larksuite\.com/)open-apis/bot/v2/hook
      | (?<=chat\.googleapis\.com/)v1/spaces )/(?P<path> [\w/@-]{16,512} )"""
)
_PLACEHOLDER = expression(
    r"""\$\{?\w*.*\}? | \{.*\} | <.*>? | %\w+%? | \[.*\]? | [*.xX…]+ | :?\w{0,3}passw(?:or)?d
      | secret | pw | pwd | (?-i:[A-Z_]+_(?:KEY|PASSWORD|SECRET|TOKEN)) | x-oauth-basic
      | x-token-auth | \$\(.*
      | (?:your|my|some|the)(?:[-_]?(?:password|pass|secret|token|key|pw))+""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
_BEARER = expression(r"(?:\s{1,4}|%20|\+)[\"']?(?P<token>[A-Za-z0-9._~+/=|-]{6,4096})", re.ASCII)
_FIELD = expression(r"[a-z]+(?:_[a-z]+)+=[^=]")  # the next one of a log, behind `token_type=bearer`
# Each behind a character that it needs, and with its start, which `find` finds fast.
_SCHEMES = (
    ("b", "bearer", expression(r"bearer(?![\w-])")),
    ("b", "basic", expression(r"basic(?![\w-])")),
    ("B", "B", expression(r"B(?:(?i:earer)|(?i:asic))(?![\w-])")),
)
_PGPASS = expression(r":(?:5432|\*):[^:\s]{1,64}:[^:\s]{1,64}:(?P<password>[^\s:\"'\\]{1,256})")
_MIN_TOKEN_CHARACTERS = 8
_JOINED = expression(r"\\[abfnrtv]$|%[0-9A-Fa-f]{2}$")


def private_keys(text: str) -> Iterator[Span]:
    """Find private keys in PEM; one without an end goes as far as its lines are base64."""
    at = 0
    begin = _PEM.search(text)
    end = _PEM_END.search(text) if begin else None
    while begin:
        if end and end.start() < begin.end():
            end = _PEM_END.search(text, begin.end())
        following = _PEM.search(text, begin.end())
        if end and not (following and following.start() < end.start()):
            at = end.end()
        else:
            body = _PEM_BODY.match(text, begin.end())
            at = body.end() if body else begin.end()
        yield begin.start(), at, "private_key"
        begin = following if following and following.start() >= at else _PEM.search(text, at)


def urls(text: str) -> Iterator[Span]:
    """Find passwords and keys in front of a host."""
    at = text.find("://")
    while at >= 0:
        most = at + _MAX_URL_CHARACTERS
        host = text.find("@", at, most) >= 0 or text.find("\u2026", at, most) >= 0
        match = _URL.match(text, at) if host else None
        at += 3
        if match:
            group = match.lastgroup or ""
            at = match.end()
            if not _PLACEHOLDER.fullmatch(match[group]):
                yield *match.span(group), "url"
        at = text.find("://", at)


def webhooks(text: str) -> Iterator[Span]:
    """Find the paths of webhooks."""
    for match in _WEBHOOK.finditer(text):
        yield *match.span("path"), "url"


def schemes(text: str) -> Iterator[Span]:
    """Find the tokens of `Bearer` and `Basic` that do not look like a word of English."""
    for character, start, pattern in _SCHEMES:
        for scheme in beginning(start, pattern, text) if character in text else ():
            token = _BEARER.match(text, scheme.end())
            if token and _begins(text, scheme.start()):
                begin, given = token.start("token"), token["token"].rstrip(".")
                rule = "basic" if scheme[0].lower().endswith("asic") else "bearer"
                if (_is_basic if rule == "basic" else _is_token)(given):
                    yield begin, begin + len(given), rule


def _begins(text: str, start: int) -> bool:
    """Return whether a word begins here, or after an escape."""
    before = text[max(0, start - 1) : start]
    joined = before.isalnum() or before in ("_", "-")
    return not joined or _JOINED.search(text, max(0, start - 3), start) is not None


def _is_token(text: str) -> bool:
    if (
        _FIELD.match(text)
        or len(text) < _MIN_TOKEN_CHARACTERS
        or re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", text)
    ):
        return False
    if len(text) >= 20:
        return not re.fullmatch(r"[a-z]+(?:[-_./][a-z]+)*|[A-Z_]+", text) or (
            text.isalpha() and len(text) >= 24
        )
    return (
        is_mixed(text)
        or re.search(r"\d", text) is not None
        or re.search(r"[a-z][A-Z].*[a-z][A-Z]", text) is not None
    )


def _is_basic(token: str) -> bool:
    """Return whether it is base64 of `user:password`."""
    try:
        return b":" in binascii.a2b_base64(token.rstrip("=") + "==")
    except ValueError:
        return False


def pgpass(text: str) -> Iterator[Span]:
    """Find the passwords in PostgreSQL's `.pgpass`: `host:5432:database:user:…`."""
    for match in _PGPASS.finditer(text):
        if not _PLACEHOLDER.fullmatch(match["password"]) and not match["password"].isdigit():
            yield *match.span("password"), "password"
