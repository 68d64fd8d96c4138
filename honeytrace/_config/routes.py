"""The routes that sessions of this process go: the one in force, and those before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from honeytrace._config.pipeline import finished
from honeytrace._config.settings import Config
from honeytrace._delivery.spool.directory import Spool
from honeytrace._delivery.spool.segment import LOCKS
from honeytrace._delivery.stats import Stats
from honeytrace._delivery.worker import Delivery
from honeytrace._session import wire
from honeytrace._session.record import CallRecord
from honeytrace._utils import clock, pytest_compat
from honeytrace._utils.guard import ErrorGuard

if TYPE_CHECKING:
    from honeytrace._delivery.http.sender import HttpSender


class _Route(NamedTuple):
    config: Config
    delivery: Delivery


class Routes:
    """What was accepted goes out under the settings of then, also after they have changed.

    Only `turn` and `also` change them, which are called by one thread at a time.
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

    def also(self, config: Config, delivery: Delivery) -> None:
        """One more, beside the one in force."""
        self._routes = (_Route(config, delivery), *self._routes)

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
    if config.local:  # the store is durable itself; SQLite takes one writer at a time
        return Delivery(connect, _encode, guard, most_senders=1, at_hand=True)
    return Delivery(connect, _encode, guard, _spool(config), wire.shrunk)


def _spool(config: Config) -> Spool | None:
    if config.spool_dir is None or config.server_url is None or not LOCKS:
        return None
    return Spool(config.spool_dir, config.server_url, config.project)


def _connect(config: Config) -> HttpSender:
    # Here, since httpcore and sqlite3 are to be loaded by the worker, not by `import honeytrace`.
    from honeytrace._delivery.http.sender import HttpSender, LocalSender
    from honeytrace.local._app import HERE

    if config.server_url is None:
        return HttpSender(HERE, way=LocalSender(config.home, config.store_size, config.store_age))
    return HttpSender(config.server_url, config.api_key, config.timeout)


def _encode(record: CallRecord) -> bytes:
    body = wire.encode(finished(record))
    if pytest_compat.watch is None:  # the plugin reads the record when the test has ended
        record.release()
    return body
