"""Check the two places where this machine keeps sessions: the spool and the store."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from honeytrace._config.settings import Config
from honeytrace._delivery.spool.directory import REJECTED
from honeytrace._delivery.spool.owned_file import LOCKS, make_private
from honeytrace._delivery.spool.survey import SpoolStatus, spool_status, spool_statuses
from honeytrace._utils.errors import StoreError
from honeytrace._utils.paths import store_path
from honeytrace.cli._doctor.finding import FAIL, OK, SKIPPED, WARNING, Finding
from honeytrace.local import Store
from honeytrace.local._format import plural

_SPOOL = "set HONEYTRACE_SPOOL_DIR to a directory that you may write to"
_LARGE_BYTES = 1_000_000_000  # warn about a larger store that has no limit
_DAMAGED = "move it away, and a new one is made; `sqlite3 FILE .recover` shows what can be saved"
_HOME = "set HONEYTRACE_HOME to a directory that you may write to"


def kept(config: Config) -> Finding:
    """Check that the spool can be written, and report the sessions in it."""
    root = config.spool_dir
    if root is None:
        return Finding(SKIPPED, "it is off: what cannot be sent before the program ends is lost")
    if config.local:
        others = sum(each.waiting for each in spool_statuses(root))
        also = f"; {others} wait there for servers, see `honeytrace resend`" if others else ""
        return Finding(SKIPPED, f"not needed, sessions go to the store on this machine{also}")
    if not LOCKS:  # pragma: no cover - Windows
        return Finding(SKIPPED, "this system has no locks for it")
    wrong = _writable(root, 0o022, _SPOOL)
    if wrong is None:
        survey = spool_status(root, config.server_url or "", config.project)
        if survey.directory.is_dir():
            wrong = _writable(survey.directory, 0o077, _SPOOL)
    return wrong or Finding(OK, f"{root}: {_content(survey, root)}, {_free(root)} free")


def _writable(directory: Path, others: int, advice: str) -> Finding | None:
    """Return what is wrong with a directory, or None. `others` are mode bits that must be off."""
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


def _content(survey: SpoolStatus, root: Path) -> str:
    others = sum(each.waiting for each in spool_statuses(root)) - survey.waiting
    counts = {
        f"{survey.waiting} waiting (`honeytrace resend` sends them)": survey.waiting,
        f"{survey.held} held by running programs": survey.held,
        f"{survey.rejected} rejected, see {survey.directory / REJECTED}": survey.rejected,
        f"{survey.damaged} damaged files": survey.damaged,
        f"{survey.newer} files of a newer version": survey.newer,
        f"{others} waiting for other servers or projects": others,
    }
    return ", ".join(words for words, count in counts.items() if count) or "empty"


def stored(config: Config) -> Finding:
    """Check that the store is sound; warn if it is large and has no limit."""
    home = config.home
    wrong = _writable(home, 0o022, _HOME)
    if wrong and wrong.status == FAIL:
        return wrong
    store = Store(store_path(home))
    try:
        store.open()
        if damage := store.damage():
            return Finding(FAIL, f"{store.path} is damaged ({damage})", _DAMAGED)
        count, size, waiting = store.count(), store.size(), store.waiting_updates()
    except StoreError as error:
        return Finding(FAIL, str(error))
    finally:
        store.close()
    words = f"{store.path}: {count} sessions, {size / 1e6:.1f} MB, {_free(home)} free"
    if waiting:
        words += f"; {plural(waiting, 'update')} waiting for sessions that have not come"
    if size > _LARGE_BYTES and config.store_size is None and config.store_age is None:
        advice = (
            "`honeytrace prune --older-than 30d` deletes old ones, HONEYTRACE_STORE_SIZE bounds it"
        )
        return wrong or Finding(WARNING, f"{words}; {advice}")
    return wrong or Finding(OK, words)
