"""The finders of secrets, and what each of them needs to find something.

To add a rule, write a function from a text to spans and add it to `FINDERS`, with the characters
without which it finds nothing. Every finder looks at the text as it was given, so they do not
depend on each other; spans that overlap become one.

Most texts hold no secret, and a finder should notice that soon. The rules say so as data: first
single characters, which cost next to nothing, then words, then what an `Outline` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from honeytrace._redaction import calls, command_lines, credentials, markup, sql, statements, tables
from honeytrace._redaction.declarations import alternatives, declared_defaults
from honeytrace._redaction.marker import Span
from honeytrace._redaction.named_values import named_values
from honeytrace._redaction.outline import Outline
from honeytrace._redaction.provider_keys import provider_keys
from honeytrace._redaction.sayings import comparisons, sayings
from honeytrace._redaction.separators import ARROWS, WIDE_COLON


class Finder(NamedTuple):
    """One way to find secrets.

    Attributes:
        find: yields the spans of a text, and an empty one where it looks closely. If it yields
            one for a text, it does so for texts that are joined by newlines.
        characters: `find` yields nothing for a text without one of these; empty if it may.
        words: the same for these texts.
        shows: returns whether the outline of a text lets `find` yield something.
    """

    find: Callable[[str], Iterator[Span]]
    characters: str
    words: tuple[str, ...] = ()
    shows: Callable[[Outline], bool] | None = None

    def applies(self, outline: Outline) -> bool:
        """Return whether the text has what the finder needs."""
        text = outline.text
        for character in self.characters:
            if character in text:
                break
        else:
            return not self.characters
        for word in self.words:
            if word in text:
                break
        else:
            if self.words:
                return False
        return self.shows is None or self.shows(outline)

    def suspects(self, outline: Outline) -> bool:
        """Return whether something in the text looks like a secret."""
        if not self.applies(outline):
            return False
        return next(self.find(outline.text), None) is not None


FINDERS = (
    Finder(provider_keys, ""),
    Finder(named_values, ":=%<>" + WIDE_COLON + ARROWS),
    Finder(credentials.private_keys, "G", shows=Outline.has_private_key),
    Finder(credentials.urls, "@\u2026"),
    Finder(credentials.webhooks, "/", words=("hook", "/v1/spaces/")),
    Finder(credentials.schemes, "bB"),
    Finder(credentials.pgpass, "5*", words=(":5432:", ":*:")),
    Finder(comparisons, "=", shows=Outline.compares_literal),
    Finder(alternatives, "\"'`", shows=Outline.opens_literal),
    Finder(sayings, " ", words=(" is ",)),
    Finder(declared_defaults, "\"'", shows=Outline.declares_default),
    Finder(markup.elements, "<"),
    Finder(markup.attributes, "<"),
    Finder(calls.pairs, "([,", shows=Outline.pairs_literals),
    Finder(calls.setters, "(", shows=Outline.passes_literal),
    Finder(tables.tables, "|"),
    Finder(command_lines.piped, "|", words=("stdin", "chpasswd", "sudo -S")),
    Finder(sql.inserts, "'", shows=Outline.has_values),
    Finder(tables.comma_values, ",;\t", shows=Outline.has_header),
    Finder(command_lines.options, "-", shows=Outline.has_dash),
    Finder(command_lines.commands, "-/", shows=Outline.has_flag),
    Finder(statements.instructions, "VG", shows=Outline.has_instruction),
    Finder(statements.statements, "s#q_("),
    Finder(statements.lines, "\"'", shows=Outline.opens_literal),
    Finder(sql.sql, "'", shows=Outline.opens_literal),
    Finder(command_lines.logins, "l", words=("login",)),
)
