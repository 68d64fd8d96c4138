"""The routes that sessions of this process go: the one in force, and those before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from honeytrace._config.pipeline import encode
from honeytrace._config.settings import Config
from honeytrace._delivery.processes import ends_abruptly
from honeytrace._delivery.senders import Sender
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.spool.segment import LOCKS
from honeytrace._delivery.stats import Stats
from honeytrace._delivery.worker import Delivery
from honeytrace._session import wire
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.paths import store_path


class _Route(NamedTuple):
    config: Config
    delivery: Delivery


class Routes:
    """What was accepted goes out under the settings of then, also after they have changed.

    Only `switch_to` and `add` change them; one thread at a time may call these.
    """

    def __init__(self, guard: ErrorGuard) -> None:
        self._guard = guard
        # The last is in force. Replaced as a whole, so that reading takes no lock.
        self._routes: tuple[_Route, ...] = ()

    def switch_to(self, config: Config) -> Delivery:
        """The delivery for what starts under these settings: a new one if it goes elsewhere."""
        current = self._routes[-1] if self._routes else None
        if current and _way(current.config) == _way(config):
            self._routes = (*self._routes[:-1], _Route(config, current.delivery))
            return current.delivery
        delivery = deliver(config, self._guard)
        # Read now, since a signal handler or a `__del__` that traces may have turned meanwhile.
        past, self._routes = self._routes, (*self._routes, _Route(config, delivery))
        _hand_over(config, past)
        _rest(past)
        return delivery

    def add(self, config: Config) -> Delivery:
        """Return one more delivery, which is flushed and ended with the one in force."""
        delivery = deliver(config, self._guard)
        self._routes = (_Route(config, delivery), *self._routes)
        return delivery

    def _each(self, act: Callable[[Delivery, float | None], bool], timeout: float | None) -> bool:
        """Lets each delivery act within what is left of the time; whether all of them could."""
        end = clock.now() + (timeout or 0)
        done, routes = True, self._routes
        for route in routes:
            # What a shutdown left on the disk for an earlier server is not waited for again.
            if route.delivery.active or route is routes[-1]:
                left = None if timeout is None else max(end - clock.now(), 0)
                done = act(route.delivery, left) and done
        return done

    def flush(self, timeout: float | None) -> bool:
        return self._each(Delivery.flush, timeout)

    def shutdown(self, timeout: float | None) -> bool:
        return self._each(Delivery.shutdown, timeout)

    def end(self, timeout: float | None) -> bool:
        return self._each(Delivery.end, timeout)

    def stats(self) -> Stats:
        total = Stats(errors=dict(self._guard.by_place), last_error=self._guard.last)
        for each in (route.delivery.stats() for route in self._routes):
            total = replace(
                total,
                accepted=total.accepted + each.accepted,
                delivered=total.delivered + each.delivered,
                queued=total.queued + each.queued,
                spooled=total.spooled + each.spooled,
                rejected=total.rejected + each.rejected,
                dropped=total.dropped + each.dropped,
                resent=total.resent + each.resent,
                last_error=each.last_error or total.last_error,
            )
        return total

    def before_fork(self) -> None:
        for route in self._routes:
            route.delivery.before_fork()

    def after_fork_in_parent(self) -> None:
        for route in self._routes:
            route.delivery.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Forgets them: what is here is the parent's."""
        for route in self._routes:
            route.delivery.abandon()
        self._routes = ()


def _way(config: Config) -> tuple[object, ...]:
    """What makes two configurations share a route."""
    if config.local:
        return ("local", config.home, config.store_size, config.store_age)
    return (config.server_url, config.project, config.spool_dir, config.api_key, config.timeout)


def _hand_over(config: Config, past: tuple[_Route, ...]) -> None:
    """What waits because the server is failing now goes by the new settings, a new key say."""
    for each in past:
        if _purpose(each.config) == _purpose(config):
            each.delivery.try_again(partial(_connect, config))


def _purpose(config: Config) -> tuple[object, ...]:
    return (config.server_url, config.project)


def _rest(past: tuple[_Route, ...]) -> None:
    """Ends the threads of earlier deliveries that have nothing to send; their counts stay."""
    for each in past:
        stats = each.delivery.stats()
        if not stats.queued + stats.spooled:
            each.delivery.shutdown(0)


def deliver(config: Config, guard: ErrorGuard) -> Delivery:
    """The way to the server of these settings."""
    connect = partial(_connect, config)
    lasting = ends_abruptly()
    spool = _spool(config)
    if config.local:  # SQLite takes one writer at a time
        return Delivery(connect, encode, guard, spool, None, 1, batches=True, lasting=lasting)
    return Delivery(connect, encode, guard, spool, wire.shrunk, lasting=lasting)


def _spool(config: Config) -> Spool | None:
    if config.spool_dir is None or not LOCKS:
        return None
    if config.server_url is None:  # for the day when the store cannot be used
        return Spool(config.spool_dir, str(store_path(config.home)), "local")
    return Spool(config.spool_dir, config.server_url, config.project)


def _connect(config: Config) -> Sender:
    # Here, since httpcore and sqlite3 are to be loaded by the worker, not by `import honeytrace`.
    if config.server_url is None:
        from honeytrace._delivery.local import LocalSender

        return LocalSender(config.home, config.store_size, config.store_age)
    from honeytrace._delivery.http.sender import HttpSender

    # `getaddrinfo` imports this codec. A child forked meanwhile could not: no thread that connects
    # is forked, but one that resolves a name may be.
    "".encode("idna")
    return HttpSender(config.server_url, config.api_key, config.timeout)
