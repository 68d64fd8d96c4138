"""Relative directories, in programs that change their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import honeytrace
from honeytrace._config.settings import resolve

PROGRAM = """
import os, sys
start, elsewhere = sys.argv[1:]
os.chdir(start)
import honeytrace
@honeytrace.trace_session
def call():
    return os.getpid()
os.chdir(elsewhere)
call()
os.chdir("/")
honeytrace.configure(source="again")
call()
child = os.fork()
call()
assert honeytrace.flush(20)
if child:
    assert os.waitpid(child, 0)[1] == 0
    os.chdir(start)
    os.execv(sys.executable, [sys.executable, "-m", "honeytrace", "ls", "--json"])
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_relative_home_stays_where_the_program_began(tmp_path):
    """Whenever it changes its directory, and in children; the command finds all sessions there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    listed = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, elsewhere],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
            "HONEYTRACE_HOME": "some/home",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [*tmp_path.rglob("sessions.db")] == [tmp_path / "some" / "home" / "sessions.db"]
    assert listed.stdout.count('"call"') == 4


def test_a_directory_that_is_gone_can_still_be_left(tmp_path, program):
    """The import does not fail, and an absolute home is used."""
    source = f"""
    import os
    os.mkdir({str(tmp_path / "gone")!r})
    os.chdir({str(tmp_path / "gone")!r})
    os.rmdir(os.getcwd())
    import honeytrace
    honeytrace.trace_session(len)("ab")
    assert honeytrace.flush(20)
    """
    assert program(source).stderr == ""


@pytest.mark.parametrize("setting", ["home", "spool_dir"])
def test_a_relative_directory_means_one_place(setting, tmp_path, monkeypatch):
    """The one when it was given, to `configure()` and to a `Tracer`."""
    monkeypatch.chdir(tmp_path)
    expected = tmp_path / "d"
    honeytrace.configure(**{setting: "d"})
    tracer = honeytrace.Tracer(**{setting: "d"}, project="p")
    try:
        monkeypatch.chdir("/")
        assert getattr(tracer.config, setting) == expected
        assert getattr(honeytrace.configure(project="q"), setting) == expected
    finally:
        honeytrace.configure(**{setting: None}, project=None)


def test_no_spool_stays_no_spool(monkeypatch):
    """The word `off` is not a directory."""
    monkeypatch.setenv("HONEYTRACE_SPOOL_DIR", "off")
    assert resolve({}).spool_dir is None
    monkeypatch.delenv("HONEYTRACE_SPOOL_DIR")
    assert honeytrace.Tracer(spool_dir="off").config.spool_dir is None
