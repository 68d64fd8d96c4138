"""Take the secrets out of a session that has ended, before it is encoded, stored, sent or shown.

It fails closed: a field that cannot be searched is replaced as a whole. Nothing is changed in
place. A session without a secret is returned as the same object, after one walk over it and a few
searches over its joined texts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from honeytrace._redaction.command_lines import arguments
from honeytrace._redaction.custom import Custom, customized
from honeytrace._redaction.fields import IDS, OBJECTS, failed
from honeytrace._redaction.finders import FINDERS, Finder
from honeytrace._redaction.marker import mark
from honeytrace._redaction.pieces import joined, without_split_secrets
from honeytrace._redaction.secret_names import MAX_NAME_CHARACTERS, Name, hides, judge
from honeytrace._redaction.secrets import bare_key, find_secrets, suspects, without_secrets
from honeytrace._session.session import TEXTS, Session
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

MAX_CONTAINERS = 250_000
"""The most containers in a session: more than capture allows. The limit ends cycles."""

_MAX_NAMES = 4096  # names that are remembered as plain
_ERROR = mark("error")
_PLAIN = {int, float, bool, type(None)}
_LABELS = tuple(
    (spell(label), spell(content))
    for label in ("name", "key", "header", "field", "param", "parameter", "variable", "property")
    for content in ("value", "val")
    for spell in (str.lower, str.title)
)
_CONTENTS = frozenset(content for _, content in _LABELS)
_LOGPROBS = frozenset(("logprob", "logProbability", "log_probability", "prob"))
_plain_names: set[str] = set()  # keys that are not secret, and hold no secret


def redact(session: Session, custom: Custom | None = None, key: str | None = None) -> Session:
    """Return the session without secrets; the same object if nothing had to change. Never raises.

    Args:
        session: the finished session.
        custom: the user's rule, asked for each value before the built-in rules.
        key: the API key that sessions are sent with, whatever its form.
    """
    if custom is not None:
        session = customized(session, custom)
    key = bare_key(key)
    finders, fault = try_call(_suspects, session, key)
    if fault is None and finders is None:
        return session
    cleaner = _Cleaner(FINDERS if finders is None else finders, key, _stream(session))
    return _changed(session, _cleaned(session, cleaner))


def _stream(session: Session) -> object:
    """Return the items of a stream that nothing merged, if that is what the outputs are."""
    return session.outputs.get("result") if type(session.outputs) is dict else None


def _changed(session: Session, fields: Json) -> Session:
    new = {name: value for name, value in fields.items() if value is not getattr(session, name)}
    return dataclasses.replace(session, **new) if new else session


def _suspects(session: Session, key: str | None) -> list[Finder] | None:
    """Return the finders that may find something in the texts; None if nothing can be a secret.

    Raises `TypeError` for what is not JSON data.
    """
    texts: list[Any] = [getattr(session, name) for name in TEXTS]
    for name in IDS:
        texts += getattr(session, name)
    texts = [text for text in texts if text is not None]
    _expect(texts, {str})
    containers: list[Any] = [getattr(session, name) for name in OBJECTS]
    _expect(containers, {dict})
    names, pairs = _collect([each for each in containers if each], texts, _stream(session))
    named = pairs or _any_secret(names)
    found = suspects(texts)
    if key and key in "\n".join((*texts, *names)):
        return found
    return found if found or named else None


def _collect(containers: list[Any], texts: list[str], stream: object) -> tuple[set[str], bool]:
    """Add the texts in all the containers to `texts`, and the texts that pieces may form.

    Returns their keys, and whether something may be a pair of a name and a value.
    """
    names: set[str] = set()
    pairs = False
    add = texts.append
    for container in containers:  # it grows on the way
        if type(container) is dict:
            names.update(container)
            items: Iterable[Any] = container.values()
        else:
            if len(container) > 1:
                pairs = pairs or (type(container[0]) is str and _are_paired(container))
                texts += joined(container, container is stream)
            items = container
        for item in items:
            kind = type(item)
            if kind is str:
                add(item)
            elif kind is dict or kind is list:
                containers.append(item)
            elif kind not in _PLAIN:
                raise TypeError(f"{kind} in a session")
        if len(containers) > MAX_CONTAINERS:
            raise ValueError("a session without an end")
    _expect(names, {str})
    if not (pairs or _CONTENTS.isdisjoint(names)):
        pairs = any(_labels(each) for each in containers if type(each) is dict)
    return names, pairs


def _are_paired(items: list[Any]) -> bool:
    """Return whether one item may be the name of the next: a header, or a command line in words."""
    if len(items) == 2 and judge(items[0]):
        return True
    words = [item for item in items if type(item) is str]
    return arguments(words) != words


def _any_secret(names: set[str]) -> bool:
    """Return whether a key is secret or holds a secret; most were seen before."""
    unknown = names - _plain_names
    if not unknown:
        return False
    if any(map(judge, unknown)) or suspects(unknown):
        return True
    if len(_plain_names) > _MAX_NAMES:
        _plain_names.clear()
    _plain_names.update(name for name in unknown if len(name) <= MAX_NAME_CHARACTERS)
    return False


def _expect(values: Iterable[object], kinds: set[type]) -> None:
    odd = set(map(type, values)) - kinds
    if odd:
        raise TypeError(f"{odd} in a session")


def _cleaned(session: Session, cleaner: _Cleaner) -> Json:
    """Return the fields that may hold a secret, each cleaned by itself."""
    fields: Json = {}
    for name in TEXTS:
        text = getattr(session, name)
        fields[name] = text if text is None else _or(_ERROR, cleaner.text, text)
    for name in IDS:
        fields[name] = _or([_ERROR], cleaner.texts, getattr(session, name))
    for name in OBJECTS:
        value = getattr(session, name)
        new, fault = try_call(cleaner.field, value)
        fields[name] = failed(name, value) if fault else new
    return fields


def _or(otherwise: Any, function: Callable[[Any], Any], value: Any) -> Any:
    result, fault = try_call(function, value)
    return otherwise if fault else result


class _Cleaner:
    """Searches fields, and copies only the containers of a secret."""

    def __init__(self, finders: Iterable[Finder], key: str | None, stream: object) -> None:
        self._find = partial(find_secrets, finders=finders, key=key)
        self._stream = stream
        self._clean = partial(without_secrets, finders=finders, key=key)
        self._key = partial(without_secrets, key=key)
        self._left = MAX_CONTAINERS

    def text(self, text: str) -> str:
        if type(text) is not str:
            raise TypeError(f"{type(text)} is not a text")
        return self._clean(text)

    def texts(self, texts: list[str]) -> list[str]:
        new = [self.text(text) for text in texts]
        return texts if new == texts else new

    def field(self, value: Json) -> Json:
        _expect([value], {dict})
        return self._dict(value)

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return self._clean(value)
        if kind is dict:
            return self._dict(value)
        if kind is list:
            return self._list(value)
        _expect([value], _PLAIN)
        return value

    def _under(self, name: Name | None, value: Any) -> Any:
        """Clean a value under a name."""
        if name and hides(name, value):
            return mark(name.rule)
        return self._value(value)

    def _enter(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("a session without an end")

    def _dict(self, value: Json) -> Json:
        self._enter()
        _expect(value, {str})
        spoken = not _LOGPROBS.isdisjoint(value)  # a token of a language model
        labels = _labels(value)
        new: Json = {}
        same = True
        for key, item in value.items():
            spelled = key if key in _plain_names else self._key(key)
            name = judge(spelled)
            if name is None or not name.sure:
                name = labels.get(key) or (None if spoken else name)
            clean = self._under(name, item)
            if spelled is not key:
                spelled = _apart(spelled, value, new)
            same = same and clean is item and spelled is key
            new[spelled] = clean
        return value if same else new

    def _list(self, value: list[Any]) -> list[Any]:
        self._enter()
        value = without_split_secrets(value, self._find, value is self._stream)
        if value and set(map(type, value)) == {str}:
            return self._texts(value)
        pairs = all(type(i) is list and len(i) == 2 and type(i[0]) is str for i in value)
        new = [self._pair(item) if pairs else self._value(item) for item in value]
        same = all(clean is item for clean, item in zip(new, value, strict=True))
        return value if same else new

    def _texts(self, texts: list[str]) -> list[str]:
        new = arguments([self._clean(text) for text in texts])
        return texts if new == texts else new

    def _pair(self, pair: list[Any]) -> list[Any]:
        """Clean a list `[name, value]`, such as a header."""
        spelled = self._key(pair[0])
        new = [spelled, self._under(judge(spelled), pair[1])]
        return pair if new[0] is pair[0] and new[1] is pair[1] else new


def _labels(value: Json) -> dict[str, Name]:
    """Return the meaning of a label for its value: `{"name": "Authorization", "value": …}`."""
    if _CONTENTS.isdisjoint(value):
        return {}
    return {
        content: name
        for label, content in _LABELS
        if content in value and type(value.get(label)) is str and (name := judge(value[label]))
    }


def _apart(name: str, *taken: Json) -> str:
    """Return a key that is not taken, because two redacted keys may look the same."""
    number = step = len(taken[-1]) + 1
    spelled = name
    while any(spelled in keys for keys in taken):
        spelled = f"{name} ({number})"
        number += step
    return spelled
