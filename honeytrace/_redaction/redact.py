"""Secrets out of a session that has ended, before it is encoded, stored, sent or shown.

It fails closed: what cannot be looked through is replaced whole. Nothing is changed in place, and
a session without a secret comes back as the same object; to find that out is one pass over its
names and a few scans over its joined texts.
"""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Callable, Iterable
from typing import Any

from honeytrace._capture.snapshot import Snapshot
from honeytrace._redaction import secrets
from honeytrace._redaction.command_lines import arguments
from honeytrace._redaction.marker import Finder, mark
from honeytrace._redaction.secret_names import any_secret, rule, tells
from honeytrace._session.session import OBJECTS, RESERVED, Session
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

Custom = Callable[[str, Any], Any]
"""A rule of the user's: (path, value) to the value or what stands in its place."""

_TEXTS = ("project", "session_name", "source", "error")
_FIELDS = (*OBJECTS, "extra")
_ERROR = mark("error")
_PLAIN = {int, float, bool, type(None)}
_MOST = 250_000  # containers, more than the fields may hold, so that a circle comes to an end
_PAIRS = (("name", "value"), ("key", "value"), ("Name", "Value"), ("Key", "Value"))
_OURS = {"version", "kind", "parent_id", "root_id", "status"}  # of the reserved key, not secret


def redact(session: Session, custom: Custom | None = None, key: str | None = None) -> Session:
    """The session without secrets; the same object if nothing had to change. Never raises.

    `key` is the API key that sessions are sent with, of whatever form.

    `custom` is asked for each value, containers first, before the built-in rules: by the path
    (`inputs.messages[0].content`) and the value. It is not asked for ids, project and source.
    """
    if custom is not None:
        session = _customized(session, custom)
    known = secrets.finders(key)
    finders, fault = try_call(_suspects, session, known)
    if fault is None and finders is None:
        return session
    cleaner = _Cleaner(known if finders is None else finders)
    return _changed(session, _cleaned(session, cleaner))


def _changed(session: Session, fields: Json) -> Session:
    new = {name: value for name, value in fields.items() if value is not getattr(session, name)}
    return dataclasses.replace(session, **new) if new else session


def _suspects(session: Session, known: tuple[Finder, ...]) -> list[Finder] | None:
    """The finders that may find something in the texts, None if nothing is secret by name either.

    Raises `TypeError` for what is no JSON data.
    """
    texts = [session.project, session.session_name, session.source, *session.children_ids]
    if session.error is not None:
        texts.append(session.error)
    _expect(texts, {str})
    containers: list[Any] = [
        session.config,
        session.inputs,
        session.outputs,
        session.user_properties,
        session.metrics,
        session.feedback,
        session.metadata,
        session.extra,
    ]
    _expect(containers, {dict})
    names = _collect(containers, texts)
    secret = any_secret(names)
    texts += names
    found = secrets.suspects("\n".join(texts), known)
    return found if found or secret else None


def _expect(values: Iterable[object], kinds: set[type]) -> None:
    odd = set(map(type, values)) - kinds
    if odd:
        raise TypeError(f"{odd} in a session")


def _collect(containers: list[Any], texts: list[str]) -> list[str]:
    """The names in all the containers; their texts are added to `texts`."""
    names: list[str] = []
    for container in containers:  # it grows on the way
        if type(container) is dict:
            if not container:
                continue
            names += container
            items = container.values()
            for label, content in _PAIRS:
                if content in container and type(container.get(label)) is str:
                    names.append(container[label])
        else:
            items = container
            if len(container) == 2 and type(container[0]) is str:
                names.append(container[0])
        for item in items:
            kind = type(item)
            if kind is str:
                texts.append(item)
            elif kind is dict or kind is list:
                containers.append(item)
            elif kind not in _PLAIN:
                raise TypeError(f"{kind} in a session")
        if len(containers) > _MOST:
            raise ValueError("a session without an end")
    _expect(names, {str})
    return names


def _cleaned(session: Session, cleaner: _Cleaner) -> Json:
    """The fields that may hold a secret, each cleaned by itself."""
    fields: Json = {}
    for name in _TEXTS:
        text = getattr(session, name)
        fields[name] = text if text is None else _or(_ERROR, cleaner.text, text)
    fields["children_ids"] = _or([_ERROR], cleaner.texts, session.children_ids)
    for name in _FIELDS:
        value = getattr(session, name)
        new, fault = try_call(cleaner.field, value)
        fields[name] = _failed(name, value) if fault else new
    return fields


def _or(otherwise: Any, function: Callable[[Any], Any], value: Any) -> Any:
    result, fault = try_call(function, value)
    return otherwise if fault else result


def _failed(name: str, value: Any) -> Json:
    """What becomes of a field that could not be looked through; the ids in the metadata stay."""
    failed: Json = {"redacted": _ERROR}
    ours = value.get(RESERVED) if name == "metadata" and type(value) is dict else None
    if type(ours) is dict:
        texts = {key: ours[key] for key in _OURS if type(ours.get(key)) is str}
        failed[RESERVED] = {key: secrets.without(text) for key, text in texts.items()}
    return failed


