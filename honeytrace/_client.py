"""`Client` and `AsyncClient`: the two operations of the session API.

Each operation is written once, as a generator that yields requests and pauses. The two clients
differ only in how they perform these steps.
"""

from __future__ import annotations

import asyncio
import pathlib
import ssl
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import httpx

from honeytrace._config import settings
from honeytrace._config.live import live
from honeytrace._config.settings import HOSTED, Config
from honeytrace._delivery.http.addresses import Proxy, netloc, proxy, require_socks
from honeytrace._delivery.http.connections import trust
from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._utils import clock
from honeytrace._utils.errors import (
    ConfigurationError,
    SDKError,
    SessionNotFoundError,
    TransportError,
)
from honeytrace._utils.paths import store_path
from honeytrace.local import App, Store
from honeytrace.local._app import HERE


@dataclass(frozen=True, slots=True)
class StartSessionResponse:
    """The answer to `startSession`.

    Attributes:
        session_id: the id that the server gave in its answer.
        status_code: the HTTP status.
        raw_response: the `httpx.Response`.
    """

    session_id: str
    status_code: int
    raw_response: httpx.Response


@dataclass(frozen=True, slots=True)
class GetSessionResponse:
    """The answer to `getSession`.

    Attributes:
        session: the session; keys that honeytrace does not know are in its `extra`.
        status_code: the HTTP status.
        raw_response: the `httpx.Response`.
    """

    session: Session
    status_code: int
    raw_response: httpx.Response


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes | None = None
    timeout: float | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Pause:
    seconds: float


_R = TypeVar("_R")
_Steps = Generator[_Request | _Pause, Any, _R]


def _start(
    session: Session | Mapping[str, Any], timeout: float | None, headers: Mapping[str, str] | None
) -> _Steps[StartSessionResponse]:
    _, body = wire.request(session)
    response = yield _Request("POST", wire.START, body, timeout, headers)
    _raise_for_status(response)
    try:
        session_id = wire.started_id(response.content)
    except ValueError as error:
        raise SDKError(f"the answer to startSession is unusable ({error})", response) from None
    return StartSessionResponse(session_id, response.status_code, response)


def _get(
    session_id: str | uuid.UUID,
    wait: float,
    timeout: float | None,
    headers: Mapping[str, str] | None,
) -> _Steps[GetSessionResponse]:
    request = _Request("GET", wire.path(str(session_id)), None, timeout, headers)
    deadline = clock.now() + wait
    response = yield request
    while response.status_code == 404 and clock.now() < deadline:
        yield _Pause(min(0.1, wait))
        response = yield request
    _raise_for_status(response)
    try:
        session = wire.decode(response.content)
    except ValueError as error:
        raise SDKError(f"the answer to getSession is unusable ({error})", response) from None
    return GetSessionResponse(session, response.status_code, response)


def _raise_for_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    if response.status_code == 404 and response.request.method == "GET":
        raise SessionNotFoundError("there is no such session", response)
    if response.has_redirect_location:
        target = response.headers["location"]
        raise SDKError(f"the server points to {target!r}; set server_url to it", response)
    raise SDKError("the server refused", response)


def _base_url(http_client: httpx.Client | httpx.AsyncClient | None) -> str | None:
    """Return the base URL that the user's own HTTP client has, if any."""
    return str(http_client.base_url) or None if http_client else None


def _httpx_proxy(found: Proxy) -> httpx.Proxy:
    url = f"{found.url.scheme.decode()}://{netloc(found.url).decode()}"
    user = found.auth and (found.auth[0].decode(), found.auth[1].decode())
    return httpx.Proxy(url, auth=user)


class _Shared:
    """The parts that both clients share: the address, the headers, and how to connect."""

    def __init__(self, config: Config, http_client: httpx.Client | httpx.AsyncClient | None):
        self._home = config.home
        self._owns = http_client is None
        self._timeout = config.timeout
        self._headers = wire.headers(config.api_key)
        if config.unusable:
            raise ConfigurationError(f"HH_API_URL cannot be used: {config.unusable}")
        # The user's own HTTP client cannot reach the store on this machine.
        self.server_url = config.server_url or (HERE if self._owns else HOSTED)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.server_url}>"

    def _connection(self) -> dict[str, Any]:
        """Return arguments that make httpx use the same proxy and certificates as the senders.

        By default, httpx raises for each proxy or certificate in the environment that it does not
        understand, even if it does not need it. Raises `ConfigurationError`.
        """
        if self.server_url == HERE:
            return {"transport": LocalTransport(self._home)}
        found = proxy(self.server_url)
        require_socks(found)
        secure = self.server_url.lower().startswith("https:")
        # Without TLS, use a context without certificates: it is cheap, and trusts nobody.
        context = trust() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return {"trust_env": False, "verify": context, "proxy": found and _httpx_proxy(found)}

    def _arguments(self, request: _Request) -> dict[str, Any]:
        timeout = self._timeout if request.timeout is None else request.timeout
        headers = httpx.Headers(self._headers)
        headers.update(request.headers)
        return {
            "method": request.method,
            "url": self.server_url + request.path,
            "content": request.body,
            "headers": headers,
            "timeout": timeout,
            # A redirect must not carry the key to another host.
            "follow_redirects": False,
        }

    def _unreached(self, error: httpx.HTTPError) -> TransportError:
        words = f"{type(error).__name__}: {error}".removesuffix(": ")
        return TransportError(
            f"{self.server_url} gave no answer ({words}); check server_url (HH_API_URL) and "
            "that the server runs"
        )


