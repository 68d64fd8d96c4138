"""Sessions as a tree of text."""

from __future__ import annotations

from itertools import pairwise

import pytest

from honeytrace import Session
from honeytrace._session.tree import label, tree
from honeytrace._utils.text import span


def session(name, *children, **fields):
    return Session(
        project="p",
        session_name=name,
        source="dev",
        session_id=name,
        children_ids=list(children),
        **fields,
    )


def shown(*sessions):
    """The tree of the first, with the others in the store."""
    stored = {each.session_id: each for each in sessions}
    return tree(sessions[0], stored.get).splitlines()


def test_a_session_alone_is_one_line():
    """Without children there is the label and nothing else."""
    assert shown(session("root", duration=12.34)) == ["root  12.3 ms"]


def test_children_are_indented_in_start_order():
    """Children stand below their parent in the order of their start, at any depth."""
    assert shown(
        session("root", "a", "b"), session("a", "c"), session("c"), session("b", "d"), session("d")
    ) == ["root", "├─ a", "│  └─ c", "└─ b", "   └─ d"]


def test_a_child_that_is_not_there_is_named_by_its_id():
    """A child that the store does not have leaves a line that says so."""
    assert shown(session("root", "lost", "b"), session("b")) == [
        "root",
        "├─ lost (not stored)",
        "└─ b",
    ]


@pytest.mark.parametrize("names", [("root", "root"), ("root", "a", "root")])
def test_sessions_in_a_circle_end(names):
    """A session that stands above is not gone into again."""
    circle = [session(name, below) for name, below in pairwise(names)]
    assert shown(*circle)[-1].endswith("└─ root  (see above)")


def test_a_leaf_below_two_others_stands_below_both():
    """A session without children needs no reference to where it stood before."""
    lines = shown(session("root", "a", "b"), session("a", "c"), session("b", "c"), session("c"))
    assert lines == ["root", "├─ a", "│  └─ c", "└─ b", "   └─ c"]


def test_a_session_below_two_others_is_gone_into_once():
    """Sessions that share their children, layer by layer, cost a line each and not 2 to the 40."""
    layers = [session(f"l{depth}", *[f"l{depth + 1}"] * 2) for depth in range(40)]
    assert len(shown(*layers)) == 2 * 40 + 1


def test_a_very_deep_tree_is_shown():
    """A tree may have more levels than Python allows calls."""
    chain = [session(f"s{depth}", f"s{depth + 1}") for depth in range(1500)]
    assert shown(*chain)[-1].endswith("s1500 (not stored)")


def test_the_label_has_the_first_line_of_the_error():
    """The error is cut to its first line and to 200 characters."""
    text = label(session("answer", duration=4050.0, error=f"ValueError: {'x' * 300}\nmore"))
    assert text == f"answer  4.05 s  ✗ ValueError: {'x' * 188}…"


def test_an_empty_error_is_none():
    """An error without a character is not shown."""
    assert label(session("answer", error="")) == "answer"


@pytest.mark.parametrize(
    ("char", "spelled"),
    [("\x1b", r"\x1b"), ("\n", r"\n"), ("\x9b", r"\x9b"), ("\u202e", r"\u202e"),
     ("\ud800", r"\ud800")],
)  # fmt: skip
def test_nothing_steers_the_terminal(char, spelled):
    """Control characters in names, errors and ids are spelled out."""
    lines = shown(session(f"a{char}", f"b{char}", error=f"c{char}d"))
    # The error is cut at its first line break.
    assert lines[0].startswith(f"a{spelled}  ✗ c{spelled * (char != chr(10))}")
    assert lines[1] == f"└─ b{spelled} (not stored)"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 µs"), (0.82, "820 µs"), (0.9996, "1.0 ms"), (1, "1.0 ms"), (12.345, "12.3 ms"),
     (999.9, "999.9 ms"), (999.96, "1.00 s"), (4050, "4.05 s"), (3_600_000, "3600.00 s")],
)  # fmt: skip
def test_a_duration_has_the_unit_that_suits_it(milliseconds, text):
    """Below a millisecond, below a second, and above."""
    assert span(milliseconds) == text