class _Cleaner:
    """Goes through fields and copies only what lies above a secret."""

    def __init__(self, finders: Iterable[Finder]) -> None:
        self._finders = finders
        self._left = _MOST

    def text(self, text: str) -> str:
        if type(text) is not str:
            raise TypeError(f"{type(text)} is no text")
        return secrets.without(text, self._finders)

    def texts(self, texts: list[str]) -> list[str]:
        new = [self.text(text) for text in texts]
        return texts if new == texts else new

    def field(self, value: Json) -> Json:
        _expect([value], {dict})
        return self._dict(value)

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            return self._dict(value)
        if kind is list:
            return self._list(value)
        _expect([value], _PLAIN)
        return value

    def _under(self, name: str, value: Any) -> Any:
        """What stands under a name."""
        found = rule(name)
        if found and tells(found, value):
            return mark(found)
        return self._value(value)

    def _enter(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("a session without an end")

    def _dict(self, value: Json) -> Json:
        self._enter()
        _expect(value, {str})
        labels = {
            content: value[label]
            for label, content in _PAIRS
            if content in value and type(value.get(label)) is str
        }
        spoken = "logprob" in value  # a token of a language model
        new: Json = {}
        same = True
        for key, item in value.items():
            if spoken and key == "token":
                clean = self._value(item)
            else:
                clean = self._under(key, item)
                if key in labels and clean is item:
                    clean = self._under(labels[key], item)
            name = self.text(key)
            if name is not key:
                name = _apart(name, value, new)
            same = same and clean is item and name is key
            new[name] = clean
        return value if same else new

    def _list(self, value: list[Any]) -> list[Any]:
        self._enter()
        if set(map(type, value)) == {str}:
            return self._texts(value)
        pairs = all(type(i) is list and len(i) == 2 and type(i[0]) is str for i in value)
        new = [self._pair(item) if pairs else self._value(item) for item in value]
        same = all(clean is item for clean, item in zip(new, value, strict=True))
        return value if same else new

    def _texts(self, texts: list[str]) -> list[str]:
        new = arguments([self.text(text) for text in texts])
        return texts if new == texts else new

    def _pair(self, pair: list[Any]) -> list[Any]:
        """A header, say, as `[name, value]`."""
        new = [self.text(pair[0]), self._under(*pair)]
        return pair if new[0] is pair[0] and new[1] is pair[1] else new


def _apart(name: str, *taken: Json) -> str:
    """A key that is new: two that were secrets look alike now, and nothing is to be lost."""
    number = step = len(taken[-1]) + 1
    spelled = name
    while any(spelled in keys for keys in taken):
        spelled = f"{name} ({number})"
        number += step
    return spelled


def _customized(session: Session, custom: Custom) -> Session:
    fields: Json = {}
    for name in ("session_name", "error"):  # the project and the source say where it goes
        text = getattr(session, name)
        if text is not None:
            new = _asked(custom, name, text)
            fields[name] = new if type(new) is str and new else mark("custom")
    for name in _FIELDS:
        visit = _metadata if name == "metadata" else _visited
        value = getattr(session, name)
        new, fault = try_call(visit, custom, name, value)
        fields[name] = _failed(name, value) if fault else new
    return _changed(session, fields)


def _asked(custom: Custom, path: str, value: Any) -> Any:
    """What the user's rule makes of one value, as plain data."""
    new, fault = try_call(_taken, custom, path, value)
    return _ERROR if fault else new


def _taken(custom: Custom, path: str, value: Any) -> Any:
    new = custom(path, value)
    return new if new is value else Snapshot().take(new, path)


def _visited(custom: Custom, path: str, value: Any) -> Json:
    # It may change in place what it is given, and records are shared: it gets a copy.
    new = _object(_visit(custom, path, _copy(value)))
    return value if new == value else new


def _object(value: Any) -> Json:
    return value if type(value) is dict else {"redacted": value}


def _copy(value: Any) -> Any:
    """A copy of plain data. Raises `ValueError` for any other."""
    return marshal.loads(marshal.dumps(value))  # noqa: S302 - our own bytes


def _metadata(custom: Custom, path: str, value: Json) -> Json:
    """Asks for the metadata, but not whether the ids and the state in it may stay."""
    if type(value.get(RESERVED)) is not dict:
        return _visited(custom, path, value)
    copy = _copy(value)
    ours = copy.pop(RESERVED)
    new = _object(_visit(custom, path, copy))
    for key in ours.keys() - _OURS:
        ours[key] = _visit(custom, f"{path}.{RESERVED}.{key}", ours[key])
    new[RESERVED] = ours
    return value if new == value else new


def _visit(custom: Custom, path: str, value: Any) -> Any:
    value = _asked(custom, path, value)
    if type(value) is dict:
        for key, item in list(value.items()):
            value[key] = _visit(custom, f"{path}.{key}", item)
    elif type(value) is list:
        for index, item in enumerate(value):
            value[index] = _visit(custom, f"{path}[{index}]", item)
    return value
