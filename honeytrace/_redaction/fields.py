"""The fields of a session that the redaction searches, by what they hold.

They are derived from the class: a field that is added to `Session` is searched without a change
here, and one of an unknown type raises at import.
"""

from __future__ import annotations

from typing import Any

from honeytrace._redaction.marker import mark
from honeytrace._redaction.secrets import without_secrets
from honeytrace._session.session import RESERVED, SEARCHED, TEXTS, TYPES
from honeytrace._utils.json import Json

OURS = frozenset(("version", "kind", "parent_id", "root_id", "status"))
"""Texts under the reserved key that the user's rule does not get, and that stay after an error."""


IDS = tuple(name for name in SEARCHED if TYPES[name] == "list[str]")
"""Fields that hold a list of texts."""

OBJECTS = tuple(name for name in SEARCHED if TYPES[name] == "Json")
"""Fields that hold a JSON object."""

_unknown = {*SEARCHED} - {*TEXTS, *IDS, *OBJECTS}
if _unknown:  # pragma: no cover - a new type of field has to be taught to `redact`
    raise TypeError(f"the redaction cannot look through {_unknown} of a Session")


def failed(name: str, value: Any) -> Json:
    """Return the replacement of a field that could not be searched; the ids in metadata stay."""
    new: Json = {"redacted": mark("error")}
    ours = value.get(RESERVED) if name == "metadata" and type(value) is dict else None
    if type(ours) is dict:
        texts = {key: ours[key] for key in OURS if type(ours.get(key)) is str}
        new[RESERVED] = {key: without_secrets(text) for key, text in texts.items()}
    return new
