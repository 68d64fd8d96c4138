"""The command `honeytrace`: parse, call one function, print."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

from honeytrace import _doctor, _export, _resend, _settings, _wire
from honeytrace._client import Client
from honeytrace._errors import HoneytraceError, SDKError, SessionNotFoundError
from honeytrace._finding import FAIL, verdict
from honeytrace._record import Json
from honeytrace._session import Session
from honeytrace._settings import Config
from honeytrace._tree import CONTROL, Fetch, mark, plain, span, tree
from honeytrace._version import __version__
from honeytrace.local import DEFAULT_PORT, App, Store, make_server

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ASCII = str.maketrans({"├": "|", "│": "|", "└": "`", "─": "-", "✗": "x", "µ": "u", "…": "..."})


class _Stop(Exception):  # noqa: N818 - it ends the command, with a sentence
    """The command cannot do what was asked; the sentence says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, or 2 for what cannot be done, or 1 for what
    `resend` and `doctor` found and `export` left out.

    Arguments that make no sense end with `SystemExit(2)`, as `argparse` does it.
    """
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options, _settings.resolve({"home": options.home}))
        print(end="", flush=True)  # a failure to write is to show here, not at exit
    except (_Stop, HoneytraceError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # of the output: a store raises StoreError
        # The rest would fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader of a pipe has seen enough
            return _fail(f"the output cannot be written ({error}); send it somewhere else")
        return 0
    return code or 0


def _fail(sentence: str) -> int:
    print(f"honeytrace: {sentence}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, where the base class prints its usage first."""
        sys.exit(_fail(f"{message}; see `{self.prog} --help`"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="honeytrace", description="Sessions of LLM applications: look at them, send them."
    )
    parser.add_argument("--version", action="version", version=f"honeytrace {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int | None], words: str) -> argparse.ArgumentParser:
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
    export = command("export", _write, "Write sessions as tests of the functions they called.")
    export.add_argument("ids", nargs="+", metavar="ID", help="their ids, or the beginnings of them")
    export.add_argument(
        "--pytest", action="store_true", required=True, help="as a file of tests for pytest"
    )
    serve = command("serve", _serve, "Answer startSession and getSession on this machine.")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    serve.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help=f"{DEFAULT_PORT}; 0 picks a free one"
    )
    serve.add_argument("--token", help="what clients have to give as their API key")
    resend = command("resend", _send, "Deliver what ended programs left on disk.")
    resend.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    command("doctor", _examine, "Check the settings, the spool and the way to the server.")
    return parser


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of sessions; give 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


# ---- ls


def _ls(options: argparse.Namespace, config: Config) -> None:
    store = _store(config)
    found = store.recent(options.n, children=options.all) if store.is_there() else []
    sessions = [_session(fields) for fields in found]
    if options.json:
        for session in sessions:
            _print_json(session)
    elif sessions:
        _print(_table(sessions))
    else:
        elsewhere = "" if config.local else f" New ones go to {config.server_url}."
        _print(f"No sessions in {store.path} yet.{elsewhere}")


def _table(sessions: Sequence[Session]) -> str:
    """Id, start, duration, project and name with the error, in columns."""
    size = _enough([session.session_id for session in sessions])
    spans = ["" if s.duration is None else span(s.duration) for s in sessions]
    projects = [plain(session.project, 30) for session in sessions]
    widest, broadest = max(map(len, spans)), max(map(len, projects))
    rows = zip(sessions, spans, projects, strict=True)
    return "\n".join(
        f"{session.session_id[:size]}  {_start(session)}  {time:>{widest}}  "
        f"{project:{broadest}}  {_title(session)}"
        for session, time, project in rows
    )


def _enough(ids: Sequence[str]) -> int:
    """How many characters tell these ids apart."""
    return next(size for size in (8, 13, 18, 23, 36) if len({i[:size] for i in ids}) == len(ids))


def _title(session: Session) -> str:
    name = plain(session.session_name, 60)
    return f"{name}  {mark(session.error)}" if session.error else name


def _start(session: Session) -> str:
    if session.start_time is None:
        return f"{'-':19}"
    try:
        start = datetime.datetime.fromtimestamp(session.start_time / 1000).astimezone()
    except (OverflowError, OSError, ValueError):  # a time that no calendar has
        return f"{'?':19}"
    return f"{start:%Y-%m-%d %H:%M:%S}"


# ---- show


def _show(options: argparse.Namespace, config: Config) -> None:
    with _reader(options, config) as (find, fetch):
        _print_session(find(options.id), fetch, options.json)


@contextmanager
def _reader(
    options: argparse.Namespace, config: Config
) -> Iterator[tuple[Callable[[str], Session], Fetch]]:
    """Where sessions are read from: one by what the user typed, and one by its whole id."""
    if config.local or options.home is not None:
        store = _store(config)
        yield partial(_pick, store), partial(_stored, store)
    else:
        with Client.configured(config) as client:
            yield partial(_ask, client, config.home), partial(_sent, client)


def _print_session(session: Session, fetch: Fetch, as_json: bool) -> None:
    if as_json:
        _print_json(session, _wire.READABLE)
    else:
        _print(f"{session.session_id}\n{tree(session, fetch)}")


def _pick(store: Store, prefix: str) -> Session:
    """The one session whose id begins with this."""
    try:
        return _session(cast("Json", store.get(store.whole(prefix))))
    except LookupError as error:
        raise _Stop(str(error)) from None


def _stored(store: Store, session_id: str) -> Session | None:
    fields = store.get(session_id)
    return _session(fields) if fields else None


def _ask(client: Client, home: Path, session_id: str) -> Session:
    """The session of this id; no server can be asked for the beginning of one."""
    url, here = client.server_url, f"or look on this machine, with --home {home}"
    if not _wire.is_uuid(session_id):
        raise _Stop(f"{session_id!r} is no whole id, which {url} needs; give all of it, {here}")
    session = _sent(client, session_id)
    if session is None:
        words = f"there is no session {session_id!r} at {url}; check the id and HH_API_URL"
        raise _Stop(f"{words}, {here}")
    return session


def _sent(client: Client, session_id: str) -> Session | None:
    if not _wire.is_uuid(session_id):  # a child's id can be any text
        return None
    try:
        return client.get_session(session_id).session
    except SessionNotFoundError:
        return None
    except SDKError as error:
        raise _Stop(f"{error}; check HH_API_KEY and HH_API_URL") from None


# ---- export


def _write(options: argparse.Namespace, config: Config) -> int:
    """Prints the tests of those sessions that can be tested, and says why the others cannot."""
    with _reader(options, config) as (find, _):
        sessions = {found.session_id: found for found in map(find, options.ids)}
    cases = list(filter(None, map(_case, sessions.values())))
    if cases:
        text = _export.render(cases, _enough(list(sessions)))
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())  # Python reads UTF-8, whatever the terminal speaks
    return int(len(cases) < len(sessions))


