"""The disk: full, not there, not ours, damaged, taken away; nothing is lost uncounted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from lines import leads
from programs import KEY, Program, later, numbers, ran

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no spool on Windows")

SOON = {"HONEYTRACE_EXIT_TIMEOUT": "0.3"}  # for what waits in memory alone
CALLS = """
for n in range(20):
    call(n)
"""
RESENT = "call(-1)\nuntil(lambda: stats().resent == 20)\nflush(20)\n"


@pytest.fixture
def home() -> Path:
    return Path(os.environ["HONEYTRACE_HOME"])


@pytest.fixture
def left(line, spool):
    """Leaves the sessions of twenty calls in an outage; returns the segment they are in."""

    def leave(**environment: str) -> Path:
        ran(CALLS, line.url, **environment)
        (segment,) = spool.rglob("*.spool")
        return segment

    return leave


@pytest.fixture
def well(line, server):
    """Connects the address to a server, and returns what arrives there by a later process."""

    def deliver(waiting: int = 0) -> list[int]:
        line.listen(leads(server.port))
        later(line.url, waiting)
        return numbers(server)

    return deliver


# ---- A directory that cannot be used


def below_a_file(home: Path) -> Path:
    home.mkdir()
    (home / "file").write_text("of somebody")
    return home / "file" / "below"


def a_file(home: Path) -> Path:
    home.mkdir()
    (home / "file").write_text("of somebody")
    return home / "file"


@pytest.mark.parametrize("place", [a_file, below_a_file, lambda _: Path("/proc/none")])
def test_a_directory_that_cannot_be(place, home, server):
    """It is said once, and sessions go from memory; what is there is not touched."""
    done = ran(f"{CALLS}assert flush(20)\n", server.url, HONEYTRACE_SPOOL_DIR=str(place(home)))
    assert numbers(server) == [*range(20)]
    assert [line.count("cannot be written") for line in done.lines] == [1]
    assert all(path.read_text() == "of somebody" for path in home.glob("file"))


@pytest.mark.parametrize("durable", ["true", "false"])
def test_a_directory_that_cannot_be_in_an_outage(durable, home, line):
    """Sessions that could not be sent are counted as dropped, and the log has their number."""
    place = str(below_a_file(home))
    done = ran(CALLS, line.url, HONEYTRACE_SPOOL_DIR=place, HONEYTRACE_DURABLE=durable, **SOON)
    assert done.stats["dropped"] == 20
    assert any("lost: 20" in line for line in done.lines)


def test_a_directory_that_is_mended(home, line, well, segments):
    """Sessions that waited in memory are written to disk, and this is logged once."""
    home.mkdir()
    (home / "spool").write_text("in the way")
    program = f"""{CALLS}
until(lambda: stats().queued == 20 and stats().last_error)
os.unlink(os.path.join(os.environ["HONEYTRACE_HOME"], "spool"))
until(lambda: stats().spooled == 20)
"""
    done = ran(program, line.url)
    assert [each for each in done.lines if "on disk again" in each] == [
        "honeytrace: sessions are kept on disk again"
    ]
    assert well(20) == [*range(-1, 20)]
    assert segments() == []


# ---- A full disk

FULL = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
call(0)
until(lambda: not stats().queued)
limit(4096)  # what is shorter can be written, such as the program's own words

@trace_session
def large(n, text):
    return n

for n in range(1, 100):
    large(n, "x" * 4096)
"""


@pytest.mark.parametrize("durable", ["true", "false"])
def test_a_full_disk(durable, server, tmp_path):
    """Sessions go from memory, and the program's own words are whole."""
    done = ran(f"{FULL}assert flush(20)\n", server.url, HONEYTRACE_DURABLE=durable)
    assert {*numbers(server)} == {*range(100)}
    assert done.stats["delivered"] == 100


def test_a_full_disk_in_an_outage(line, well):
    """Sessions that the disk took arrive later; the rest is dropped, counted and logged."""
    done = ran(FULL, line.url, **SOON)
    assert (done.stats["spooled"], done.stats["dropped"]) == (1, 99)
    assert any("lost: 99" in each for each in done.lines)
    assert well(1) == [-1, 0]


def test_a_disk_that_is_full_for_a_while(line, well, segments):
    """Nothing is lost; the beginning and the end of it are said once."""
    program = f"""
import logging
said = []
class Keep(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
logging.getLogger("honeytrace").addHandler(Keep())
{FULL}
until(lambda: any("cannot be written" in each for each in said))
limit(resource.RLIM_INFINITY)
until(lambda: stats().spooled == 100)
until(lambda: any("on disk again" in each for each in said))
say([each for each in said if "disk again" in each or "cannot be written" in each])
"""
    assert len(ran(program, line.url).words[0]) == 2
    assert len(well(100)) == 101
    assert segments() == []


# ---- What others have in it


def test_foreign_files(line, server, spool, left):
    """They are as they were, byte for byte, whatever their names."""
    directory = left().parent
    names = ["notes.txt", "x.spool", "1-2.acks", "12-0123456.spool", "route.json.bak", ".hidden"]
    foreign = [place / name for place in (spool, directory) for name in names]
    for path in foreign:
        path.write_bytes(b"\xf5HT\xf5 somebody's own\n")
    line.listen(leads(server.port))
    ran(RESENT, line.url)
    assert numbers(server) == [*range(-1, 20)]
    assert {path.read_bytes() for path in foreign} == {b"\xf5HT\xf5 somebody's own\n"}


