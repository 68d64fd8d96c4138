"""The deliveries of this process: one for the present settings, and those of earlier settings."""

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
from honeytrace._delivery.spool.owned_file import LOCKS
from honeytrace._delivery.stats import Stats
from honeytrace._delivery.worker import Delivery
from honeytrace._session import wire
from honeytrace._utils import clock
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.imports import import_httpcore
from honeytrace._utils.paths import store_path


class _Route(NamedTuple):
    config: Config
    delivery: Delivery


class Routes:
    """Sends each session by the settings under which it was accepted, even after a change.

    Only `switch_to` and `add` change the routes. The caller holds a lock for that, which
    `is_locked` asks about, and releases it before it calls anything else.
    """

    def __init__(self, guard: ErrorGuard, is_locked: Callable[[], bool]) -> None:
        self._guard = guard
        self._is_locked = is_locked
        self._ending = False  # True once the program is at its end
        self._past: tuple[_Route, ...] = ()  # those that a switch has just replaced
        # The last one is current. The tuple is only ever replaced, so reading needs no lock.
        self._routes: tuple[_Route, ...] = ()

    def switch_to(self, config: Config) -> Delivery:
        """Return the delivery for these settings: the current one if it fits them."""
        current = self._routes[-1] if self._routes else None
        if current and _way(current.config) == _way(config):
            self._routes = (*self._routes[:-1], _Route(config, current.delivery))
            return current.delivery
        delivery = self._deliver(config)
        # Read this last: a signal handler or `__del__` that traces may have switched meanwhile.
        self._past, self._routes = self._routes, (*self._routes, _Route(config, delivery))
        return delivery

    def catch_up(self) -> None:
        """After a switch, hand over to the new delivery, and deliver what could only be queued."""
        past, self._past = self._past, ()
        if past:
            _hand_over(self._routes[-1].config, past)
            _rest(past)
        for route in self._routes:
            route.delivery.ring()

    def add(self, config: Config) -> Delivery:
        """Return an additional delivery, which is flushed and ended with the current one."""
        delivery = self._deliver(config)
        self._routes = (_Route(config, delivery), *self._routes)
        return delivery

    def _deliver(self, config: Config) -> Delivery:
        return deliver(config, self._guard, self._is_locked, ending=self._ending)

    def beside(self, config: Config) -> Delivery:
        """Return a delivery for these settings: an existing one that fits them, or another one."""
        for route in self._routes:
            if _way(route.config) == _way(config):
                return route.delivery
        return self.add(config)

    def _each(self, act: Callable[[Delivery, float | None], bool], timeout: float | None) -> bool:
        """Call `act` on each delivery within the timeout; return True if all succeeded."""
        end = clock.now() + (timeout or 0)
        done, routes = True, self._routes
        for route in routes:
            # Do not wait again for sessions that a shutdown left on disk for an earlier server.
            if route.delivery.active or route is routes[-1]:
                left = None if timeout is None else max(end - clock.now(), 0)
                done = act(route.delivery, left) and done
        return done

    def flush(self, timeout: float | None) -> bool:
        return self._each(Delivery.flush, timeout)

    def shutdown(self, timeout: float | None) -> bool:
        return self._each(Delivery.shutdown, timeout)

    def end(self, timeout: float | None) -> bool:
        self._ending = True
        for route in self._routes:
            route.delivery.prepare_end()
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
        """Forget all routes: they belong to the parent."""
        for route in self._routes:
            route.delivery.abandon()
        self._routes = self._past = ()


def _way(config: Config) -> tuple[object, ...]:
    """Return the settings in which two configurations must agree to share a delivery."""
    if config.local:
        return ("local", config.home, config.store_size, config.store_age)
    return (config.server_url, config.project, config.spool_dir, config.api_key, config.timeout)


def _hand_over(config: Config, past: tuple[_Route, ...]) -> None:
    """Let sessions that wait for a failing server try the new settings, such as a new key."""
    for each in past:
        if _purpose(each.config) == _purpose(config):
            each.delivery.try_again(partial(_connect, config))


def _purpose(config: Config) -> tuple[object, ...]:
    return (config.server_url, config.project)


def _rest(past: tuple[_Route, ...]) -> None:
    """End the threads of earlier deliveries that have nothing to send; their counts remain."""
    for each in past:
        stats = each.delivery.stats()
        if not stats.queued + stats.spooled:
            each.delivery.shutdown(0)


def deliver(
    config: Config,
    guard: ErrorGuard,
    is_locked: Callable[[], bool] = bool,
    *,
    ending: bool = False,
) -> Delivery:
    """Return a new delivery to the server, or to the store, of these settings."""
    make = partial(Delivery, partial(_connect, config), encode, guard, _spool(config))
    make = partial(make, lasting=ends_abruptly(), is_locked=is_locked, ending=ending)
    if config.local:  # SQLite takes one writer at a time
        return make(most_requests=1, batches=True)
    return make(shrink=wire.shrunk)


def _spool(config: Config) -> Spool | None:
    if config.spool_dir is None or not LOCKS:
        return None
    if config.server_url is None:  # for times when the store cannot be used
        return Spool(config.spool_dir, str(store_path(config.home)), "local")
    return Spool(config.spool_dir, config.server_url, config.project)


def _connect(config: Config) -> Sender:
    # Import here, so that the worker loads httpcore and sqlite3, not `import honeytrace`.
    if config.server_url is None:
        from honeytrace._delivery.local import LocalSender

        return LocalSender(config.home, config.store_size, config.store_age)
    import_httpcore()
    from honeytrace._delivery.http.sender import HttpSender

    # `getaddrinfo` imports this codec, so import it first. A child that is forked during the import
    # could never import it: forks wait for threads that connect, but not for `getaddrinfo`.
    "".encode("idna")
    locks = config.home / "updates" if config.spool_dir else None
    return HttpSender(config.server_url, config.api_key, config.timeout, locks)
