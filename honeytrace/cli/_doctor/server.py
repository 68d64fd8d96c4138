"""Check the way to the server step by step, and send a session there."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from honeytrace._client import Client
from honeytrace._config.settings import Config
from honeytrace._delivery.http.addresses import PORTS, proxy
from honeytrace._delivery.http.connections import trust
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._utils import clock
from honeytrace._utils.errors import SDKError, SessionNotFoundError, TransportError
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import mask, span
from honeytrace.cli._doctor.finding import FAIL, OK, SKIPPED, WARNING, Finding
from honeytrace.local import Store

NAME = "honeytrace doctor"
"""The name of the session that is sent and read back."""

WAIT = 5.0
"""Seconds that the server may need before it can return a session that it has accepted."""

_OFF = 60.0  # seconds by which the clocks may differ


@dataclass(frozen=True, slots=True)
class _Reply:
    """The answer to `startSession`.

    Attributes:
        status: the HTTP status.
        words: the server's message if it refused the session; else empty.
        date: the Date header of the answer.
        came: time of the answer by our clock, in seconds since 1970.
        seconds: seconds between request and answer.
    """

    status: int
    words: str
    date: str | None
    came: float
    seconds: float


class Visit:
    """Data that the checks share: the settings, the address to connect to, and the answer."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.session_id = str(uuid.uuid4())
        self.reply: _Reply | None = None
        self.proxied = False
        self.host, self.port, self.tls = "", 0, False

    def aim(self) -> None:
        """Find the address to connect to: the server or its proxy. Raises for an invalid proxy."""
        url = self.config.server_url or ""
        parts, way = urlsplit(url), proxy(url)
        self.tls = parts.scheme == "https"
        self.host, self.port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        if way is not None:
            self.proxied = True
            self.host = way.url.host.decode()
            self.port = way.url.port or PORTS[way.url.scheme.decode()]

    @property
    def peer(self) -> str:
        return f"{'the proxy ' if self.proxied else ''}{self.host} port {self.port}"

    def clean(self, words: str) -> str:
        """Return a foreign message without the API key, which some servers repeat."""
        return mask(words, self.config.api_key)


def name(visit: Visit) -> Finding:
    if visit.config.unusable:
        words = f"{visit.config.server_url!r} is not the address of a server, so nothing is sent"
        return Finding(FAIL, words, f"HH_API_URL: {visit.config.unusable}")
    visit.aim()
    try:
        found = socket.getaddrinfo(visit.host, visit.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
        words = getattr(error, "strerror", None) or str(error)
        return Finding(FAIL, f"{visit.host} is not found ({words})", _advice(visit))
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    which = f"the proxy {visit.host}" if visit.proxied else visit.host
    return Finding(OK, f"{which} is at {', '.join(addresses)}")


def connection(visit: Visit) -> Finding:
    began = clock.now()
    try:
        _connect(visit).close()
    except OSError as error:
        return Finding(FAIL, f"{visit.peer}: {error.strerror or error}", _advice(visit))
    return Finding(OK, f"{visit.peer}, in {_span(clock.now() - began)}")


def _connect(visit: Visit) -> socket.socket:
    return socket.create_connection((visit.host, visit.port), visit.config.timeout)


def _advice(visit: Visit) -> str:
    where = "the proxy that the environment names" if visit.proxied else "HH_API_URL"
    return f"check {where}, that the server runs, and the network"


def handshake(visit: Visit) -> Finding:
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


def answer(visit: Visit) -> Finding:
    """Send a session. The next checks look at the answer."""
    try:
        visit.reply = _start(visit)
    except TransportError as error:
        return Finding(FAIL, _unreached(visit, error), _advice(visit))
    return Finding(OK, f"status {visit.reply.status}")


def _start(visit: Visit) -> _Reply:
    now, began = time.time(), clock.now()
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
    seconds = clock.now() - began
    date = response.headers.get("date")
    return _Reply(response.status_code, words, date, time.time(), seconds)


def _said(visit: Visit, error: SDKError) -> str:
    words = wire.message(error.body) or error.raw_response.reason_phrase
    return visit.clean(f"status {error.status_code}: {words}")


def _unreached(visit: Visit, error: TransportError) -> str:
    return visit.clean(str(error.__cause__) or type(error.__cause__).__name__)


def server_clock(visit: Visit) -> Finding:
    assert visit.reply  # noqa: S101 - the check `answer` has set it
    try:
        theirs = email.utils.parsedate_to_datetime(visit.reply.date or "").timestamp()
    except (TypeError, ValueError):  # TypeError: some older versions of Python
        return Finding(SKIPPED, "the answer has no date to compare with")
    ahead = visit.reply.came - theirs
    if abs(ahead) <= _OFF:
        return Finding(OK, "as the server's")
    words = f"ours is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    return Finding(WARNING, f"{words}; sessions show wrong times, set the clock")


def key(visit: Visit) -> Finding:
    assert visit.reply  # noqa: S101 - the check `answer` has set it
    key = visit.config.api_key
    if visit.reply.status >= 500:
        return Finding(SKIPPED, f"not known, because the server answers {visit.reply.status}")
    if visit.reply.status not in (401, 403):
        return Finding(OK, "taken" if key else "none is set, and the server needs none")
    if key is None:
        return Finding(FAIL, f"none is set ({visit.reply.words})", "set HH_API_KEY")
    return Finding(
        FAIL, f"refused ({visit.reply.words})", "check HH_API_KEY, and that HH_API_URL goes with it"
    )


def taken(visit: Visit) -> Finding:
    if visit.config.local:
        visit.reply = _start(visit)
    assert visit.reply  # noqa: S101 - the check `answer` has set it
    if visit.reply.words:
        theirs = not visit.config.local and visit.reply.status >= 500
        advice = (
            "it is the server's fault, try later" if theirs else "check HH_API_URL and HH_PROJECT"
        )
        return Finding(FAIL, visit.reply.words, advice)
    return Finding(OK, f"{visit.session_id}, in {_span(visit.reply.seconds)}")


def get(visit: Visit) -> Finding:
    began = clock.now()
    try:
        with Client.configured(visit.config) as client:
            client.get_session(visit.session_id, wait=WAIT)
    except SessionNotFoundError:
        words = f"the server does not find it within {WAIT:g} s; it may take its time"
        return Finding(WARNING, words)
    except SDKError as error:
        return Finding(FAIL, _said(visit, error), "check that HH_API_URL serves getSession")
    except TransportError as error:
        return Finding(FAIL, _unreached(visit, error), _advice(visit))
    seconds = clock.now() - began
    if visit.config.local:
        _forget(visit)
    return Finding(OK, f"read back, in {_span(seconds)}")


def _forget(visit: Visit) -> None:
    """Delete the session from the store on this machine: it is not the user's."""
    store = Store(store_path(visit.config.home))
    try:
        store.delete(visit.session_id)
    finally:
        store.close()


def _span(seconds: float) -> str:
    return span(seconds * 1000)
