"""One file of the spool: what was appended is read, whatever happened to the file."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeytrace._delivery.spool.owned_file import make_private
from honeytrace._delivery.spool.segment import (
    ACKS,
    DAMAGED,
    NewerFormatError,
    Segment,
)

HEAD = b"honeytrace spool 1\n"
BODIES = [b'{"n":%d}' % n for n in range(5)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "1-00000000.spool"


@pytest.fixture
def segment(path):
    made = Segment(path, new=True)
    yield made
    made.close()


def fill(segment, bodies=BODIES, read=False):
    """Appends; returns the places."""
    return [segment.append(n, body, read=read) for n, body in enumerate(bodies, 1)]


def drain(segment):
    """All that reading comes to, as bodies."""
    return [stored.body for stored in iter(segment.read_on, None)]


@contextmanager
def opened(path, **how):
    segment = Segment(path, new=False, **how)
    try:
        yield segment
    finally:
        segment.close()


def again(path):
    """Return what another process would read."""
    with opened(path) as segment:
        return drain(segment)


def descriptors(path):
    """The descriptors of this process that belong to a file, deleted or not."""
    names = {fd: _target(fd) for fd in map(int, os.listdir("/proc/self/fd"))}
    return [fd for fd, name in names.items() if name.removesuffix(" (deleted)") == str(path)]


def _target(fd):
    with suppress(FileNotFoundError):
        return os.readlink(f"/proc/self/fd/{fd}")
    return ""


def test_what_was_appended_is_read_in_order(segment):
    """Serial numbers and bodies come back as they were, and then nothing."""
    fill(segment)
    stored = list(iter(segment.read_on, None))
    assert [(each.serial, each.body) for each in stored] == list(enumerate(BODIES, 1))
    assert (segment.unread, segment.kept, segment.last) == (0, 5, 5)


def test_a_file_is_of_its_user_only(segment, path):
    """Both files have the mode 0600."""
    segment.acknowledge(fill(segment)[0])
    modes = {stat.S_IMODE(each.stat().st_mode) for each in (path, path.with_suffix(ACKS))}
    assert modes == {0o600}


def test_what_was_appended_as_read_is_passed_over(segment):
    """Reading comes to what is not in memory, before, between and after what is."""
    fill(segment, [b"a"], read=True)
    segment.append(2, b"b", read=False)
    segment.append(3, b"c", read=True)
    segment.append(4, b"d", read=False)
    assert drain(segment) == [b"b", b"d"]
    assert (segment.unread, segment.kept) == (0, 4)


def test_a_record_is_loaded_by_its_place(segment):
    """Any record can be read again, as often as it is wanted."""
    places = fill(segment, read=True)
    assert [segment.load(place) for place in (*places, places[0])] == [*BODIES, BODIES[0]]
    assert [place.first for place in places] == [True, False, False, False, False]


def test_a_damaged_record_is_not_loaded(segment, path):
    """A body that was changed since is not returned."""
    place = fill(segment)[0]
    damage(path, place.at + 24, b"x")
    assert segment.load(place) is None


def test_what_was_acknowledged_is_not_read_again(segment, path):
    """The next process reads what this one did not acknowledge."""
    places = fill(segment, read=True)
    segment.acknowledge(places[1])
    segment.acknowledge(places[4])
    segment.close()
    assert again(path) == [BODIES[0], BODIES[2], BODIES[3]]


def test_acknowledgements_of_several_processes_add_up(segment, path):
    """A third process does not read what two others have acknowledged."""
    segment.acknowledge(fill(segment, read=True)[0])
    segment.close()
    with opened(path) as second:
        second.acknowledge(second.read_on().place)
    assert again(path) == BODIES[2:]


def test_what_is_acknowledged_before_it_is_read_is_not_read(segment):
    """It leaves both counts, and reading passes over it."""
    places = fill(segment)
    segment.acknowledge(places[2])
    assert (segment.unread, segment.kept) == (4, 4)
    assert drain(segment) == [*BODIES[:2], *BODIES[3:]]


def test_a_held_segment_is_not_opened(segment, path):
    """The lock keeps others out, and those who only look may look."""
    fill(segment)
    with pytest.raises(BlockingIOError):
        Segment(path, new=False)
    with opened(path, locked=False) as looked:
        assert looked.kept == 5


def test_a_name_is_used_once(segment, path):
    """A new segment does not write over one that is there."""
    with pytest.raises(FileExistsError):
        Segment(path, new=True)
    assert path.exists()


def test_a_removed_segment_leaves_nothing(segment, path):
    """Neither the file nor its acknowledgements."""
    segment.acknowledge(fill(segment)[0])
    segment.remove()
    assert (list(path.parent.iterdir()), segment.gone) == ([], True)


def test_one_that_somebody_deleted_leaves_no_acknowledgements(segment, path):
    """They come back with the next one, if the whole directory was deleted."""
    refs = fill(segment)
    path.unlink()
    segment.acknowledge_many(refs)
    segment.remove()
    assert list(path.parent.iterdir()) == []


def test_one_that_somebody_replaced_is_not_removed(segment, path):
    """A file that has taken the place of ours stays, with what belongs to it."""
    fill(segment)
    path.rename(path.with_name("copy"))
    path.write_bytes(b"theirs")
    segment.remove()
    assert path.read_bytes() == b"theirs"


def test_one_that_another_process_took_over_is_not_removed(segment, path):
    """After someone closed our descriptor, whoever has the lock has the file."""
    fill(segment)
    with Path(os.devnull).open("wb") as taken:  # the number goes to another file
        [number] = descriptors(path)
        os.dup2(taken.fileno(), number)
        with opened(path) as other:
            segment.remove()
            assert (path.exists(), drain(other)) == (True, BODIES)
        os.close(number)


def test_a_killed_program_lets_go_though_its_child_lives(tmp_path, path):
    """The descriptors are not handed down, not even to a child started with close_fds=False."""
    source = f"""
        import subprocess, sys
        from pathlib import Path
        from honeytrace._delivery.spool.segment import Segment
        segment = Segment(Path({str(path)!r}), new=True)
        segment.append(1, b"body", read=True)
        child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        child = int(process.stdout.readline())
        try:
            with pytest.raises(BlockingIOError):
                Segment(path, new=False)
            process.kill()
            process.wait()
            assert again(path) == [b"body"]
        finally:
            os.kill(child, 9)


