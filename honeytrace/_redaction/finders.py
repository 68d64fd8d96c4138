"""The finders of secrets, and what each of them needs to find something.

To add a rule, write a function from a text to spans and add it to `FINDERS`, with the characters
without which it finds nothing. Every finder looks at the text as it was given, so they do not
depend on each other; spans that overlap become one.

Most texts hold no secret, and a finder should notice that soon. Look for single characters first,
which costs next to nothing, then for short words with `in`, and last for expressions that begin
with a rare character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from honeytrace._redaction import command_lines, credentials, structures
from honeytrace._redaction.marker import Span
from honeytrace._redaction.named_values import comparisons, defaults, named_values
from honeytrace._redaction.provider_keys import provider_keys
from honeytrace._redaction.values import WIDE_COLON


class Finder(NamedTuple):
    """One way to find secrets.

    Attributes:
        find: yields the spans of a text in order, and an empty one where it looks closely. If it
            yields something for a text, it does so for texts that are joined by newlines.
        characters: `find` yields nothing for a text without one of these; empty if it may.
    """

    find: Callable[[str], Iterator[Span]]
    characters: str

    def applies(self, text: str) -> bool:
        """Return whether the text has one of the characters."""
        for character in self.characters:
            if character in text:
                return True
        return not self.characters

    def suspects(self, text: str) -> bool:
        """Return whether something in the text looks like a secret."""
        return self.applies(text) and next(self.find(text), None) is not None


FINDERS = (
    Finder(provider_keys, ""),
    Finder(named_values, ":=%<" + WIDE_COLON),
    Finder(credentials.private_keys, "G"),
    Finder(credentials.urls, "@\u2026"),
    Finder(credentials.webhooks, "/"),
    Finder(credentials.schemes, "bB"),
    Finder(credentials.pgpass, "5*"),
    Finder(comparisons, "="),
    Finder(defaults, "\"'`"),
    Finder(structures.elements, "<"),
    Finder(structures.attributes, "<"),
    Finder(structures.pairs, "([,"),
    Finder(structures.setters, "("),
    Finder(structures.tables, "|"),
    Finder(command_lines.piped, "|"),
    Finder(command_lines.inserts, "'"),
    Finder(structures.comma_values, ",;\t"),
    Finder(command_lines.options, "-"),
    Finder(command_lines.commands, "-/"),
    Finder(command_lines.statements, " \t"),
    Finder(command_lines.sql, "'"),
    Finder(command_lines.logins, "l"),
)
