"""Show the inputs and outputs of a step: conversations, documents, and any other JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from honeytrace._utils.json import READABLE, dumps
from honeytrace.local import _format
from honeytrace.local._messages import Call, Image, Message, is_conversation, messages
from honeytrace.local._tools import read_schema, read_tool
from honeytrace.local.page._html import IMAGE, Markup, Node, tag, visible

_LINES = 20  # shown of a text; the rest is folded
_MAX_LINE_CHARACTERS = 4_000  # a longer line is folded as well
_DOCUMENT_CHARACTERS = 600  # shown of each document, so that one sees which ones were found
_MAX_TEXT_CHARACTERS = 200_000
_MAX_IMAGE_CHARACTERS = 2_000_000
_MAX_ITEMS = 100
_MAX_DEPTH = 8
_DOCUMENT_TEXTS = ("text", "page_content", "content", "quote", "snippet")
_DOCUMENT_NAMES = ("title", "source", "id", "path", "url", "name")
_LAID_OUT = re.compile(r"^(?: {2,}\S|\t|```|\|)|\S {3,}\S", re.MULTILINE)  # code or a table
_SHORTENED = re.compile(r"\[[0-9]+ more items\]")  # the last item of a list that was cut
_NUMBERS = (int, float, bool, type(None))
_SCORES = ("score", "relevance", "similarity", "distance")


class Content:
    """Shows values within a bound, and marks what was searched for."""

    def __init__(self, texts: Sequence[str] = (), characters: int = 500_000) -> None:
        """Show at most so many characters; `texts` are marked wherever they occur."""
        self._left = characters
        self._images = _MAX_IMAGE_CHARACTERS
        words = "|".join(re.escape(text) for text in texts if text)
        self._searched = re.compile(words, re.IGNORECASE) if words else None

    def value(self, value: Any, depth: int = 0) -> Node:
        """Show any JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            return self._described(value) or self._fields(value, depth)
        if isinstance(value, list) and value and depth < _MAX_DEPTH:
            return self._list(value, depth)
        return tag("code", self._cut(dumps(value).decode(), _MAX_LINE_CHARACTERS))

    def json(self, value: Any) -> Node:
        """Show a value as indented JSON."""
        return self.text(dumps(value, READABLE).decode(), as_code=True)

    def text(
        self, text: str, as_code: bool = False, characters: int = _MAX_LINE_CHARACTERS
    ) -> Markup:
        """Show a text; what is over 20 lines or so many characters is folded, with a count.

        It is shown as code, with letters of one width, if `as_code` or if its layout matters.
        """
        shown = self._cut(text, _MAX_TEXT_CHARACTERS)
        dropped = len(text) - len(shown)
        head, rest = _folded(visible(shown), characters)
        more = rest.count("\n") + 1
        words = (
            f"{_format.plural(more, 'more line')}" if more > 1 else f"{len(rest):,} more characters"
        )
        return tag(
            "div",
            tag("pre", self._marked(head), dir="auto"),
            tag("details", tag("summary", words), tag("pre", self._marked(rest), dir="auto"))
            if rest
            else None,
            tag("p", f"… and {dropped:,} more characters", class_="soft") if dropped > 0 else None,
            class_="text code" if as_code or _LAID_OUT.search(shown) else "text",
        )

    def _cut(self, text: str, most: int) -> str:
        shown = text[: min(self._left, most)]
        self._left -= len(shown)
        return shown

    def _marked(self, text: str) -> Node:
        """Mark what was searched for."""
        if self._searched is None:
            return text
        parts: list[Node] = []
        at = 0
        for found in self._searched.finditer(text):
            parts += [text[at : found.start()], tag("mark", found[0])]
            at = found.end()
        return [*parts, text[at:]]

    def _fields(self, value: Mapping[str, Any], depth: int) -> Markup:
        shown = list(value.items())[:_MAX_ITEMS]
        rows = [
            (tag("dt", self._cut(name, 200)), tag("dd", self.value(each, depth + 1)))
            for name, each in shown
        ]
        return tag("div", tag("dl", rows, class_="fields"), _more(len(value) - len(shown)))

    def _described(self, value: dict[str, Any]) -> Node:
        """Show a tool, or another JSON schema, on one line that unfolds to all of it."""
        tool, schema = read_tool(value), read_schema(value)
        if tool is None and schema is None:
            return None
        line = tool.signature if tool else schema or ""
        words = self._marked(self._cut(tool.description, _DOCUMENT_CHARACTERS)) if tool else None
        summary = tag("code", self._marked(self._cut(visible(line), _MAX_LINE_CHARACTERS)))
        return tag(
            "div",
            tag("details", tag("summary", summary), self.json(value)),
            tag("p", words, class_="soft") if words else None,
            class_="schema",
        )

    def _list(self, value: list[Any], depth: int) -> Node:
        if is_conversation(value):
            return self.conversation(value)
        if all(map(_is_document, value)):
            return self._items(value, self._document)
        shortened = isinstance(value[-1], str) and _SHORTENED.fullmatch(value[-1])
        if all(isinstance(each, _NUMBERS) for each in (value[:-1] if shortened else value)):
            return tag("code", self._cut(dumps(value).decode(), _MAX_LINE_CHARACTERS))
        return self._items(value, lambda each: self.value(each, depth + 1))

    def _items(self, items: list[Any], show: Callable[[Any], Node]) -> Markup:
        shown = [tag("li", show(each)) for each in items[:_MAX_ITEMS]]
        return tag("div", tag("ol", shown, class_="items"), _more(len(items) - len(shown)))

    def _document(self, document: Mapping[str, Any]) -> Node:
        """Show a document that was found: its score, its name, its text, and the rest."""
        text = _first(document, _DOCUMENT_TEXTS)
        name = _first(document, _DOCUMENT_NAMES)
        score = _first(document, _SCORES)
        rest = {key: each for key, each in document.items() if key not in (text, name, score)}
        return (
            tag(
                "p",
                tag("b", self._marked(self._cut(visible(str(document[name])), 500)))
                if name
                else None,
                tag("span", f"{score} {_number(document[score])}", class_="score")
                if score
                else None,
                class_="document",
            ),
            self.text(document[text], characters=_DOCUMENT_CHARACTERS) if text else None,
            self._fields(rest, _MAX_DEPTH - 2) if any(rest.values()) else None,
        )

    def conversation(self, items: list[Any]) -> Markup:
        """Show messages, each tool call with its result."""
        found = messages(items)
        shown = found[-_MAX_ITEMS:]  # the last messages matter most
        return tag(
            "div",
            _more(len(found) - len(shown), "earlier message"),
            tag("ol", [tag("li", self._message(each)) for each in shown], class_="conversation"),
        )

    def _message(self, message: Message) -> Node:
        return (
            tag("h4", message.role, class_="role"),
            [self._part(part) for part in message.parts],
        )

    def _part(self, part: Any) -> Node:
        if isinstance(part, Call):
            return self._call(part)
        if isinstance(part, Image):
            return self._image(part.address)
        return self.value(part)

    def _call(self, call: Call) -> Markup:
        return tag(
            "div",
            tag("p", "→ ", tag("b", call.name), class_="call"),
            self.value(call.arguments) if call.arguments not in ("", {}, None) else None,
            tag("p", "← result", class_="call") if call.has_result else None,
            self.value(call.result) if call.has_result else None,
            class_="tool",
        )

    def _image(self, address: str) -> Node:
        if not IMAGE.fullmatch(address):
            return self.text(address[:_MAX_LINE_CHARACTERS])
        if len(address) > self._images:
            return tag("p", f"An image of {len(address):,} characters", class_="soft")
        self._images -= len(address)
        return tag("img", src=address, alt="An image in the message")


def _folded(text: str, characters: int) -> tuple[str, str]:
    """Cut a text into what is shown and what is folded."""
    lines = text.split("\n", _LINES)
    head = "\n".join(lines[:_LINES])
    rest = lines[_LINES] if len(lines) > _LINES else ""
    if len(head) <= characters:
        return head, rest
    at = text.rfind(" ", characters // 2, characters) + 1 or characters  # not within a word
    return text[:at], text[at:]


def _more(number: int, noun: str = "more item") -> Node:
    return tag("p", f"… {_format.plural(number, noun)}", class_="soft") if number > 0 else None


def _is_document(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    text = _first(value, _DOCUMENT_TEXTS)
    about = _first(value, (*_SCORES, *_DOCUMENT_NAMES))
    return text is not None and about is not None and isinstance(value[text], str)


def _first(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if value.get(name) not in (None, "")), None)


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:50]