# ---- Damage


def damage(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@contextmanager
def written(bodies, acknowledged=()):
    """A closed segment in a directory of its own, and where each of its records ends."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "1-00000000.spool"
        segment = Segment(path, new=True)
        ends = []
        for number, body in enumerate(bodies):
            place = segment.append(number, body, read=True)
            ends.append(segment.size)
            if number in acknowledged:
                segment.acknowledge(place)
        segment.close()
        yield path, list(zip([len(HEAD), *ends], ends, strict=False))


def found(path):
    """The records of a damaged segment, as numbers and bodies; the counts are those of them."""
    try:
        with opened(path) as segment:
            expected = segment.kept
            stored = [(each.serial, each.body) for each in iter(segment.read_on, None)]
            assert (segment.unread, expected) == (0, len(stored))
    except NewerFormatError:  # one digit of the first line is all the difference
        assert path.read_bytes()[:18] != HEAD[:18]
        return None
    return stored


texts = st.lists(st.text(max_size=20).map(str.encode), max_size=6)
garbage = st.binary(max_size=40) | st.sampled_from(
    [b"\xf5HT\xf5", b"\xf5HT", b"\xf5HT\xf5" * 9, HEAD]
)


@given(texts, st.data())
def test_of_a_segment_that_was_cut_short_the_rest_is_read(bodies, data):
    """Wherever it was cut, every record before the cut is read."""
    with written(bodies) as (path, ranges):
        cut = data.draw(st.integers(0, path.stat().st_size))
        os.truncate(path, cut)
        whole = [(n, bodies[n]) for n, (_, end) in enumerate(ranges) if end <= cut]
        assert found(path) == whole


def test_at_every_length(tmp_path):
    """The same for one segment, cut short byte by byte."""
    with written(BODIES) as (path, ranges):
        for cut in reversed(range(path.stat().st_size)):
            os.truncate(path, cut)
            whole = [(n, BODIES[n]) for n, (_, end) in enumerate(ranges) if end <= cut]
            assert found(path) == whole


@given(texts, garbage, st.data())
@example([b""], b"2", None)
def test_of_a_segment_that_was_overwritten_the_rest_is_read(bodies, junk, data):
    """Every record that still has its bytes is read, once and in order, and nothing else."""
    with written(bodies) as (path, ranges):
        before = path.read_bytes()
        at = data.draw(st.integers(0, len(before))) if data else 17
        damage(path, at, junk)
        after = path.read_bytes()
        whole = [(n, bodies[n]) for n, (a, b) in enumerate(ranges) if after[a:b] == before[a:b]]
        assert found(path) in (whole, None)


@given(texts, garbage, st.data())
def test_of_a_segment_with_something_inserted_the_rest_is_read(bodies, junk, data):
    """Every record that was not cut in two is read, once and in order, and nothing else."""
    with written(bodies) as (path, ranges):
        before = path.read_bytes()
        at = data.draw(st.integers(0, len(before)))
        path.write_bytes(before[:at] + junk + before[at:])
        whole = {(n, bodies[n]) for n, (a, b) in enumerate(ranges) if not a < at < b or not junk}
        read = found(path)
        assert read is None or read == sorted(read)
        assert read is None or whole <= set(read) <= set(enumerate(bodies))


@given(texts, st.sets(st.integers(0, 5)), garbage, st.data())
def test_damaged_acknowledgements_cost_a_repetition_at_most(bodies, done, junk, data):
    """Cut short and overwritten anywhere: what was not acknowledged is read, nothing is twice."""
    with written(bodies, done) as (path, _):
        acks = path.with_suffix(ACKS)
        size = acks.stat().st_size if acks.exists() else 0
        acks.touch()
        os.truncate(acks, data.draw(st.integers(0, size)))
        damage(acks, data.draw(st.integers(0, size)), junk)
        read = found(path)
        kept = {(n, body) for n, body in enumerate(bodies) if n not in done}
        assert read == sorted(set(read))
        assert kept <= set(read) <= set(enumerate(bodies))


@pytest.mark.parametrize("there", ["nothing", "directory", "link", "noise"])
def test_without_acknowledgements_all_is_read_again(there, segment, path):
    """With the same bytes, whatever is found in their place; and it can be removed."""
    [segment.acknowledge(place) for place in fill(segment, read=True)[:3]]
    segment.close()
    acks = path.with_suffix(ACKS)
    acks.unlink()
    if there == "directory":
        acks.mkdir()
    elif there == "link":
        acks.symlink_to(path)
    elif there == "noise":
        acks.write_bytes(os.urandom(803))
    with opened(path) as taken:
        assert drain(taken) == BODIES
        taken.remove()
    assert not path.exists()


def test_a_torn_acknowledgement_is_written_over(segment, path):
    """After a cut in the middle of one, those that follow are read right."""
    places = fill(segment, read=True)
    segment.acknowledge(places[0])
    segment.acknowledge(places[1])
    segment.close()
    os.truncate(path.with_suffix(ACKS), 11)
    with opened(path) as taken:
        taken.acknowledge(taken.read_on().place)
    assert again(path) == BODIES[2:]


def test_a_damaged_segment_is_set_aside(segment, path):
    """When it is done with, someone may still look at it; its acknowledgements go."""
    places = fill(segment)
    segment.acknowledge(places[0])
    segment.close()
    damage(path, places[1].at, b"?")
    with opened(path) as taken:
        assert drain(taken) == BODIES[2:]
        taken.remove()
    assert list(path.parent.iterdir()) == [path.with_suffix(DAMAGED)]


def test_what_is_damaged_before_it_is_read_is_given_up_once(segment, path):
    """The counts are told so, and what is appended afterwards is read."""
    places = fill(segment)
    damage(path, places[3].at, bytes(segment.size - places[3].at))
    assert drain(segment) == BODIES[:3]
    assert (segment.give_up_unread(), segment.kept, segment.damaged) == (2, 3, True)
    segment.append(9, b"next", read=False)
    assert (drain(segment), segment.give_up_unread()) == ([b"next"], 0)


def test_a_file_cut_short_while_it_is_read_is_given_up_at_once(segment, path):
    """Reading ends, though mebibytes should be there."""
    fill(segment, [b"x" * 2**22] * 3)
    os.truncate(path, 100)
    assert (segment.read_on(), segment.give_up_unread()) == (None, 3)


def test_a_mark_is_found_on_the_border_of_two_chunks(segment, path):
    """Damage of any length is skipped, in pieces of 64 KiB."""
    for size in range(65_536 - 30, 65_536 + 8):
        fill(segment, [b"x" * (size - 24), b"found"])
    segment.close()
    noise = path.read_bytes().replace(b"x" * 1000, b"?" * 1000)
    path.write_bytes(noise)
    assert again(path) == [b"found"] * 38


@pytest.mark.parametrize("head", [HEAD, HEAD[:5], b"", b"honeytrace spool \n"])
def test_a_file_without_records_is_empty(head, path):
    """Also one that was cut within its first line."""
    path.write_bytes(head)
    with opened(path) as segment:
        assert (segment.kept, segment.read_on(), segment.damaged) == (0, None, len(head) in (5, 18))


@pytest.mark.parametrize("version", [2, 9, 10, 312])
def test_a_newer_format_is_left_alone(version, path):
    """A segment of a later version is not opened and not changed."""
    content = b"honeytrace spool %d\nsomething else" % version
    path.write_bytes(content)
    with pytest.raises(NewerFormatError):
        Segment(path, new=False)
    assert path.read_bytes() == content


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("target")])
def test_what_is_no_file_is_not_opened(make, path, tmp_path):
    """A directory, a pipe and a link are not segments."""
    (tmp_path / "target").write_bytes(HEAD)
    make(path)
    with pytest.raises(OSError):  # noqa: PT011 - each has a number of its own
        Segment(path, new=False)


# ---- Descriptors and directories that go away


@pytest.mark.parametrize("act", ["append", "load", "acknowledge", "read_on"])
@pytest.mark.parametrize("reused", [False, True], ids=["closed", "reused"])
def test_a_descriptor_that_someone_closed_is_opened_again(reused, act, segment, path, tmp_path):
    """And if the number belongs to another file by now, that stays as it is, and open."""
    places = fill(segment)
    segment.acknowledge(places[4])
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    theirs = []
    for fd in (*descriptors(path), *descriptors(path.with_suffix(ACKS))):
        os.close(fd)
        theirs += [os.open(other, os.O_RDWR)] if reused else []
    done = {
        "append": lambda: segment.append(6, b"more", read=False) and again_by_looking(path)[-1],
        "load": lambda: segment.load(places[3]),
        "acknowledge": lambda: segment.acknowledge(places[0]) or again_by_looking(path)[0],
        "read_on": lambda: segment.read_on().body,
    }[act]()
    assert done == {"append": b"more", "load": BODIES[3], "acknowledge": BODIES[1]}.get(
        act, BODIES[0]
    )
    segment.close()
    assert [os.pread(fd, 9, 0) for fd in theirs] == [b"theirs" for _ in theirs]
    [os.close(fd) for fd in theirs]


def again_by_looking(path):
    with opened(path, locked=False) as segment:
        return drain(segment)


def test_a_file_that_another_replaced_is_not_opened_again(segment, path):
    """With the descriptor closed and the name taken, the file cannot be had any more."""
    fill(segment)
    [os.close(fd) for fd in descriptors(path)]
    path.rename(path.with_name("copy"))
    path.write_bytes(HEAD)
    with pytest.raises(FileNotFoundError, match="another file"):
        segment.append(6, b"more", read=False)
    assert path.read_bytes() == HEAD


def test_a_deleted_file_is_written_again_with_the_next_record(segment, path):
    """Nothing of it is missing, its acknowledgements included."""
    segment.acknowledge(fill(segment)[0])
    path.unlink()
    path.with_suffix(ACKS).unlink()
    segment.append(6, b"x" * 200_000, read=False)
    segment.secure()
    segment.close()
    assert again(path) == [*BODIES[1:], b"x" * 200_000]


def test_a_deleted_file_can_still_be_read(segment, path):
    """Reading writes nothing: whoever only looks must not bring back what was removed."""
    fill(segment)
    path.unlink()
    assert (drain(segment), list(path.parent.iterdir())) == (BODIES, [])


def test_a_file_removed_while_it_is_taken_over_is_none(segment, path):
    """Two processes at once: what the first has finished, the second does not find."""
    fill(segment)
    segment.close()
    removed, stop = [], []

    def remove():
        while not stop:
            with suppress(OSError), opened(path) as taken:
                removed.append(len(drain(taken)))
                taken.remove()

    threads = [threading.Thread(target=remove) for _ in range(4)]
    [thread.start() for thread in threads]
    while not removed and any(thread.is_alive() for thread in threads):
        threads[0].join(0.01)
    stop.append(True)
    [thread.join() for thread in threads]
    assert removed == [5]


LIMIT = 3_000


@pytest.fixture
def full_disk():
    """A disk on which no file may grow beyond `LIMIT` bytes. (Python ignores SIGXFSZ.)"""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def limit(size=LIMIT):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


def test_a_full_disk_takes_all_of_a_record_or_nothing(segment, path, full_disk):
    """The record that does not fit is not there in part, and a smaller one is taken after it."""
    with full_disk():
        segment.append(1, b"a" * 2_000, read=True)
        size = path.stat().st_size
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
            segment.append(2, b"b" * 2_000, read=True)
        assert (caught.value.errno, path.stat().st_size) == (errno.ENOSPC, size)
        segment.append(3, b"c", read=True)
    segment.close()
    assert again(path) == [b"a" * 2_000, b"c"]


def test_a_new_segment_that_does_not_fit_leaves_no_file(path, full_disk):
    """Not even an empty one."""
    with full_disk(5), pytest.raises(OSError):  # noqa: PT011
        Segment(path, new=True)
    assert not path.exists()


def test_a_deleted_file_that_cannot_be_written_again_is_not_there_in_part(segment, path, full_disk):
    """It can still be read, and is written again when there is room."""
    fill(segment, [b"x" * 100_000])
    path.unlink()
    with full_disk(70_000), pytest.raises(OSError):  # noqa: PT011
        segment.secure()
    assert (path.exists(), drain(segment)) == (False, [b"x" * 100_000])
    segment.secure()
    segment.close()
    assert again(path) == [b"x" * 100_000]


# ---- Directories


def test_a_private_directory_is_for_its_user_only(tmp_path):
    """It and its parent are made with the mode 0700; twice is once."""
    directory = tmp_path / "spool" / "x"
    make_private(directory)
    make_private(directory)
    modes = {stat.S_IMODE(each.stat().st_mode) for each in (directory, directory.parent)}
    assert modes == {0o700}


@pytest.fixture
def somebody():
    """Run as a user who is not root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("somebody")
def test_a_directory_of_someone_else_is_not_used():
    """Another user could read the sessions in it."""
    with pytest.raises(PermissionError, match="it belongs to another user"):
        make_private(Path("/usr"))
