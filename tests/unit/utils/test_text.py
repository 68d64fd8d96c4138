"""Words for messages: hints at slips, and keys that are not shown."""

from __future__ import annotations

import pytest

from honeytrace._utils.text import closest, did_you_mean, mask


def test_a_slip_gets_a_hint():
    """The closest known word is proposed."""
    assert did_you_mean("projct", ["source", "project"], "no") == "did you mean 'project'?"


def test_a_word_like_no_other_gets_what_was_given():
    """Nothing is proposed that is not alike."""
    assert did_you_mean("zzz", ["source", "project"], "see the list") == "see the list"


def test_how_alike_is_set_by_the_cutoff():
    """A higher one proposes less."""
    assert [closest("proj", ["project"], each) for each in (0.6, 0.9)] == ["project", None]


@pytest.mark.parametrize("key", ["k-1", "Bearer k-1"])
def test_a_key_is_masked(key):
    """With or without the scheme that goes before it in the header."""
    assert mask("no key k-1 here", key) == "no key [REDACTED:api_key] here"


@pytest.mark.parametrize("key", [None, "", "Bearer "])
def test_without_a_key_nothing_is_masked(key):
    """An empty key stands between any two characters."""
    assert mask("words", key) == "words"
