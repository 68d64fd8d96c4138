"""The page that asks for the token, on a server that other machines can reach."""

from __future__ import annotations

import re
from collections.abc import Mapping

from honeytrace.local import _doors
from honeytrace.local._answers import Answer, redirect
from honeytrace.local.page import _layout
from honeytrace.local.page._html import tag

_MAX_AGE = 30 * 86_400  # seconds
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x7e]*")


def check(form: Mapping[str, str], token: str, port: str) -> Answer | None:
    """Log a browser in and send it on; return None if the token is not the right one."""
    if not _doors.same_text(form.get("token", "").strip().encode(), token.encode()):
        return None
    name, value = _doors.cookie(token, port)
    cookie = f"{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={_MAX_AGE}"
    return redirect(_local(form.get("next", "/")), ("Set-Cookie", cookie))


def _local(address: str) -> str:
    """Return an address of this server; "/" instead of any other."""
    return address if _LOCAL.fullmatch(address) else "/"


def render(address: str, refused: bool = False) -> bytes:
    """Return the page; `address` is where to go after it."""
    return _layout.document(
        "Log in",
        tag("h1", "honeytrace"),
        tag(
            "p",
            "Other machines can reach this server, so it asks for the key that ",
            tag("code", "honeytrace serve"),
            " has printed.",
        ),
        tag("p", "This is not the key.", class_="status error", role="alert") if refused else None,
        tag(
            "form",
            tag("label", "Key", for_="token"),
            tag(
                "input",
                type="password",
                id="token",
                name="token",
                required=True,
                autocomplete="current-password",
                autofocus=True,
            ),
            tag("input", type="hidden", name="next", value=_local(address)),
            tag("button", "Log in"),
            method="post",
            action="/login",
        ),
        kind="login",
    )
