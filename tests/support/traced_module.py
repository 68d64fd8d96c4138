"""A module of an application, whose traced function sessions name."""

from __future__ import annotations

from honeytrace import trace_session


@trace_session
def dedent(text: str) -> str:
    return text.strip()
