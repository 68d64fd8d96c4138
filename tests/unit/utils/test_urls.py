"""Addresses of servers, and how one that cannot be used is shown."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeytrace._utils.urls import checked_url, printable_url, why_unusable


def test_a_good_address_is_taken():
    """Without what surrounds it."""
    assert checked_url(" https://h.test:8443/base/\n") == "https://h.test:8443/base"


@pytest.mark.parametrize("text", ["https://h.test", "http://[::1]:8787"])
def test_a_good_address_is_usable(text):
    """No reason against it is returned."""
    assert why_unusable(text) is None


@pytest.mark.parametrize("host", ["é" + "a" * 70, "xn--é", "é..test"])
def test_a_name_that_cannot_be_looked_up_is_not_usable(host):
    """The domain name system has no form for it."""
    assert why_unusable(f"https://{host}")


WRONG = st.one_of(
    st.text(),
    st.from_regex(r"https?://[a-z:#?]{0,9}@[a-z/.?#:]{0,12}", fullmatch=True),
    st.from_regex(r"[a-z]{0,5}://[a-z/.?#:]{0,12}", fullmatch=True),
)


@example("http://h.test/" + "x" * 300 + " y")
@given(WRONG.filter(why_unusable))
def test_what_is_shown_of_a_wrong_address_cannot_be_used_either(text):
    """Without its secrets it must not turn into an address that is good."""
    assert why_unusable(printable_url(text))
