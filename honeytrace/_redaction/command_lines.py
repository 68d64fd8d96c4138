"""Find secrets in command lines: `--token …`, `curl -u user:…`, `vault login …`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import TypeVar

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span, mark
from honeytrace._redaction.secret_names import Name, hides, judge
from honeytrace._redaction.secret_values import is_secret, is_sentence

_Item = TypeVar("_Item")
_PASSWORD = Name("password", True)

# In the next line after a backslash.
_NEXT_WORD = r"[ \t]{1,8}(?:\\(?:\r?\n|\\{2,6}n)[ \t]{0,32})?(?![\s-])"
# In a line, or in a list; not another option.
_OPTION = verbose(
    rf"""-(?<![\w-]-)-(?P<name>[A-Za-z][\w-]{{0,63}})
      (?: {_NEXT_WORD}(?P<q>\\{{0,7}}["'])? |
      \\{{0,7}}["'],\s{{0,8}}[bu]?(?P<l>\\{{0,7}}["'])(?!-) )"""
)
_SHORT_OPTION = verbose(
    r"-(?<!\w-)(?P<name>[A-Za-z]*[Pp]ass\w*|[Pp]assword|[Ss]ecret|[Tt]oken"
    rf"|[Aa]pi[-_]?[Kk]ey){_NEXT_WORD}(?P<q>[\"'])?"
)
_ARGUMENT = r"[^\s\"'`\\|;,)\]}]{1,512}"
_NOT_PASSWORD = expression(r"pass|password|token|pw|test|[0-9.]+(?::[0-9]+)+")  # or ports
_BARE = expression(_ARGUMENT)
_QUOTED = {'"': expression(r'[^"\n]{1,1024}(?=")'), "'": expression(r"[^'\n]{1,1024}(?=')")}

MAX_COMMAND_CHARACTERS = 512
"""Characters between a program and its flag."""

_GAP = r"(?: [\s\"',=\\]{1,16} [bu]? [\"']? )"
_USER = (
    rf"(?:-[a-zA-Z]{{0,4}}[uU]|--user|--proxy-user){_GAP}?(?!\d+:\d)"
    r"""[^\s:"'$<{]{0,64}["']?:["']?"""
)
# What gives a password in the command line of a program.
_FLAGS = {
    "curl": _USER,
    "http https xh xhs": rf"(?:-a|--auth){_GAP}[^\s:\"'$<{{]{{1,64}}:",
    "wget": r"--(?:http-|ftp-|proxy-)?password[= ]",
    "sshpass": rf"-p{_GAP}?",
    "login": rf"-p{_GAP}",
    "mysql mysqldump mysqladmin mysqlimport mariadb": r"-p[\"']?(?=[^\s\"'])",
    "mongo mongosh mongodump mongorestore mongoexport mongoimport": rf"-p{_GAP}",
    "redis-cli": rf"-a{_GAP}",
    "ldapsearch ldapmodify ldapadd ldappasswd ldapwhoami": rf"-w{_GAP}",
    "smbclient rpcclient": r"-U[ ]?[^\s%\"']{1,64}%",
    "7z 7za unzip zip rar": r"-p(?=\S)|-P[ ]",
    "sqlcmd bcp": r"-P[ ]?[\"']?",
    "xfreerdp": r"/p(?:ass(?:word)?)?:[\"']?",
    "openssl": r"-pass(?:in|out)?[ ]pass:|-k[ ][\"']?",
    "put-parameter keyvault": rf"--value{_GAP}",
    "ssh-keygen": rf"-[NP]{_GAP}",
    "plink pscp psftp": rf"-pw{_GAP}",
    "useradd usermod cqlsh twine rdesktop": rf"-p{_GAP}",
    "mosquitto_pub mosquitto_sub": rf"-P{_GAP}",
    "jenkins-cli": rf"-auth{_GAP}[^\s:\"'$<{{]{{1,64}}:",
    "ConvertTo-SecureString": r"""[\"'](?=[^\s\"']{1,256}[\"'][ ]-AsPlain)""",
}
_WORD = r"""(?P<value> [^\s"'`$<{\\|\[-][^\s"'`\\|]{0,255} | \{[^\s{}$"']{6,255}\} )"""
_VALUES = {
    program: verbose(rf"""(?<=[\s"'`])(?:{flag}){_WORD}""")
    for programs, flag in _FLAGS.items()
    for program in programs.split()
}
_NAMES = "|".join(sorted(set(_VALUES) - {"login"}, key=len, reverse=True))
_PROGRAM = expression(
    rf"""(?:{_NAMES}|(?:docker|podman|nerdctl|buildah|skopeo|helm(?: registry)?|az|cf|oc)"""
    r"""[\s"',]{1,6}login)(?![\w:/-])""",
    re.ASCII,
)
_BEFORE = expression(r"(?:^|\W|\\[bfnrt]|%[0-9A-Fa-f]{2})$", re.ASCII)  # escapes may touch a word
_ANY_FLAG = (
    (
        "-",
        expression(
            r"""-(?<=[\s"'`]-)(?:[apwPUNk][\s"',:=\\]|[pPU]\S|[A-Za-z]{0,4}[uU]|pass"""
            r"|auth|AsPlain|-(?:(?:proxy-)?user|auth|value|\w{0,8}-?password))",
        ),
    ),
    ("/", expression(r"/p(?:ass(?:word)?)?:")),
)

_END = expression(r"(?<!\\)(?:\r?\n|\\n)|[|;]")

_TOKEN_LOGIN = verbose(
    r"""login(?<=vault[ ]login|cargo[ ]login|wandb[ ]login)[ ](?:--?[a-z-]+[ ]){0,2}
      (?=[^\s\d]{0,32}\d)(?P<value>[^\s"'\\$<=-][^\s"'\\=]{7,255})(?![^\s\\])"""
)
_NETRC = verbose(
    r"""login(?<!\wlogin)[\s\\n]{1,16}\S{1,255}\s{1,64}p(?:assword)[\s]{1,16}(?P<value>\S{1,255})"""
)
_PIPED = verbose(
    r"""\|[ ]*(?:sudo[ ]+)?(?:-S|chpasswd|[\w-]{2,32}[ ][^|\n]{0,128}?-stdin)(?![\w-])"""
)
_ECHO = verbose(
    r"""(?:echo|printf)[ ]+(?:-n[ ]+)?["']?(?:[\w.-]{1,64}:)?
      (?P<value>[^\s"'`|$<>]{3,256})["']?[ ]*$"""
)

_ECHO_CHARACTERS = 384  # of the command before the pipe


def arguments(words: list[str]) -> list[str]:
    """Return a command line in words without the secrets that follow an option."""
    if "\n-" not in "\n".join(words):
        return words
    called = _PROGRAM.match(" ".join([words[0].rpartition("/")[2], *words[1:2]]))
    pattern = _values(called) if called else None
    return words[:1] + [_argument(*pair, pattern) for pair in pairwise(words)]


def _argument(before: str, word: str, pattern: re.Pattern[str] | None) -> str:
    option = _OPTION.fullmatch(before + " ")
    name = _named(option["name"]) if option else None
    if name and word[:1] != "-" and hides(name, word):
        return mark(name.rule)
    cut = len(before) + 2
    for start, end, rule in _passwords(pattern.finditer(f" {before} {word}")) if pattern else ():
        if cut <= start < end:
            return word[: start - cut] + mark(rule) + word[end - cut :]
    return word


def _named(option: str) -> Name | None:
    """Return the meaning of an option. A likely name, such as `token`, counts as sure here."""
    name = judge(option)
    return Name(name.rule, sure=True) if name else None


def options(text: str) -> Iterator[Span]:
    """Find `--password …` in a command line, and `"--password", "…"` in a list of arguments."""
    for pattern in (_OPTION, _SHORT_OPTION):
        for match in pattern.finditer(text):
            name = _named(match["name"])
            if name:
                quote = (match["q"] or match.groupdict().get("l") or "")[-1:]
                value = (_QUOTED[quote] if quote else _BARE).match(text, match.end())
                end = match.end()
                if value and _is_argument(text, value, name, match["name"], bool(quote)):
                    end += len(value[0].rstrip("\\"))
                yield match.end(), end, name.rule


def _is_argument(text: str, value: re.Match[str], name: Name, label: str, quoted: bool) -> bool:
    given = value[0].rstrip("\\")
    if given.startswith("(") or not is_secret(given, name, label):
        return False
    return quoted or not is_sentence(text, value.start(), given)


def commands(text: str) -> Iterator[Span]:
    """Find `curl -u user:…`, `sshpass -p …` and the like."""
    if any(flag.search(text) for part, flag in _ANY_FLAG if part in text):
        found = (match for match in _PROGRAM.finditer(text) if _begins(text, match.start()))
        for program, following in _with_next(found):
            end = program.end() + MAX_COMMAND_CHARACTERS
            end = min(end, following.start() if following else len(text))
            # A program alone in its line begins a list of arguments, one a line.
            alone = text.startswith("\n", program.end())
            over = None if alone else _END.search(text, program.end(), end)
            end = over.start() if over else end
            pattern = _values(program)
            given = pattern.search(text, program.end(), end)
            while given:
                yield _password(given)
                given = pattern.search(text, given.end(), end)


def _with_next(found: Iterator[_Item]) -> Iterator[tuple[_Item, _Item | None]]:
    item = next(found, None)
    while item is not None:
        following = next(found, None)
        yield item, following
        item = following


def _values(program: re.Match[str]) -> re.Pattern[str]:
    return _VALUES.get(program[0]) or _VALUES["login"]


def _begins(text: str, start: int) -> bool:
    """Return whether a word begins here."""
    return (
        start == 0
        or text[start - 1] == " "
        or _BEFORE.search(text, max(0, start - 3), start) is not None
    )


def _passwords(matches: Iterator[re.Match[str]]) -> Iterator[Span]:
    return map(_password, matches)


def _password(match: re.Match[str]) -> Span:
    given = match["value"]
    start, end = match.span("value")
    secret = is_secret(given, _PASSWORD) and not _NOT_PASSWORD.fullmatch(given.lower())
    return start, end if secret else start, "password"


def piped(text: str) -> Iterator[Span]:
    """Find `echo … | docker login --password-stdin`, `echo bob:… | chpasswd`."""
    for program in _PIPED.finditer(text):
        before = max(0, program.start() - _ECHO_CHARACTERS)
        before = max(text.rfind(end, before, program.start()) + 1 for end in "\n|") or before
        given = _ECHO.search(text, before, program.start())
        yield from _passwords(iter((given,) if given else ()))


def logins(text: str) -> Iterator[Span]:
    """Find the passwords in `.netrc`, and the tokens in `vault login …`."""
    yield from _passwords(chain(_NETRC.finditer(text), _TOKEN_LOGIN.finditer(text)))
