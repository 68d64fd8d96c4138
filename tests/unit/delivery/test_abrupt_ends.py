"""Processes that end without `atexit` are recognized."""

from __future__ import annotations

import pytest

from honeytrace._delivery.processes import ends_abruptly


def test_a_process_that_cannot_read_about_itself():
    """Without `/proc`, or a descriptor to open it with, it is taken for one that ends as usual."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        found = ends_abruptly()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert found is False
