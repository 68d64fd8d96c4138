"""What ended processes left in the spool, looked at or delivered on demand, with counts."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from honeytrace._config.routes import deliver
from honeytrace._config.settings import Config
from honeytrace._delivery.spool.directory import REJECTED
from honeytrace._delivery.spool.segment import LOCKS
from honeytrace._delivery.spool.survey import SpoolStatus, spool_status, spool_statuses
from honeytrace._delivery.worker import Delivery
from honeytrace._utils import clock
from honeytrace._utils.errors import ConfigurationError
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import printable
from honeytrace.cli._output import print_text, rewrite

_TICK = 0.05  # seconds between two looks at how far it is
_PATIENCE = 5.0  # seconds beyond the timeout of a request without any progress


@dataclass(frozen=True, slots=True)
class Report:
    """How far it is. The last one has the exit code: 0 if nothing stays, 1 if something does, 130
    if it was interrupted."""

    text: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    delivered: int = 0
    rejected: int = 0
    trouble: str | None = None
    interrupted: bool = False


class _Silent(ErrorGuard):
    """Logs nothing: the last report has it."""

    def warn(self, about: str, words: str, *_: object, **__: object) -> None:
        pass


def look(config: Config) -> Report:
    """What `resend` would send; changes nothing."""
    if not _has_spool(config):
        return _nothing(config)
    found = _survey(config)
    act = f"would send {_count(found.waiting)} to" if found.waiting else "nothing waits for"
    return _report(config, found, [f"{act} {_target(config)}"])


def resend(config: Config) -> Generator[Report, None, None]:
    """Delivers what ended processes left for the server and project of these settings.

    Ends by itself, also when the server is down or nothing moves any more; Ctrl-C ends it sooner.
    """
    if not _has_spool(config):
        yield _nothing(config)
        return
    before = _survey(config)
    sent = yield from _deliver(config, before.waiting)
    yield _closing(config, sent, before)


def _deliver(config: Config, waiting: int) -> Generator[Report, None, _Sent]:
    guard = _Silent()
    delivery = deliver(config, guard)
    interrupted = False
    try:
        delivery.start()
        for delivered, rejected in _progress(delivery, config.timeout + _PATIENCE):
            words = f", {rejected} rejected" if rejected else ""
            yield Report(f"Sending {_count(waiting)}: {delivered} delivered{words}")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        delivery.shutdown(0)
        delivery.release()
    trouble = delivery.stats().last_error or guard.last
    return _Sent(*_counts(delivery), trouble, interrupted)


def _progress(delivery: Delivery, patience: float) -> Iterator[tuple[int, int]]:
    """The counts, again and again, while something may still be delivered."""
    moved, last = clock.now(), (0, 0)
    while delivery.catching_up or delivery.sending:
        counts = _counts(delivery)
        if counts != last:
            moved, last = clock.now(), counts
        if clock.now() - moved > patience:
            break
        yield counts
        time.sleep(_TICK)


def _counts(delivery: Delivery) -> tuple[int, int]:
    return delivery.stats().resent, delivery.older_rejected


def _has_spool(config: Config) -> bool:
    return LOCKS and not config.local and config.spool_dir is not None


def _nothing(config: Config) -> Report:
    if config.local:
        why = f"sessions go to the store on this machine, {store_path(config.home)}"
    elif config.spool_dir is None:
        why = "HONEYTRACE_SPOOL_DIR is off"
    else:  # pragma: no cover - Windows
        why = "this system has no locks for it"
    return Report("\n".join([f"There is no spool to send from: {why}.", *_others(config)]), 0)


def _survey(config: Config) -> SpoolStatus:
    with _reading(config) as root:
        return spool_status(root, config.server_url or "", config.project)


def _others(config: Config) -> list[str]:
    """A line for each other server or project that has sessions waiting in the same spool."""
    if config.spool_dir is None:
        return []
    with _reading(config) as root:
        found = list(spool_statuses(root))
    mine = (config.server_url, config.project)
    return [
        f"{_count(each.waiting)} more for another server or project: {_settings(each)}"
        for each in found
        if each.waiting and (each.server_url, each.project) != mine
    ]


@contextmanager
def _reading(config: Config) -> Iterator[Path]:
    """The directory of all spools; raises `ConfigurationError` if it is there and unreadable."""
    assert config.spool_dir  # noqa: S101 - this is for those who have one
    try:
        with suppress(FileNotFoundError):  # there was nothing to keep yet
            os.scandir(config.spool_dir).close()
        yield config.spool_dir
    except OSError as error:
        words = f"the spool {str(config.spool_dir)!r} cannot be read ({error.strerror or error})"
        advice = "set HONEYTRACE_SPOOL_DIR to a directory of yours"
        raise ConfigurationError(f"{words}; {advice}") from error


def _settings(survey: SpoolStatus) -> str:
    """What to type to send these."""
    url, project = (printable(shlex.quote(text)) for text in (survey.server_url, survey.project))
    return f"HH_API_URL={url} HH_PROJECT={project} honeytrace resend"


def _closing(config: Config, sent: _Sent, before: SpoolStatus) -> Report:
    now = _survey(config)
    parts = [f"delivered {_count(sent.delivered)} to {_target(config)}"]
    if not (sent.delivered or sent.rejected or now.waiting):
        parts = [f"nothing waited for {_target(config)}"]
    if sent.rejected:
        parts.append(f"{sent.rejected} rejected{_aside(sent, before, now)}")
    if now.waiting:
        parts.append(f"{now.waiting} still here ({_why(sent)})")
    report = _report(config, now, parts)
    return Report(report.text, 130) if sent.interrupted else report


def _aside(sent: _Sent, before: SpoolStatus, now: SpoolStatus) -> str:
    if now.rejected == before.rejected:
        return f" ({printable(sent.trouble or '')}), and the disk took no copy"
    return f" and set aside in {now.directory / REJECTED}"


def _why(sent: _Sent) -> str:
    if sent.interrupted:
        return "interrupted"
    return printable(sent.trouble or "no answer came in time, or they came in meanwhile")


def _report(config: Config, survey: SpoolStatus, parts: list[str]) -> Report:
    if survey.held:
        parts.append(f"{survey.held} held by running programs, which send them")
    if survey.damaged:
        parts.append(f"{_count(survey.damaged, 'damaged file')} set aside in {survey.directory}")
    if survey.newer:
        files = _count(survey.newer, "file")
        parts.append(f"{files} left to a newer version of honeytrace, which wrote it")
    sentence = "; ".join(parts)
    text = "\n".join([f"{sentence[0].upper()}{sentence[1:]}.", *_others(config)])
    return Report(text, 1 if survey.waiting or survey.newer else 0)


def _target(config: Config) -> str:
    return f"{config.server_url}, project {printable(repr(config.project))}"


def _count(number: int, noun: str = "session") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def resend_sessions(options: argparse.Namespace, config: Config) -> int | None:
    if options.dry_run:
        report = look(config)
    else:
        with closing(resend(config)) as reports:
            for report in reports:
                if report.code is None:
                    rewrite(report.text)
        rewrite("")
    print_text(report.text)
    return report.code