def test_a_newer_version(line, server, left):
    """Its segments are left as they are, and ours go."""
    segment = left()
    newer = segment.with_name("99999-0123abcd.spool")
    newer.write_bytes(b"honeytrace spool 2\nnobody knows what this is")
    line.listen(leads(server.port))
    done = ran(RESENT, line.url)
    assert numbers(server) == [*range(-1, 20)]
    assert newer.read_bytes() == b"honeytrace spool 2\nnobody knows what this is"
    assert len([each for each in done.lines if "newer" in each]) == 1


# ---- Damage


def test_a_segment_that_is_cut_short(left, well, segments):
    """All but the last session in it arrive."""
    segment = left()
    os.truncate(segment, segment.stat().st_size - 7)
    came = well(19)
    assert len(came) == 20
    assert {*came} < {*range(-1, 20)}
    assert segments() == []


def test_a_segment_that_is_overwritten_in_the_middle(left, well, spool):
    """The sessions before and after the damage arrive, and the file is set aside."""
    segment = left()
    data = bytearray(segment.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100] = os.urandom(100)
    segment.write_bytes(data)
    came = well(18)
    assert 19 <= len(came) <= 20
    assert {*came} < {*range(-1, 20)}
    assert len([*spool.rglob("*.damaged")]) == 1


def test_segments_of_noise(left, well, spool):
    """A segment without a single whole session, and an empty one, hold nobody up."""
    segment = left()
    segment.with_name("99998-0123abcd.spool").write_bytes(os.urandom(10_000))
    segment.with_name("99997-0123abcd.spool").write_bytes(b"")
    segment.with_suffix(".acks").write_bytes(os.urandom(1003))
    assert well(20) == [*range(-1, 20)]


DELETED = f"""{CALLS}
import shutil
until(lambda: stats().spooled == 20)
spool = os.path.join(os.environ["HONEYTRACE_HOME"], "spool")
shutil.rmtree(spool, ignore_errors=True)  # a file may come back in the middle of it
"""


@pytest.mark.parametrize("calls", ["", "call(20)\n"], ids=["and that is all", "and it goes on"])
def test_a_spool_that_is_deleted_in_an_outage(calls, line, well):
    """It is written again, and a later process delivers all."""
    ran(DELETED + calls, line.url)
    assert well() == [*range(-1, 21 if calls else 20)]


def test_a_spool_that_is_deleted_beside_a_good_server(server, segments):
    """Nobody notices."""
    program = f"{CALLS}flush(20)\n{DELETED.replace('== 20', '== 0')}call(20)\nflush(20)\n"
    ran(program, server.url)
    assert Counter(numbers(server)) == Counter([*range(20), *range(20), 20])
    assert segments() == []


# ---- Many at once


def test_four_processes_on_one_spool(line, server, segments):
    """Two hundred sessions of each, from an outage: all arrive once."""
    program = """
    first = int(sys.argv[1])
    for n in range(first, first + 200):
        call(n)
    until(lambda: stats().spooled == 200)
    say("waiting")
    until(lambda: not stats().spooled, 60)
    """
    programs = [Program(program, line.url, str(first)) for first in range(0, 800, 200)]
    try:
        while not all(each.said for each in programs):
            server.closing.wait(0.02)
        line.listen(leads(server.port))
        for each in programs:
            each.end()
    finally:
        for each in programs:
            each.kill()
    assert numbers(server) == [*range(800)]
    assert segments() == []


def test_two_hundred_threads(server, segments):
    """Ten thousand sessions at once."""
    program = """
    def work(first):
        for n in range(first, first + 50):
            call(n)
    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 10_000, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flush(60)
    """
    done = ran(program, server.url)
    assert done.stats["delivered"] == 10_000
    assert numbers(server) == [*range(10_000)]
    assert segments() == []


# ---- Settings


def test_a_key_with_a_newline(server):
    """It is said once, without the key, and the program runs on."""
    done = ran(CALLS, server.url, HH_API_KEY=f"{KEY}\nX-Injected: yes")
    assert len([each for each in done.lines if "HH_API_KEY" in each]) == 1
    assert done.stats["accepted"] == 20
    assert not any(request.headers["X-Injected"] for request in server.requests)


def test_durable_without_a_spool(server):
    """The contradiction is logged once, and sessions arrive."""
    settings = {"HONEYTRACE_DURABLE": "true", "HONEYTRACE_SPOOL_DIR": "off"}
    done = ran(CALLS, server.url, **settings)
    assert numbers(server) == [*range(20)]
    assert len(done.lines) == 1


def test_no_spool_and_a_dead_server(line, spool):
    """The program ends in time, and says how many are lost."""
    done = ran(CALLS, line.url, HONEYTRACE_SPOOL_DIR="off", **SOON)
    assert done.stats["dropped"] == 20
    assert any("lost: 20" in each for each in done.lines)
    assert not spool.exists()
