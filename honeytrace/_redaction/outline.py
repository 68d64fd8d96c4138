"""Facts about a text that several finders need: each is computed once, and only if it is asked for.

Most texts have no call with two literals, no option and no table. The signs of a text, without its
small letters, show that at a small part of the cost of a search through the text.
"""

from __future__ import annotations

import re

from honeytrace._redaction.lazy import expression

_SMALL = b"abcdefghijklmnopqrstuvwxyz0123456789_ \r\v\f"
_OPENING = expression(r"'(?<![A-Za-z]')")
_DASH = expression(r"-(?<!\w-)", re.ASCII)
_COMPARISON = expression(r"""=(?<=["'`][!=]=)""")
_CALL = expression(r"""\(\s?\\*["'`]""")
# A literal behind an opening bracket or a comma, and a comma: read backwards from that comma.
_PAIR = expression(r""",\s?["'`]\\*[A-Z.:-]*["'`]\\*\s*[(\[,]""")
_HEADER = expression(r"""\n[A-Z"'-]*[,;\t][A-Z"',;\t-]*(?=\n)""")


class Outline:
    """A text, and what it looks like.

    Attributes:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._signs: str | None = None
        self._opens: bool | None = None
        self._has_dash: bool | None = None

    def signs(self) -> str:
        """Return the signs and the capitals of the text, without blanks and what is not ASCII."""
        if self._signs is None:
            self._signs = self.text.encode("ascii", "ignore").translate(None, _SMALL).decode()
        return self._signs

    def opens_literal(self) -> bool:
        """Return whether a quote may begin a literal: an apostrophe is within a word."""
        if self._opens is None:
            text = self.text
            self._opens = '"' in text or "`" in text or _OPENING.search(text) is not None
        return self._opens

    def declares_default(self) -> bool:
        """Return whether a default may be given by a literal: `default="…"`, `Field("…")`."""
        return self.opens_literal() and ("efault" in self.text or "F(" in self.signs())

    def has_dash(self) -> bool:
        """Return whether a dash may begin an option, because no word is before it."""
        if self._has_dash is None:
            self._has_dash = _DASH.search(self.text) is not None
        return self._has_dash

    def has_flag(self) -> bool:
        """Return whether a flag of a program may be there: `-p`, `/p:`."""
        return self.has_dash() or ("/" in self.text and "/p" in self.text)

    def compares_literal(self) -> bool:
        """Return whether a literal may be compared with something: `"…" == password`."""
        return _COMPARISON.search(self.signs()) is not None

    def passes_literal(self) -> bool:
        """Return whether the first argument of a call may be a literal."""
        return _CALL.search(self.signs()) is not None

    def pairs_literals(self) -> bool:
        """Return whether two literals may stand side by side: `("password", "…")`."""
        return _PAIR.search(self.signs()[::-1]) is not None

    def has_header(self) -> bool:
        """Return whether a line may hold the names of columns, with nothing but delimiters."""
        return _HEADER.search(f"\n{self.signs()}") is not None

    def has_instruction(self) -> bool:
        """Return whether `ENV` or `ARG` is there, which give a value to a name."""
        signs = self.signs()
        return "ENV" in signs or "ARG" in signs

    def has_values(self) -> bool:
        """Return whether the keyword of SQL is there."""
        return "VALUES" in self.signs()

    def has_private_key(self) -> bool:
        """Return whether the first line of a private key may be there."""
        return "PRIVATEKEY" in self.signs()
