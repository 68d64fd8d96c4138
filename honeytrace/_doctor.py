"""Checks, one after the other, of all that lies between a session and the place it goes to."""

from __future__ import annotations

import email.utils
import shutil
import socket
import ssl
import tempfile
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

from honeytrace import _clock, _settings, _spool, _wire
from honeytrace._client import Client
from honeytrace._connection import trust
from honeytrace._errors import (
    SDKError,
    SessionNotFoundError,
    StoreError,
    TransportError,
)
from honeytrace._faults import attempt
from honeytrace._segment import LOCKS, make_private
from honeytrace._session import Session
from honeytrace._settings import Config
from honeytrace._snapshot import Limits
from honeytrace._spool import REJECTED, Survey
from honeytrace._transport import proxy
from honeytrace._tree import plain, span
from honeytrace.local import Store

NAME = "honeytrace doctor"
"""The name of the session that goes there and back."""

OK, WARNING, FAIL, SKIPPED = "ok", "warning", "FAIL", "skipped"

_WIDTH = 80
_WAIT = 5.0  # seconds that the server may take until it finds a session that it took
_GRACE = 0.5  # seconds for a step to end by itself, with better words, at the timeout
_OFF = 60.0  # seconds that the clocks may differ
_SHOWN = 300
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SPOOL = "set HONEYTRACE_SPOOL_DIR to a directory that you may write to"
_HOME = "set HONEYTRACE_HOME to a directory that you may write to"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `advice` says what to do if it failed."""

    status: str
    words: str
    advice: str = ""
    check: str = ""

    def __str__(self) -> str:
        return _row(f"{self.check:12}{self.status:9}", self.words)


@dataclass(frozen=True, slots=True)
class _Reply:
    """The answer to `startSession`, after so many seconds; `came` is the time by our clock."""

    status: int
    words: str
    date: str | None
    came: float
    seconds: float


class _Visit:
    """What the checks share: the settings, whom to connect to, and the answer that came."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.session_id = str(uuid.uuid4())
        self.reply: _Reply | None = None
        self.proxied = False
        self.host, self.port, self.tls = "", 0, False

    def aim(self) -> None:
        """Finds out whom to connect to. May raise for a proxy that makes no sense."""
        url = self.config.server_url or ""
        parts, way = urlsplit(url), proxy(url)
        self.tls = parts.scheme == "https"
        self.host, self.port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        if way is not None:
            self.proxied = True
            self.host, self.port = way.url.host, way.url.port or _PORTS[way.url.scheme]

    @property
    def peer(self) -> str:
        return f"{'the proxy ' if self.proxied else ''}{self.host} port {self.port}"

    def clean(self, words: str) -> str:
        """Words of others without the key, which servers repeat at times."""
        key = (self.config.api_key or "").removeprefix("Bearer ")
        return words.replace(key, "[REDACTED:api_key]") if key else words


# ---- The settings


def table(config: Config, origins: Mapping[str, str]) -> str:
    """Each setting, where it comes from and what it is, but for the key; what is not used."""
    lines = ["Settings"]
    for each in fields(config):
        words = _shown(each.name, getattr(config, each.name))
        lines.append(_row(f"{each.name:17}{origins[each.name]:26}", words))
    left = {**_settings.unused(), **_settings.unknown()}
    if left:
        width = max(map(len, left)) + 2
        lines += ["", "Set, but not used"]
        lines += [_row(f"{plain(name):{width}}", plain(why)) for name, why in left.items()]
    project = plain(repr(config.project))
    lines += ["", f"Checks, which send one session, {NAME!r}, to the project {project}"]
    return "\n".join(lines)


def _shown(name: str, value: object) -> str:
    if name == "api_key":
        return "set" if value else "not set"
    if value is None:
        return "the store on this machine" if name == "server_url" else "off"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Limits):
        return ", ".join(f"{limit} {most}" for limit, most in asdict(value).items())
    return f"{value:g} s" if isinstance(value, float) else plain(str(value))


