"""The maker of HTML: text is escaped by its type, so that nobody can forget it."""

from __future__ import annotations

import datetime

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace.local import _format
from honeytrace.local.page import _layout
from honeytrace.local.page._html import Markup, join, tag

IMAGE = "data:image/png;base64,iVBORw0KGgo="


def test_text_is_escaped_and_markup_is_not():
    """Only what `tag` made is markup; a string that looks like it is text."""
    inner = tag("b", "<i>", class_="x", data_id=1, hidden=True, title=None, open=False)
    assert tag("p", inner, ["&", 2, None]) == (
        '<p><b class="x" data-id="1" hidden>&lt;i&gt;</b>&amp;2</p>'
    )


def test_an_attribute_cannot_be_left():
    """Quotes and angle brackets stay inside of the value."""
    assert tag("p", title="\"'><script>") == '<p title="&quot;&#x27;&gt;&lt;script&gt;"></p>'


@given(st.text())
def test_any_text_is_one_text(text):
    """Whatever a text holds, a browser sees one element with no child."""
    made = html5lib.parse(
        f"<!doctype html>{tag('p', text, title=text)}", namespaceHTMLElements=False
    )
    (paragraph,) = made.iter("p")
    assert len(paragraph) == 0
    assert paragraph.get("title") == (paragraph.text or "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("\ud800", "\\ud800"),
        ("a\r\nb\tc\rd", "a\nb\tc\\rd"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_hidden_characters_are_spelled_out(text, shown):
    """Characters that move the cursor, or hide or turn text, are shown; emoji and Persian stay."""
    assert join(text) == shown


@pytest.mark.parametrize("address", ["/", "/s/1?q=a%20b", "?q=1", "#step", IMAGE])
def test_our_own_addresses_are_taken(address):
    """Paths of this server and images in the page."""
    assert address in tag("a", href=address)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https://evil.example",
        "data:text/html,<script>",
        "data:image/svg+xml;base64,PHN2Zz4=",
        'data:image/png;base64,x" onload="alert(1)',
        "",
        " /",
        "s/1",
    ],
)
@pytest.mark.parametrize("name", ["href", "src", "action"])
def test_foreign_addresses_are_refused(name, address):
    """No session can make a link that leaves, or that runs a script."""
    with pytest.raises(ValueError, match="not an address of this server"):
        tag("a", **{name: address})


def test_markup_is_made_here_alone():
    """A part of markup is text again."""
    assert type(Markup("<b>")[1:]) is str


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, ""),
        (0.5, "500 µs"),
        (1500, "1.50 s"),
        (200_000, "3 min 20 s"),
        (179_999, "3 min 0 s"),
        (-200_000, "-3 min 20 s"),
        (9e6, "2 h 30 min"),
        (1e15, "277,777,777 h 47 min"),
        (1e308, "2.78e+301 h"),
    ],
)
def test_durations(milliseconds, shown):
    """In the unit that fits, and short however long it was."""
    assert _format.duration(milliseconds) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (None, ""),
        (0, "$0.00"),
        (0.0000123, "$0.000012"),
        (0.00000024, "$0.00000024"),
        (1e-12, "$1e-12"),
        (1e300, "$1e+300"),
        (0.0042, "$0.0042"),
        (1234.5, "$1,234.50"),
    ],
)
def test_costs(dollars, shown):
    """Small ones keep digits that mean something."""
    assert _format.cost(dollars) == shown


@pytest.mark.parametrize(
    ("given", "made", "shown"),
    [
        (None, None, ""),
        (1200, None, "1,200"),
        (None, 5, "? → 5"),
        (0, 5.0, "0 → 5"),
        (1e30, 0, "1e+30 → 0"),
    ],
)
def test_tokens(given, made, shown):
    """Of prompt and completion; one may be unknown."""
    assert _format.tokens(given, made) == shown


def test_moments():
    """The time alone today, the day this year, the year before that."""
    now = datetime.datetime(2026, 5, 4, 12, 30, tzinfo=datetime.timezone.utc).astimezone()
    today = _layout.when(now.timestamp() * 1000, now)
    assert f">{now:%H:%M:%S}</time>" in today
    assert f">{now:%b} 1, " in _layout.when((now.replace(day=1)).timestamp() * 1000, now)
    assert ">2025-0" in _layout.when(now.timestamp() * 1000 - 366 * 86_400_000, now)
    assert _format.moment(None) is None


@pytest.mark.parametrize(
    ("milliseconds", "shown"), [(0, "0"), (500, "500 ms"), (1500, "1.5 s"), (0.2, "200 µs")]
)
def test_ticks(milliseconds, shown):
    """The marks of the axis have no needless digits."""
    assert _format.tick(milliseconds) == shown
