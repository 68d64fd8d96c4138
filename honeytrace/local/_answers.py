"""The answer to an HTTP request."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

from honeytrace._utils.json import Json, dumps

Headers = tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """The answer to a request.

    Attributes:
        body: its pieces: a list of one, or pieces that are sent one by one as they come.
    """

    status: HTTPStatus
    headers: Headers
    body: Iterable[bytes]


def json_answer(
    value: Json, status: HTTPStatus = HTTPStatus.OK, *headers: tuple[str, str]
) -> Answer:
    return Answer(status, (("Content-Type", "application/json"), *headers), [dumps(value)])


def redirect(address: str, *headers: tuple[str, str]) -> Answer:
    """Send the browser to another page, which it asks for with GET."""
    return Answer(HTTPStatus.SEE_OTHER, (("Location", address), *headers), [b""])