class Client(_Shared):
    """A client of the session API, over `httpx.Client`.

    Arguments that you leave out come from the environment (`HH_API_KEY`, `HH_API_URL`). Without an
    API key and an address, the store on this machine answers. `timeout` is in seconds. If you pass
    your own HTTP client as `http_client`, it is used unchanged and not closed.

        with Client(api_key="…") as client:
            started = client.start_session(Session(project="p", session_name="s", source="dev"))
            session = client.get_session(started.session_id).session
    """

    def __init__(
        self,
        api_key: str | None = None,
        server_url: str | None = None,
        timeout: float = 5.0,
        http_client: httpx.Client | None = None,
    ) -> None:
        server_url = _base_url(http_client) if server_url is None else server_url
        given = {"api_key": api_key, "server_url": server_url, "timeout": timeout}
        self._set_up(settings.resolve(given), http_client)

    def _set_up(self, config: Config, http_client: httpx.Client | None) -> None:
        super().__init__(config, http_client)
        self._http = http_client or httpx.Client(**self._connection())

    @classmethod
    def configured(cls, config: Config) -> Client:
        """Return a client for the server of this configuration."""
        client = cls.__new__(cls)
        client._set_up(config, None)
        return client

    def start_session(
        self,
        session: Session | Mapping[str, Any],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> StartSessionResponse:
        """Send a session, or a mapping with a session's fields. An id may be sent more than once.

        Raises `ValueError`, before anything is sent, if the session is not valid; `SDKError` if
        the status is not a success; `TransportError` if there is no answer.
        """
        return self._run(_start(session, timeout, headers))

    def get_session(
        self,
        session_id: str | uuid.UUID,
        *,
        wait: float = 0.0,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetSessionResponse:
        """Read a session back. If there is none with this id, ask again for up to `wait` seconds.

        Raises `SessionNotFoundError`, and the exceptions of `start_session`.
        """
        return self._run(_get(session_id, wait, timeout, headers))

    def _run(self, steps: _Steps[_R]) -> _R:
        try:
            step = next(steps)
            while True:
                step = steps.send(self._perform(step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def _perform(self, step: _Request | _Pause) -> httpx.Response | None:
        if isinstance(step, _Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.request(**self._arguments(step))
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    def close(self) -> None:
        if self._owns:
            self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(_Shared):
    """`Client` for asyncio and trio, over `httpx.AsyncClient`; `wait` works only in asyncio."""

    def __init__(
        self,
        api_key: str | None = None,
        server_url: str | None = None,
        timeout: float = 5.0,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        server_url = _base_url(http_client) if server_url is None else server_url
        given = {"api_key": api_key, "server_url": server_url, "timeout": timeout}
        self._set_up(settings.resolve(given), http_client)

    def _set_up(self, config: Config, http_client: httpx.AsyncClient | None) -> None:
        super().__init__(config, http_client)
        self._http = http_client or httpx.AsyncClient(**self._connection())

    async def start_session(
        self,
        session: Session | Mapping[str, Any],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> StartSessionResponse:
        """Send a session, as `Client.start_session` does."""
        return await self._run(_start(session, timeout, headers))

    async def get_session(
        self,
        session_id: str | uuid.UUID,
        *,
        wait: float = 0.0,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetSessionResponse:
        """Read a session back, as `Client.get_session` does."""
        return await self._run(_get(session_id, wait, timeout, headers))

    async def _run(self, steps: _Steps[_R]) -> _R:
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._perform(step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def _perform(self, step: _Request | _Pause) -> httpx.Response | None:
        if isinstance(step, _Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.request(**self._arguments(step))
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    async def aclose(self) -> None:
        if self._owns:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def get_session(session_id: str | uuid.UUID) -> Session:
    """Read a session back from the API, or from the store if sessions go to this machine.

    First, sessions that wait in this process are sent, within the timeout. Raises
    `SessionNotFoundError` and the other exceptions of `Client.get_session`.
    """
    config = live.start().config
    live.flush(config.timeout)
    with Client.configured(config) as client:
        return client.get_session(session_id).session


class LocalTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers the requests of httpx from the store on this machine, without a network."""

    def __init__(self, home: pathlib.Path) -> None:
        self._store = Store(store_path(home))
        self._wsgi = httpx.WSGITransport(App(self._store))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wsgi.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._wsgi.handle_request(request)
        body = answer.read()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self) -> None:
        self._store.close()

    async def aclose(self) -> None:
        self._store.close()
