"""The command `resend`: deliver sessions that ended processes left in the spool."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from honeytrace._config import settings
from honeytrace._config.routes import deliver
from honeytrace._config.settings import Config
from honeytrace._delivery.spool.directory import REJECTED
from honeytrace._delivery.spool.owned_file import LOCKS
from honeytrace._delivery.spool.survey import SpoolStatus, spool_status, spool_statuses
from honeytrace._delivery.worker import Delivery
from honeytrace._utils import clock
from honeytrace._utils.errors import ConfigurationError
from honeytrace._utils.guard import ErrorGuard
from honeytrace._utils.paths import store_path
from honeytrace._utils.text import printable
from honeytrace._utils.urls import why_unusable
from honeytrace.cli._output import Stop, print_text, rewrite
from honeytrace.cli._rejected import put_back, take_over

_TICK_SECONDS = 0.05  # between two looks at the progress
_PATIENCE_SECONDS = 5.0  # without progress, in addition to the timeout of a request


@dataclass(frozen=True, slots=True)
class Report:
    """The progress of a resend, or its result.

    Attributes:
        text: the text to print.
        code: the exit code: 0 if nothing is left to send, 1 if some sessions are, 130 after Ctrl-C;
            None for progress.
    """

    text: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    delivered: int = 0
    rejected: int = 0
    trouble: str | None = None
    interrupted: bool = False


class _Silent(ErrorGuard):
    """Logs no warnings, because the report has them."""

    def warn(self, about: str, words: str, *_: object, **__: object) -> None:
        pass


def look(config: Config) -> Report:
    """Report what `resend` would send, without changing anything."""
    if not _has_spool(config):
        return _nothing(config)
    found = _survey(config)
    act = f"would send {_count(found.waiting)} to" if found.waiting else "nothing waits for"
    return _report(config, found, [f"{act} {_target(config)}"])


def resend(config: Config) -> Generator[Report, None, None]:
    """Deliver the sessions that ended processes left for the server and project of these settings.

    It ends by itself, even if the server is down or there is no progress. Ctrl-C ends it sooner.
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
        for delivered, rejected in _progress(delivery, config.timeout + _PATIENCE_SECONDS):
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
    """Yield the counts of delivered and rejected sessions until there is no more progress.

    An update that waits for its session is progress, too, when it is tried for the first time.
    """
    moved, last = clock.now(), (0, 0, 0)
    while delivery.catching_up or delivery.sending:
        counts = _counts(delivery)
        if (*counts, delivery.early) != last:
            moved, last = clock.now(), (*counts, delivery.early)
        if clock.now() - moved > patience:
            break
        yield counts
        time.sleep(_TICK_SECONDS)


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
    """Return a line for each other server or project whose sessions wait in the same spool."""
    if config.spool_dir is None:
        return []
    with _reading(config) as root:
        found = list(spool_statuses(root))
    mine = (config.server_url, config.project)
    return [
        f"{_waiting(each)} for another server or project: {_settings(config, each)}"
        for each in found
        if each.waiting + each.rejected and (each.server_url, each.project) != mine
    ]


@contextmanager
def _reading(config: Config) -> Iterator[Path]:
    """Lend the directory of all spools. Raises `ConfigurationError` if it cannot be read."""
    assert config.spool_dir  # noqa: S101 - the caller has checked it
    try:
        with suppress(FileNotFoundError):  # no session has been spooled yet
            os.scandir(config.spool_dir).close()
        yield config.spool_dir
    except OSError as error:
        words = f"the spool {str(config.spool_dir)!r} cannot be read ({error.strerror or error})"
        advice = "set HONEYTRACE_SPOOL_DIR to a directory of yours"
        raise ConfigurationError(f"{words}; {advice}") from error


def _waiting(survey: SpoolStatus) -> str:
    """Return the counts of waiting and rejected sessions: `3 sessions more and 1 rejected`."""
    waiting = f"{_count(survey.waiting)} more" if survey.waiting else ""
    rejected = f"{survey.rejected} rejected" if survey.rejected else ""
    return " and ".join(filter(None, (waiting, rejected)))


def _settings(config: Config, survey: SpoolStatus) -> str:
    """Return the command that sends these sessions."""
    url, project = (printable(shlex.quote(text)) for text in (survey.server_url, survey.project))
    flags = "" if survey.waiting else " --rejected"
    if why_unusable(survey.server_url):
        return f"honeytrace resend --project {project} --kept-for {url}"
    server = "" if survey.server_url == config.server_url else f"HH_API_URL={url} "
    return f"{server}honeytrace resend --project {project}{flags}"


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
        parts.append(f"{files} of a newer version of honeytrace left alone")
    if survey.rejected and not any("set aside in" in part for part in parts):
        words = "that the server refused before, which `honeytrace resend --rejected` sends again"
        parts.append(f"{_count(survey.rejected)} {words}")
    sentence = "; ".join(parts)
    text = "\n".join([f"{sentence[0].upper()}{sentence[1:]}.", *_others(config)])
    return Report(text, 1 if survey.waiting or survey.newer else 0)


def _target(config: Config) -> str:
    return f"{config.server_url}, project {printable(repr(config.project))}"


def _count(number: int, noun: str = "session") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def resend_sessions(options: argparse.Namespace, config: Config) -> int | None:
    if options.project is not None:
        config = settings.resolve({"home": options.home, "project": options.project})
    if options.kept_for is not None and not why_unusable(options.kept_for):
        raise Stop(f"{options.kept_for!r} is a usable address; set HH_API_URL to it to send there")
    if not options.dry_run and _has_spool(config) and not config.unusable:
        if options.kept_for is not None:
            take_over(config, options.kept_for)
        if options.rejected:
            put_back(config)
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
