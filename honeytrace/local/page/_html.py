"""Build HTML in which every text is escaped, because only `Markup` is not.

`tag("a", "<b>", href="/s/1")` gives `<a href="/s/1">&lt;b&gt;</a>`. A plain string is never markup,
so nobody can forget to escape one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Union

from honeytrace._utils.text import CONTROL

Node = Union["Markup", str, int, float, None, Iterable["Node"]]
"""The possible contents of an element: text, markup, numbers, nothing, or any number of these."""

_VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}
_ADDRESSES = {"href", "src", "action"}
_OUR_ADDRESS = re.compile(r"[/?#](?!/)[^\s\\]*")
IMAGE = re.compile("data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*")
"""An image in the page itself, of a kind that cannot hold a script."""

_JOINERS = "\u200c\u200d"  # parts of words and of emoji, which move and hide nothing
_KEPT = f"\n\t{_JOINERS}"


class Markup(str):
    """Text that is HTML already. Only this module makes it."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Escape a text, and spell out the characters that hide or reorder others."""
    return Markup(html.escape(visible(text)))


def visible(text: str) -> str:
    """Spell out control characters, such as `\\x1b` and `\\u202e`; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return CONTROL.sub(_spelled, text.replace("\r\n", "\n"))


def _spelled(found: re.Match[str]) -> str:
    return found[0] if found[0] in _KEPT else ascii(found[0])[1:-1]


def join(*nodes: Node) -> Markup:
    """Put nodes one after the other; None and "" leave nothing."""
    return Markup("".join(_pieces(nodes)))


def _pieces(node: Node) -> Iterable[str]:
    if isinstance(node, Markup):
        yield node
    elif isinstance(node, str):
        yield escape(node)
    elif isinstance(node, (int, float)):
        yield str(node)
    elif node is not None:
        for each in node:
            yield from _pieces(each)


def tag(name: str, /, *nodes: Node, **attributes: str | int | float | bool | None) -> Markup:
    """Make an element. An attribute that is None or False is left out; True has no value.

    `class_` stands for `class`, and `data_id` for `data-id`. An address has to be one of ours, or
    an image in the page itself: any other address raises `ValueError`.
    """
    start = f"<{name}{''.join(map(_attribute, attributes, attributes.values()))}>"
    if name in _VOID:
        return Markup(start)
    return Markup(f"{start}{''.join(_pieces(nodes))}</{name}>")


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = str(value)
    if name in _ADDRESSES and not (_OUR_ADDRESS.fullmatch(text) or IMAGE.fullmatch(text)):
        raise ValueError(f"{text[:100]!r} is not an address of this server")
    return f' {name}="{html.escape(visible(text))}"'
