"""The command `feedback`: add what somebody said about a session."""

from __future__ import annotations

import argparse

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._session import wire
from honeytrace._session.session import title_of
from honeytrace._utils.errors import SDKError
from honeytrace._utils.json import Json, loads
from honeytrace._utils.text import printable
from honeytrace.cli._output import Stop, print_text
from honeytrace.cli._reading import open_store, reader


def add_feedback(options: argparse.Namespace, config: Config) -> None:
    values = dict(map(_parsed, options.values))
    with reader(options, config) as source:
        session = source.find(options.id)
    update: Json = {"feedback": values}
    if config.local or options.home is not None:
        open_store(config).update(session.session_id, update)
    else:
        _send(config, wire.merge(wire.payload(session), update))
    print_text(
        f"Added {', '.join(map(printable, options.values))} to {printable(title_of(session))}."
    )


def _parsed(pair: str) -> tuple[str, object]:
    """Parse `rating=5`: a value that is JSON counts as such, any other as text."""
    name, found, value = pair.partition("=")
    if not (name and found):
        raise Stop(f"{pair!r} is not feedback; write it as name=value, such as rating=5")
    try:
        return name, loads(value)
    except ValueError:
        return name, value


def _send(config: Config, session: Json) -> None:
    with Client.configured(config) as client:
        try:
            client.start_session(session)
        except SDKError as error:
            raise Stop(f"{error}; check HH_API_KEY and HH_API_URL") from None
