"""The command `honeytrace`: parse, call one function, print."""

from __future__ import annotations

import argparse
import datetime
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from honeytrace import _settings, _wire
from honeytrace._client import Client
from honeytrace._errors import HoneytraceError, SessionNotFoundError
from honeytrace._session import Json, Session
from honeytrace._settings import Config
from honeytrace._tree import label, tree
from honeytrace._version import __version__
from honeytrace.local import DEFAULT_PORT, App, Store, make_server

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Stop(Exception):  # noqa: N818 - it ends the command, with a sentence
    """The command cannot do what was asked; the sentence says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, or 2 for what cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, _settings.resolve({"home": options.home}))
    except (_Stop, HoneytraceError) as error:
        print(f"honeytrace: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="honeytrace", description="Look at the sessions that honeytrace stored."
    )
    parser.add_argument("--version", action="version", version=f"honeytrace {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., None], words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.add_argument("--home", help="the directory of the store (HONEYTRACE_HOME)")
        added.set_defaults(run=run)
        return added

    ls = command("ls", _ls, "List the sessions stored on this machine, newest first.")
    ls.add_argument("-n", type=_count, default=20, metavar="N", help="how many, 20 by default")
    ls.add_argument("--all", action="store_true", help="also those that started inside another")
    ls.add_argument("--json", action="store_true", help="one JSON object a line")
    show = command("show", _show, "Show a session as a tree, with durations and errors.")
    show.add_argument("id", metavar="ID", help="a session's id, or the beginning of it")
    show.add_argument("--json", action="store_true", help="the whole session as JSON")
    serve = command("serve", _serve, "Answer startSession and getSession on this machine.")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    serve.add_argument("--port", type=_port, default=DEFAULT_PORT, help="0 picks a free one")
    serve.add_argument("--token", help="what clients have to give as their API key")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of sessions; give 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


# ---- ls


def _ls(options: argparse.Namespace, config: Config) -> None:
    store = _store(config)
    found = store.recent(options.n, children=options.all) if store.path.exists() else []
    if options.json:
        for fields in found:
            print(_wire.dumps(_wire.event(fields)).decode())
        return
    if not found:
        print(f"No sessions in {store.path} yet.")
    for fields in found:
        print(_row(_session(fields)))


def _row(session: Session) -> str:
    start = session.start_time
    when = datetime.datetime.fromtimestamp((start or 0) / 1000).astimezone() if start else None
    stamp = f"{when:%Y-%m-%d %H:%M:%S}" if when else " " * 19
    return f"{session.session_id[:8]}  {stamp}  {session.project}  {label(session)}"


# ---- show


def _show(options: argparse.Namespace, config: Config) -> None:
    fetch = _local(config) if config.local else _remote(config)
    session_id = _whole(options.id, config)
    session = fetch(session_id)
    if session is None:
        where = _store(config).path if config.local else config.server_url
        raise _Stop(f"there is no session {options.id!r} in {where}; `honeytrace ls` lists them")
    print(_pretty(session) if options.json else f"{session.session_id}\n{tree(session, fetch)}")


def _local(config: Config) -> Callable[[str], Session | None]:
    store = _store(config)

    def fetch(session_id: str) -> Session | None:
        fields = store.get(session_id) if store.path.exists() else None
        return _session(fields) if fields else None

    return fetch


def _remote(config: Config) -> Callable[[str], Session | None]:
    client = Client.configured(config)

    def fetch(session_id: str) -> Session | None:
        try:
            return client.get_session(session_id).session
        except SessionNotFoundError:
            return None

    return fetch


def _whole(prefix: str, config: Config) -> str:
    """The id that begins with this; only the store on this machine can be asked for it."""
    if _wire.is_uuid(prefix):
        return prefix.lower()
    if not config.local:
        raise _Stop(f"{prefix!r} is no whole id, which {config.server_url} needs; give all of it")
    store = _store(config)
    found = store.find(prefix) if prefix and store.path.exists() else []
    if not found:
        raise _Stop(f"there is no session {prefix!r} in {store.path}; `honeytrace ls` lists them")
    if len(found) > 1:
        raise _Stop(f"{prefix!r} begins several ids ({', '.join(found)}); give more of it")
    return found[0]


def _pretty(session: Session) -> str:
    whole: Json = {**_wire.payload(session), **session.extra}
    return _wire.dumps(whole, _wire.READABLE).decode()


# ---- serve


def _serve(options: argparse.Namespace, config: Config) -> None:
    token = options.token
    if token is None and options.host not in _LOOPBACK:
        token = secrets.token_urlsafe(16)
        print(f"Reachable from other machines, so clients need this key: HH_API_KEY={token}")
    store = _store(config)
    store.count()  # an unusable store is better said now than in every answer
    try:
        server = make_server(App(store, token), options.host, options.port)
    except OSError as error:
        raise _Stop(
            f"cannot listen on {options.host}:{options.port} ({error.strerror or error}); "
            "end what listens there or give another --port"
        ) from None
    with server:
        port = server.server_address[1]
        print(
            f"Sessions go to {store.path}.\nTo send them here: HH_API_URL=http://{options.host}:{port}"
        )
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Stopped.")


# ---- Both


def _store(config: Config) -> Store:
    return Store(Path(config.home) / "sessions.db")


def _session(fields: Json) -> Session:
    return _wire.decode(_wire.dumps(_wire.event(fields)))
