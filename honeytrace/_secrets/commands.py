"""Secrets in the command line of a program, and in the files where programs keep logins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from honeytrace._secrets.marks import Span
from honeytrace._secrets.names import rule
from honeytrace._secrets.values import is_known, value

_compiled = partial(re.compile, flags=re.ASCII | re.VERBOSE)

# In a line, or in a list; not another option.
_OPTION = _compiled(
    r"""--(?<![\w-]--)(?P<name>[A-Za-z][\w-]{0,63})
      (?: \s{1,8}(?![\s-]) | \\{0,7}["'],\s{0,8}[bu]?(?=\\{0,7}["'](?!-)) )"""
)

# Flags of one letter mean what their program says.
_FLAG = re.compile(rb"""-(?<=[\s"'`]-)(?:[apw][\s"',:=\\]|p\w|[A-Za-z]{0,4}[uU][\s"',:=\\]|-(?:proxy-)?user[\s"',=\\])""")
_GAP = r"""(?: [\s"',=\\]{1,16} [bu]? [\"']? )"""
_USER = rf"""(?:-[a-zA-Z]{{0,4}}[uU]|--user|--proxy-user){_GAP}?(?!\d+:\d)[^\s:"'$<{{]{{1,64}}:"""
_FLAGS = {
    "curl": _USER,
    "sshpass": rf"-p{_GAP}?",
    "login": rf"-p{_GAP}",
    "mysql": r"-p(?=\S)",
    "mongo": rf"-p{_GAP}",
    "redis": rf"-a{_GAP}",
    "ldap": rf"-w{_GAP}",
}
_PROGRAM = _compiled(
    r"""\b(?: (?P<curl> curl ) | (?P<sshpass> sshpass ) | (?:docker|podman|helm)[\s"',]{1,6}(?P<login> login )
      | (?P<mysql> mysql(?:dump|admin|import)? | mariadb ) | (?P<mongo> mongo(?:sh|dump|restore)? )
      | (?P<redis> redis-cli ) | (?P<ldap> ldap(?:search|modify|add) ) )\b"""
)
_FAR = 512  # characters between a program and its flag
_SECRET = r"""(?P<value> [^\s"'`$<{\\|-][^\s"'`\\|]{0,255} )"""
_ARGUMENT = {
    program: _compiled(rf"""(?<=[\s"'`]){flag}{_SECRET}""") for program, flag in _FLAGS.items()
}

_END = re.compile(r"(?<!\\)(?:\r?\n|\\n)|[|;]")

_LOGIN = _compiled(  # of .netrc and of .pgpass
    r"""\bmachine\s{1,16}\S{1,255}\s{1,64}login\s{1,16}\S{1,255}\s{1,64}password\s{1,16}(?P<netrc>\S{1,255})
      | :5432:[^:\s]{1,64}:[^:\s]{1,64}:(?P<pgpass>[^\s\"'`,/]{1,255})"""
)


def options(text: str, data: bytes) -> Iterator[Span]:
    """`--password …` of a command line, `"--password", "…"` of a list of arguments."""
    if b"--" not in data:
        return
    for match in _OPTION.finditer(text):
        found = rule(match["name"])
        span = value(text, match.end(), match["name"], found) if found else None
        if span:
            yield span


def commands(text: str, data: bytes) -> Iterator[Span]:
    """`curl -u user:…`, `sshpass -p …` and the like."""
    if not _FLAG.search(data):
        return
    programs = list(_PROGRAM.finditer(text))
    for number, program in enumerate(programs, 1):
        following = programs[number].start() if number < len(programs) else len(text)
        end = min(program.end() + _FAR, following)
        over = _END.search(text, program.end(), end)
        yield from _arguments(program, text, over.start() if over else end)


def _arguments(program: re.Match[str], text: str, end: int) -> Iterator[Span]:
    for match in _ARGUMENT[program.lastgroup or ""].finditer(text, program.end(), end):
        if not is_known(match["value"], "password", "password"):
            yield *match.span("value"), "password"


def logins(text: str, data: bytes) -> Iterator[Span]:
    """The passwords in `.netrc` and `.pgpass`."""
    if b"machine" in data or b":5432:" in data:
        for match in _LOGIN.finditer(text):
            if not is_known(match[match.lastgroup or 0], "password", "password"):
                yield *match.span(match.lastgroup or 0), "password"
