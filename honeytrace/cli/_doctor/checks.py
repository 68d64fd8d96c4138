"""Check, one by one, all the things that a session needs on its way to the server or store."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from urllib.parse import urlsplit

from honeytrace._capture.rules import Limits
from honeytrace._config import settings
from honeytrace._config.settings import Config
from honeytrace._utils.guard import try_call
from honeytrace._utils.text import printable
from honeytrace.cli._doctor import server, storage
from honeytrace.cli._doctor.finding import FAIL, OK, SKIPPED, WARNING, Finding, row, verdict
from honeytrace.cli._doctor.server import NAME, Visit
from honeytrace.cli._output import print_text
from honeytrace.local._doors import LOOPBACK

_GRACE_SECONDS = 0.5  # after the timeout, so that a step can end with its own, better message
_SHOWN_CHARACTERS = 300


def table(config: Config, origins: Mapping[str, str]) -> str:
    """Return the settings with origin and value (never the key), and the unused variables."""
    lines = ["Settings"]
    for each in fields(config):
        words = _shown(each.name, getattr(config, each.name))
        lines.append(row(f"{each.name:17}{origins[each.name]:26}", words))
    left = {**settings.unused(), **settings.unknown()}
    if left:
        width = max(map(len, left)) + 2
        lines += ["", "Set, but not used"]
        lines += [row(f"{printable(name):{width}}", printable(why)) for name, why in left.items()]
    project = printable(repr(config.project))
    lines += ["", f"Checks, which send one session, {NAME!r}, to the project {project}"]
    return "\n".join(lines)


def _shown(name: str, value: object) -> str:
    if name == "api_key":
        return "set" if value else "not set"
    if value is None:
        return "the store on this machine" if name == "server_url" else "off"
    if isinstance(value, bool):
        return str(value).lower()
    if name == "sample_rate":
        return f"{value:g}"
    if isinstance(value, Limits):
        return ", ".join(f"{limit} {most}" for limit, most in asdict(value).items())
    return f"{value:g} s" if isinstance(value, float) else printable(str(value))


def _usable(config: Config) -> Finding:
    if config.unusable:
        words = f"HH_API_URL cannot be {config.server_url!r}: {config.unusable}; nothing is sent"
        return Finding(FAIL, f"{words}, sessions are kept on this machine", "correct it")
    for variable, why in settings.unused().items():
        return Finding(FAIL, f"{variable} is not used: {why}", "change it, or leave it out")
    if not config.enabled:
        return Finding(WARNING, "tracing is off, see enabled: programs record nothing")
    url = urlsplit(config.server_url or "")
    if config.api_key and url.scheme == "http" and url.hostname not in LOOPBACK:
        return Finding(
            WARNING, "the key travels unencrypted: server_url is not an https:// address"
        )
    unknown = [name for name in settings.unknown() if name.startswith("HONEYTRACE_")]
    if unknown:
        return Finding(WARNING, f"{unknown[0]} is not a setting: {settings.unknown()[unknown[0]]}")
    return Finding(OK, "usable")


def examine(config: Config) -> Iterator[Finding]:
    """Run the checks in order, each within the timeout of a request.

    After a check fails on the way to the server, the later checks of that way are skipped.
    """
    visit = Visit(config)
    broken = ""
    for check, step, needed in _LOCAL if config.local else _REMOTE:
        if broken and needed:
            finding = Finding(SKIPPED, f"not tried, because {broken} failed")
        else:
            finding = _bounded(step, visit)
        if needed and finding.status == FAIL:
            broken = broken or check
        yield replace(finding, check=check, words=printable(finding.words, _SHOWN_CHARACTERS))


def _bounded(step: _Step, visit: Visit) -> Finding:
    """Run a check in its own thread, since not everything that it calls takes a timeout."""
    found: list[Finding] = []
    seconds = visit.config.timeout + (server.WAIT if step is server.get else 0)
    thread = threading.Thread(target=lambda: found.append(_guarded(step, visit)), daemon=True)
    thread.start()
    thread.join(seconds + _GRACE_SECONDS)
    late = Finding(
        FAIL, f"not done within {seconds:g} s", "try again, or set HH_API_TIMEOUT higher"
    )
    return found[0] if found else late


def _guarded(step: _Step, visit: Visit) -> Finding:
    finding, error = try_call(step, visit)
    words = visit.clean(f"{type(error).__name__}: {error}")
    return finding or Finding(FAIL, words, "check the settings")


_Step = Callable[[Visit], Finding]


def _of(check: Callable[[Config], Finding]) -> _Step:
    """Turn a check that needs only the settings into a step."""
    return lambda visit: check(visit.config)


# Name, check, and whether it is on the way to the server: after a failure there, skip the rest.
_LOCAL: tuple[tuple[str, _Step, bool], ...] = (
    ("settings", _of(_usable), False),
    ("spool", _of(storage.kept), False),
    ("store", _of(storage.stored), True),
    ("start", server.taken, True),
    ("get", server.get, True),
)
_REMOTE: tuple[tuple[str, _Step, bool], ...] = (
    ("settings", _of(_usable), False),
    ("spool", _of(storage.kept), False),
    ("host name", server.name, True),
    ("connection", server.connection, True),
    ("TLS", server.handshake, True),
    ("answer", server.answer, True),
    ("clock", server.server_clock, True),
    ("key", server.key, True),
    ("start", server.taken, True),
    ("get", server.get, True),
)


def run_doctor(options: argparse.Namespace, config: Config) -> int:
    print_text(table(config, settings.origins({"home": options.home})))
    findings = []
    for finding in examine(config):
        print_text(str(finding))
        sys.stdout.flush()  # some checks take their time
        findings.append(finding)
    print_text(f"\n{verdict(findings)}")
    return int(any(finding.status == FAIL for finding in findings))
