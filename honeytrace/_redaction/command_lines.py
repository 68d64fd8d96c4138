"""Secrets in the command line of a program, and in the files where programs keep logins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from honeytrace._redaction.assigned_values import is_known, value
from honeytrace._redaction.marker import NOTHING, Span, mark
from honeytrace._redaction.secret_names import rule, tells

_compiled = partial(re.compile, flags=re.ASCII | re.VERBOSE)

# In a line, or in a list; not another option. It begins with one character, for which `re` can look
# fast.
_OPTION = _compiled(
    r"""-(?<![\w-]-)-(?P<name>[A-Za-z][\w-]{0,63})
      (?: \s{1,8}(?![\s-]) | \\{0,7}["'],\s{0,8}[bu]?(?=\\{0,7}["'](?!-)) )"""
)

# Flags of one letter mean what their program says.
_FLAG = re.compile(
    rb"""-(?<=[\s"'`]-)(?:[apw][\s"',:=\\]|p\w|[A-Za-z]{0,4}[uU][\s"',:=\\]|-(?:proxy-)?user[\s"',=\\])"""
)
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
_START = r"(?: (?<!\w) | (?<=\\[bfnrt]) | (?<=%[0-9A-Fa-f]{2}) )"  # escapes may touch a word
_PROGRAM = _compiled(
    rf"""{_START}(?: (?P<curl> curl ) | (?P<sshpass> sshpass )
      | (?:docker|podman|helm)[\s"',]{{1,6}}(?P<login> login )
      | (?P<mysql> mysql(?:dump|admin|import)? | mariadb ) | (?P<mongo> mongo(?:sh|dump|restore)? )
      | (?P<redis> redis-cli ) | (?P<ldap> ldap(?:search|modify|add) ) )\b"""
)
_FAR = 512  # characters between a program and its flag
_WORD = r"""(?P<value> [^\s"'`$<{\\|-][^\s"'`\\|]{0,255} )"""
_ARGUMENT = {
    program: _compiled(rf"""(?<=[\s"'`]){flag}{_WORD}""") for program, flag in _FLAGS.items()
}

_END = re.compile(r"(?<!\\)(?:\r?\n|\\n)|[|;]")

_NETRC = _compiled(
    rf"""{_START}machine\s{{1,16}}\S{{1,255}}\s{{1,64}}login\s{{1,16}}\S{{1,255}}\s{{1,64}}
      password\s{{1,16}}(?P<value>\S{{1,255}})"""
)


def arguments(words: list[str]) -> list[str]:
    """A command line in words, without the secrets that stand behind an option."""
    if "\n-" not in "\n".join(words):
        return words
    called = _PROGRAM.match(" ".join([words[0].rpartition("/")[2], *words[1:2]]))
    pattern = _ARGUMENT[called.lastgroup or ""] if called else None
    return words[:1] + [_argument(*pair, pattern) for pair in pairwise(words)]


def _argument(before: str, word: str, pattern: re.Pattern[str] | None) -> str:
    option = _OPTION.fullmatch(before + " ")
    found = option and rule(option["name"])
    if found and word[:1] != "-" and tells(found, word):
        return mark(found)
    cut = len(before) + 2
    for start, end, found in _passwords(pattern.finditer(f" {before} {word}")) if pattern else ():
        if start >= cut:
            return word[: start - cut] + mark(found) + word[end - cut :]
    return word


def options(text: str, _: bytes) -> Iterator[Span]:
    """`--password …` of a command line, `"--password", "…"` of a list of arguments."""
    for match in _OPTION.finditer(text):
        found = rule(match["name"])
        if found:
            yield match.end(), match.end(), ""
            span = value(text, match.end(), match["name"], found)
            if span:
                yield span


def commands(text: str, data: bytes) -> Iterator[Span]:
    """`curl -u user:…`, `sshpass -p …` and the like."""
    return _programs(text) if _FLAG.search(data) else NOTHING


def _programs(text: str) -> Iterator[Span]:
    programs = _PROGRAM.finditer(text)
    program = next(programs, None)
    while program:
        yield program.end(), program.end(), ""
        following = next(programs, None)
        end = min(program.end() + _FAR, following.start() if following else len(text))
        # A program alone in its line begins a list of arguments, of which each has its own.
        alone = text.startswith("\n", program.end())
        over = None if alone else _END.search(text, program.end(), end)
        argument = _ARGUMENT[program.lastgroup or ""]
        yield from _passwords(argument.finditer(text, program.end(), over.start() if over else end))
        program = following


def logins(text: str, data: bytes) -> Iterator[Span]:
    """The passwords in `.netrc`."""
    return _passwords(_NETRC.finditer(text)) if b"machine" in data else NOTHING


def _passwords(matches: Iterator[re.Match[str]]) -> Iterator[Span]:
    for match in matches:
        if not is_known(match["value"], "password", "password"):
            yield *match.span("value"), "password"