def _case(session: Session) -> _export.Case | None:
    try:
        return _export.case(session)
    except ValueError as error:
        print(f"honeytrace: {plain(str(error), 2_000)}", file=sys.stderr)
        return None


# ---- serve


def _serve(options: argparse.Namespace, config: Config) -> None:
    token = options.token
    if token is None and options.host not in _LOOPBACK:
        token = secrets.token_urlsafe(16)
    store = _store(config)
    store.count()  # an unusable store is better said now than in every answer
    server = make_server(App(store, token), options.host, options.port)
    with server, suppress(KeyboardInterrupt):
        _print(f"Sessions go to {store.path}.\nTo send them here: HH_API_URL={server.url}")
        if token != options.token:
            _print(f"Others can reach it, so it wants this key: HH_API_KEY={token}")
        sys.stdout.flush()
        server.serve_forever()
    _print("Stopped.")


# ---- resend


def _send(options: argparse.Namespace, config: Config) -> int | None:
    if options.dry_run:
        report = _resend.look(config)
    else:
        with closing(_resend.resend(config)) as reports:
            for report in reports:
                if report.code is None:
                    _rewrite(report.text)
        _rewrite("")
    _print(report.text)
    return report.code


def _rewrite(line: str) -> None:
    """Shows how far it is in one line of a terminal, in the place of the line before."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:{width}}\r", end="", file=sys.stderr, flush=True)


# ---- doctor


def _examine(options: argparse.Namespace, config: Config) -> int:
    _print(_doctor.table(config, _settings.origins({"home": options.home})))
    findings = []
    for finding in _doctor.examine(config):
        _print(str(finding))
        sys.stdout.flush()  # some checks take their time
        findings.append(finding)
    _print(f"\n{verdict(findings)}")
    return int(any(finding.status == FAIL for finding in findings))


# ---- The store


def _store(config: Config) -> Store:
    return Store(config.home / "sessions.db")


def _session(fields: Json) -> Session:
    return _wire.decode(_wire.dumps(_wire.event(fields)))


# ---- Output


def _print_json(session: Session, encoder: json.JSONEncoder | None = None) -> None:
    whole = {**_wire.payload(session), **session.extra}
    text = (_wire.dumps(whole, encoder) if encoder else _wire.dumps(whole)).decode()
    # The line breaks are ours: in a string they are spelled out already.
    _print("\n".join(CONTROL.sub(_escaped, line) for line in text.split("\n")), {})


def _print(text: str, instead: dict[int, str] = _ASCII) -> None:
    """Prints; in ASCII, and `instead` of some characters others, if the output takes no more."""
    try:
        print(text)
    except UnicodeEncodeError:
        print(re.sub(r"[^\x00-\x7f]", _escaped, text.translate(instead)))


def _escaped(found: re.Match[str]) -> str:
    """As JSON spells it, so that JSON stays JSON."""
    return json.dumps(found[0])[1:-1]