def _row(head: str, words: str) -> str:
    """A row of a table, in as many lines as it takes; an address is not cut."""
    whole = textwrap.TextWrapper(
        _WIDTH, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    whole.initial_indent, whole.subsequent_indent = f"  {head}", " " * (2 + len(head))
    return whole.fill(words)


# ---- The checks


def examine(config: Config) -> Iterator[Finding]:
    """Checks one thing after the other, each within the timeout of a request.

    After a failure on the way to the server, what lies behind it is skipped.
    """
    visit = _Visit(config)
    broken = ""
    for check, step, needed in _LOCAL if config.local else _REMOTE:
        if broken and needed:
            finding = Finding(SKIPPED, f"not tried, since {broken} failed")
        else:
            finding = _bounded(step, visit)
        if needed and finding.status == FAIL:
            broken = broken or check
        yield replace(finding, check=check, words=plain(finding.words, _SHOWN))


def verdict(findings: Iterable[Finding]) -> str:
    """One sentence about all of them: the first that failed, and what to do."""
    for finding in findings:
        if finding.status == FAIL:
            advice = f"; {finding.advice}" if finding.advice else ""
            words = f"The first check that fails is {finding.check}: {finding.words}{advice}."
            return textwrap.fill(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    warned = any(finding.status == WARNING for finding in findings)
    return "Everything works, but see the warnings." if warned else "Everything works."


def _bounded(step: _Step, visit: _Visit) -> Finding:
    """What a step finds, on a thread of its own: not everything it calls takes a timeout."""
    found: list[Finding] = []
    seconds = visit.config.timeout + (_WAIT if step is _get else 0)
    thread = threading.Thread(target=lambda: found.append(_guarded(step, visit)), daemon=True)
    thread.start()
    thread.join(seconds + _GRACE)
    late = Finding(FAIL, f"no end within {seconds:g} s", "try again, or set HH_API_TIMEOUT higher")
    return found[0] if found else late


def _guarded(step: _Step, visit: _Visit) -> Finding:
    finding, error = attempt(step, visit)
    words = visit.clean(f"{type(error).__name__}: {error}")
    return finding or Finding(FAIL, words, "check the settings")


def _usable(visit: _Visit) -> Finding:
    config = visit.config
    for variable, why in _settings.unused().items():
        return Finding(FAIL, f"{variable} is not used: {why}", "change it, or leave it out")
    if not config.enabled:
        return Finding(WARNING, "tracing is off, see enabled: programs record nothing")
    url = urlsplit(config.server_url or "")
    if config.api_key and url.scheme == "http" and url.hostname not in _LOOPBACK:
        return Finding(WARNING, "the key travels unencrypted: server_url is no https:// address")
    unknown = [name for name in _settings.unknown() if name.startswith("HONEYTRACE_")]
    if unknown:
        return Finding(WARNING, f"{unknown[0]} is no setting: {_settings.unknown()[unknown[0]]}")
    return Finding(OK, "usable")


# ---- The disk


def _kept(visit: _Visit) -> Finding:
    """The spool: whether sessions can be kept there, and which are."""
    config = visit.config
    root = config.spool_dir
    if root is None:
        return Finding(SKIPPED, "it is off: what cannot be sent before the program ends is lost")
    if config.local:
        others = sum(each.waiting for each in _spool.surveys(root))
        also = f"; {others} wait there for servers, see `honeytrace resend`" if others else ""
        return Finding(SKIPPED, f"not needed, sessions go to the store on this machine{also}")
    if not LOCKS:  # pragma: no cover - Windows
        return Finding(SKIPPED, "this system has no locks for it")
    wrong = _writable(root, 0o022, _SPOOL)
    if wrong is None:
        survey = _spool.survey(root, config.server_url or "", config.project)
        if survey.directory.is_dir():
            wrong = _writable(survey.directory, 0o077, _SPOOL)
    return wrong or Finding(OK, f"{root}: {_content(survey, root)}, {_free(root)} free")


def _writable(directory: Path, others: int, advice: str) -> Finding | None:
    """What is wrong with a directory, `others` being what nobody else should be allowed."""
    try:
        make_private(directory)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"x")
        mode = directory.stat().st_mode & 0o777
    except OSError as error:
        words = f"no file can be written ({error.strerror or error}) in {directory}"
        return Finding(FAIL, words, advice)
    if mode & others:
        return Finding(WARNING, f"{directory} is open to others (mode {mode:o}); chmod 700 it")
    return None


def _free(directory: Path) -> str:
    return f"{shutil.disk_usage(directory).free / 1e9:.1f} GB"


def _content(survey: Survey, root: Path) -> str:
    others = sum(each.waiting for each in _spool.surveys(root)) - survey.waiting
    counts = {
        f"{survey.waiting} waiting (`honeytrace resend` sends them)": survey.waiting,
        f"{survey.held} held by running programs": survey.held,
        f"{survey.rejected} rejected, see {survey.directory / REJECTED}": survey.rejected,
        f"{survey.damaged} damaged files": survey.damaged,
        f"{survey.newer} files of a newer version": survey.newer,
        f"{others} waiting for other servers or projects": others,
    }
    return ", ".join(words for words, count in counts.items() if count) or "empty"


def _stored(visit: _Visit) -> Finding:
    """The store: whether it can be opened."""
    home = visit.config.home
    wrong = _writable(home, 0o022, _HOME)
    if wrong and wrong.status == FAIL:
        return wrong
    store = Store(home / "sessions.db")
    try:
        count = store.count()
    except StoreError as error:
        return Finding(FAIL, str(error))
    finally:
        store.close()
    return wrong or Finding(OK, f"{store.path}: {count} sessions, {_free(home)} free")


# ---- The way to the server


def _name(visit: _Visit) -> Finding:
    visit.aim()
    try:
        found = socket.getaddrinfo(visit.host, visit.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        words = getattr(error, "strerror", None) or str(error)
        return Finding(FAIL, f"{visit.host} is not found ({words})", _advice(visit))
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    which = f"the proxy {visit.host}" if visit.proxied else visit.host
    return Finding(OK, f"{which} is at {', '.join(addresses)}")


def _connection(visit: _Visit) -> Finding:
    began = _clock.now()
    try:
        _connect(visit).close()
    except OSError as error:
        return Finding(FAIL, f"{visit.peer}: {error.strerror or error}", _advice(visit))
    return Finding(OK, f"{visit.peer}, in {_span(_clock.now() - began)}")


def _connect(visit: _Visit) -> socket.socket:
    return socket.create_connection((visit.host, visit.port), visit.config.timeout)


def _advice(visit: _Visit) -> str:
    where = "the proxy that the environment names" if visit.proxied else "HH_API_URL"
    return f"check {where}, that the server runs, and the network"


def _handshake(visit: _Visit) -> Finding:
    if not visit.tls:
        return Finding(SKIPPED, "server_url is an http:// address")
    if visit.proxied:
        return Finding(SKIPPED, "behind the proxy; a failure would show in the answer")
    try:
        with trust().wrap_socket(_connect(visit), server_hostname=visit.host) as line:
            found, version = line.getpeercert() or {}, line.version()
    except ssl.SSLCertVerificationError as error:
        advice = "check HH_API_URL, or name the right authorities in SSL_CERT_FILE"
        return Finding(FAIL, f"the certificate is refused ({error.verify_message})", advice)
    except (OSError, ValueError) as error:
        words = getattr(error, "reason", None) or str(error)
        return Finding(FAIL, f"no handshake ({words})", "check that HH_API_URL serves https")
    return Finding(OK, f"{version}, certificate good until {found.get('notAfter')}")


def _answer(visit: _Visit) -> Finding:
    """Sends a session; what the answer says is the matter of the next checks."""
    try:
        visit.reply = _start(visit)
    except TransportError as error:
        return Finding(FAIL, _unreached(visit, error), _advice(visit))
    return Finding(OK, f"status {visit.reply.status}")


def _start(visit: _Visit) -> _Reply:
    now, began = time.time(), _clock.now()
    session = Session(
        project=visit.config.project,
        session_name=NAME,
        source=visit.config.source,
        session_id=visit.session_id,
        start_time=round(now * 1000),
        end_time=round(now * 1000),
        duration=0.0,
    )
    words = ""
    with Client.configured(visit.config) as client:
        try:
            response = client.start_session(session).raw_response
        except SDKError as error:
            response, words = error.raw_response, _said(visit, error)
    seconds = _clock.now() - began
    date = response.headers.get("date")
    return _Reply(response.status_code, words, date, time.time(), seconds)


def _said(visit: _Visit, error: SDKError) -> str:
    words = _wire.message(error.body) or error.raw_response.reason_phrase
    return visit.clean(f"status {error.status_code}: {words}")


def _unreached(visit: _Visit, error: TransportError) -> str:
    return visit.clean(str(error.__cause__) or type(error.__cause__).__name__)


def _time(visit: _Visit) -> Finding:
    assert visit.reply  # noqa: S101 - the check before this has it
    try:
        theirs = email.utils.parsedate_to_datetime(visit.reply.date or "").timestamp()
    except (TypeError, ValueError):  # TypeError: up to Python 3.9 and, for "", later
        return Finding(SKIPPED, "the answer has no date to compare with")
    ahead = visit.reply.came - theirs
    if abs(ahead) <= _OFF:
        return Finding(OK, "as the server's")
    words = f"ours is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    return Finding(WARNING, f"{words}; sessions show wrong times, set the clock")


def _key(visit: _Visit) -> Finding:
    assert visit.reply  # noqa: S101 - see _time
    key = visit.config.api_key
    if visit.reply.status >= 500:
        return Finding(
            SKIPPED, f"nothing is known of it, since the server answers {visit.reply.status}"
        )
    if visit.reply.status not in (401, 403):
        return Finding(OK, "taken" if key else "none is set, and the server wants none")
    if key is None:
        return Finding(FAIL, f"none is set ({visit.reply.words})", "set HH_API_KEY")
    return Finding(
        FAIL, f"refused ({visit.reply.words})", "check HH_API_KEY, and that HH_API_URL goes with it"
    )


def _taken(visit: _Visit) -> Finding:
    if visit.config.local:
        visit.reply = _start(visit)
    assert visit.reply  # noqa: S101 - see _time
    if visit.reply.words:
        theirs = not visit.config.local and visit.reply.status >= 500
        advice = (
            "it is the server's fault, try later" if theirs else "check HH_API_URL and HH_PROJECT"
        )
        return Finding(FAIL, visit.reply.words, advice)
    return Finding(OK, f"{visit.session_id}, in {_span(visit.reply.seconds)}")


def _get(visit: _Visit) -> Finding:
    began = _clock.now()
    try:
        with Client.configured(visit.config) as client:
            client.get_session(visit.session_id, wait=_WAIT)
    except SessionNotFoundError:
        words = f"the server does not find it within {_WAIT:g} s; it may take its time"
        return Finding(WARNING, words)
    except SDKError as error:
        return Finding(FAIL, _said(visit, error), "check that HH_API_URL serves getSession")
    except TransportError as error:
        return Finding(FAIL, _unreached(visit, error), _advice(visit))
    return Finding(OK, f"read back, in {_span(_clock.now() - began)}")


def _span(seconds: float) -> str:
    return span(seconds * 1000)


_Step = Callable[[_Visit], Finding]

# What it is called, the check, and whether it needs those before it that have the same mark.
_LOCAL: tuple[tuple[str, _Step, bool], ...] = (
    ("settings", _usable, False),
    ("spool", _kept, False),
    ("store", _stored, True),
    ("start", _taken, True),
    ("get", _get, True),
)
_REMOTE: tuple[tuple[str, _Step, bool], ...] = (
    ("settings", _usable, False),
    ("spool", _kept, False),
    ("host name", _name, True),
    ("connection", _connection, True),
    ("TLS", _handshake, True),
    ("answer", _answer, True),
    ("clock", _time, True),
    ("key", _key, True),
    ("start", _taken, True),
    ("get", _get, True),
)
