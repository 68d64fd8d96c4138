"""The directory that processes share: nothing that was appended is lost, or read by two."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from honeytrace._delivery.spool.directory import REJECTED, ROUTE, Bounds, Loss, Spool
from honeytrace._delivery.spool.segment import ACKS, DAMAGED, SUFFIX
from honeytrace._delivery.spool.survey import spool_status as survey
from honeytrace._delivery.spool.survey import spool_statuses as surveys

URL, PROJECT = "https://example.test", "p"
DAY = 86_400


@pytest.fixture
def make(tmp_path):
    """Opens spools; each is what a further process would have."""
    opened = []

    def spool(url=URL, project=PROJECT, **bounds):
        opened.append(Spool(tmp_path, url, project, Bounds(**bounds)))
        return opened[-1]

    yield spool
    [each.disown() for each in opened]


@pytest.fixture
def spool(make):
    return make()


def fill(spool, count, start=1, size=0, read=True):
    """Appends; returns the places."""
    serials = range(start, start + count)
    return [spool.append(n, b'{"n":%d}' % n + b" " * size, read=read) for n in serials]


def names(spool, *suffixes):
    return {path.name for path in spool.directory.iterdir() if path.suffix in suffixes}


def segments(spool):
    """The files of segments, in the order of their age."""
    found = spool.directory.glob("*" + SUFFIX)
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def numbers(stored):
    return [json.loads(each.body)["n"] for each in stored]


def older(spool):
    """The numbers of all sessions that a process takes over."""
    return numbers(stored for some in iter(spool.older, []) for stored in some)


def age(path, days):
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def seen(tmp_path):
    found = survey(tmp_path, URL, PROJECT)
    return {
        name: getattr(found, name)
        for name in ("waiting", "held", "rejected", "damaged", "newer")
        if getattr(found, name)
    }


HOLDER = f"""
    import sys
    from pathlib import Path
    from honeytrace._delivery.spool.directory import Bounds, Spool
    spool = Spool(Path(sys.argv[1]), {URL!r}, {PROJECT!r}, Bounds(segment=int(sys.argv[3])))
    for n in range(int(sys.argv[2])):
        spool.append(n, b'{{"n":%d}}' % n, read=True)
    print("ready", flush=True)
    sys.stdin.read()
"""
TAKER = f"""
    import sys
    from pathlib import Path
    from honeytrace._delivery.spool.directory import Spool
    spool = Spool(Path(sys.argv[1]), {URL!r}, {PROJECT!r})
    print("ready", flush=True)
    sys.stdin.readline()
    while stored := spool.older():
        print(*[each.body.decode() for each in stored], sep="\\n", flush=True)
    print(flush=True)
    sys.stdin.readline()
"""


@contextmanager
def process(source, *arguments):
    """A process that is ready, and killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


# ---- Append, read, acknowledge


def test_what_was_appended_is_read_on_in_order(spool):
    """Over several calls, 500 sessions at most each, and then there is nothing."""
    fill(spool, 1_200, read=False)
    assert spool.unread == 1_200
    found = [numbers(spool.more()[0]) for _ in range(4)]
    assert found == [[*range(1, 501)], [*range(501, 1_001)], [*range(1_001, 1_201)], []]


def test_large_sessions_are_read_a_few_at_once(spool):
    """The size of the sessions read at once is bounded, too."""
    fill(spool, 8, size=2**20, read=False)
    assert [len(spool.more()[0]) for _ in range(3)] == [4, 4, 0]


def test_what_is_all_acknowledged_leaves_no_file(spool):
    """Once the last is done with, nothing but the route is left."""
    for place in fill(spool, 10):
        assert spool.acknowledge(place)
    spool.rest()
    assert os.listdir(spool.directory) == [ROUTE]


def test_nothing_but_its_own_files_is_in_the_directory(spool):
    """All of them for this user only, the directories too."""
    [first, *_] = fill(spool, 10)
    spool.acknowledge(first)
    spool.reject(b"{}", "words")
    files = list(spool.directory.iterdir())
    assert sorted(path.suffix for path in files) == [ACKS, ".json", ".jsonl", SUFFIX]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(spool.directory.stat().st_mode) == 0o700


def test_a_body_is_loaded_by_its_place(spool):
    """As long as the segment is there; afterwards there is none."""
    [place] = fill(spool, 1)
    assert spool.load(place) == b'{"n":1}'
    spool.acknowledge(place)
    spool.rest()
    assert spool.load(place) is None


def test_servers_and_projects_do_not_mix(make):
    """Each has a directory of its own, and takes over from that one alone."""
    fill(make(), 3)
    make().rest()
    others = [make(project="other"), make(url="https://other.test"), make(URL + "p", "")]
    assert [older(each) for each in others] == [[], [], []]


def test_a_full_segment_is_followed_by_the_next(make):
    """A segment ends when it has its size, and each goes when all in it are done with."""
    spool = make(segment=1_000)
    places = fill(spool, 10, size=480)
    assert len(segments(spool)) == 5
    [spool.acknowledge(place) for place in places[:5]]
    assert len(segments(spool)) == 3


def test_a_segment_has_eight_mebibytes(spool):
    """By default, and reading goes on from one to the next."""
    fill(spool, 10, size=2**20, read=False)
    assert len(segments(spool)) == 2
    assert numbers(stored for _ in range(4) for stored in spool.more()[0]) == list(range(1, 11))


def test_time_ends_a_segment(make):
    """So that no segment is much older than its latest session."""
    spool = make(turn=0)
    fill(spool, 3)
    assert len(segments(spool)) == 3


def test_threads_share_a_spool(make):
    """Eight threads append, read on and acknowledge at once; each session is seen once."""
    spool = make(segment=20_000)
    found, lost = [], []

    def work(thread):
        for n in range(300):
            number = thread * 1_000 + n
            place = spool.append(number, b'{"n":%d}' % number, read=n % 3 == 0)
            if n % 3 == 0:
                found.append(json.loads(spool.load(place))["n"])
                spool.acknowledge(place)
            elif n % 3 == 1:
                take(spool.more())

    def take(more):
        stored, gone = more
        lost.extend(gone)
        found.extend(numbers(stored))
        [spool.acknowledge(each.place) for each in stored]

    run(work, range(8))
    while spool.unread:
        take(spool.more())
    spool.rest()
    assert sorted(found) == [thread * 1_000 + n for thread in range(8) for n in range(300)]
    assert (lost, os.listdir(spool.directory)) == ([], [ROUTE])


def run(work, arguments):
    threads = [threading.Thread(target=work, args=(each,)) for each in arguments]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


# ---- Several processes


def test_what_a_process_released_is_taken_over(make, tmp_path):
    """Without what it acknowledged, and marked as not one's own."""
    first, second = make(), make()
    places = fill(first, 5)
    first.acknowledge(places[0])
    first.release()
    stored = second.older()
    assert (numbers(stored), second.adopted) == ([2, 3, 4, 5], 4)
    assert not any(each.place.segment.own for each in stored)


def test_what_was_taken_over_and_done_leaves_no_file(make):
    """The last acknowledgement removes the segment of an ended process, too."""
    first, second = make(), make()
    fill(first, 5)
    first.release()
    [second.acknowledge(stored.place) for stored in second.older()]
    assert (os.listdir(second.directory), second.adopted) == ([ROUTE], 0)


def test_one_that_was_all_acknowledged_is_removed_when_found(make):
    """A process killed after its last acknowledgement leaves nothing to do."""
    first, second = make(), make()
    [first.acknowledge(place) for place in fill(first, 5)]
    first.disown()
    assert (older(second), os.listdir(second.directory)) == ([], [ROUTE])


def test_a_living_process_keeps_its_own(make, tmp_path):
    """Its segments are taken over only when it has been killed."""
    with process(HOLDER, tmp_path, 5, 8 * 2**20) as holder:
        spool = make()
        assert older(spool) == []
        holder.kill()
        holder.wait()
        assert older(spool) == []  # looked for at the start, or when told to
        spool.look()
        assert older(spool) == [0, 1, 2, 3, 4]


def test_of_competing_processes_one_takes_a_segment(tmp_path):
    """Three that look at the same time: each session of a killed one is read by one of them."""
    with process(HOLDER, tmp_path, 200, 100) as holder:
        holder.kill()
    with (
        process(TAKER, tmp_path) as a,
        process(TAKER, tmp_path) as b,
        process(TAKER, tmp_path) as c,
    ):
        for taker in (a, b, c):
            taker.stdin.write("\n")
            taker.stdin.flush()
        found = [
            json.loads(line)["n"]
            for taker in (a, b, c)
            for line in iter(taker.stdout.readline, "\n")
        ]
    assert sorted(found) == list(range(200))


def test_a_new_segment_is_ours_though_others_look_for_it(make):
    """Whoever finds a file before it is locked does not keep its maker from writing."""
    spool, stop, taken = make(segment=1), threading.Event(), []

    def look(_):
        other = make()
        while not stop.is_set():
            other.look()
            taken.extend(older(other))

    def write(_):
        try:
            places.extend(fill(spool, 400))
        finally:
            stop.set()

    places = []
    run(lambda act: act(None), [write, look, look])
    assert None not in places
    assert taken == []


def test_a_forked_child_lets_go(make):
    """The lock lives as long as any copy of a descriptor; a child closes its copies."""
    spool = make()
    fill(spool, 2)
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        os.close(writing)
        spool.disown()
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    spool.disown()
    other = make()
    deadline = time.monotonic() + 10
    while not (found := older(other)) and time.monotonic() < deadline:
        other.look()
    os.close(writing)
    os.waitpid(pid, 0)
    assert found == [1, 2]


def test_others_are_kept_out_for_the_moment_of_a_fork(spool):
    """While one thread holds it, another does not get it, and gives up after a second."""
    outcomes = []
    assert spool.hold()
    run(lambda _: outcomes.append(spool.hold()), [None])
    spool.let_go()
    run(lambda _: outcomes.append(spool.hold() and not spool.let_go()), [None])
    assert outcomes == [False, True]


# ---- Bounds


def drop(spool):
    """Trim; return the numbers of sessions kept in each segment."""
    return [(each.own, each.kept) for each in spool.trim()]


def test_an_empty_spool_is_not_trimmed(spool):
    """Before the first session there is nothing that has to go."""
    assert spool.trim() == []


def test_the_defaults_are_those_of_the_design():
    """8 MiB a segment, 256 MiB and 7 days in all, and a pause of 5 s."""
    bounds = Bounds()
    assert (bounds.segment, bounds.total) == (8 * 2**20, 256 * 2**20)
    assert (bounds.age, bounds.pause) == (7 * DAY, 5)


def test_the_oldest_goes_first(make):
    """As many segments as are too much, and only those; acknowledged sessions do not count."""
    spool = make(segment=1_000, total=3_200)
    places = fill(spool, 10, size=480)
    for days, path in enumerate(reversed(segments(spool))):
        age(path, days)
    spool.acknowledge(places[0])
    assert drop(spool) == [(True, 1), (True, 2)]
    assert (spool.acknowledge(places[1]), spool.load(places[2])) == (False, None)
    assert (spool.acknowledge(places[4]), len(segments(spool))) == (True, 3)


def test_what_ended_processes_left_goes_too(make):
    """Taken over already or not: it is older than ours."""
    for _ in range(2):
        left = make()
        fill(left, 3, size=1_000)
        left.release()
    spool = make(total=3_000)
    assert len(spool.older()) == 3
    fill(spool, 1)
    assert drop(spool) == [(False, 3), (False, 3)]
    assert (len(segments(spool)), spool.adopted, spool.older()) == (1, 0, [])


def test_what_is_too_old_goes(make):
    """After seven days, though there is room."""
    spool = make(turn=0)
    fill(spool, 3)
    first, second, _ = segments(spool)
    age(first, 7.1)
    age(second, 6.9)
    assert drop(spool) == [(True, 1)]


def test_what_was_written_with_no_clock_set_is_not_too_old(make):
    """Small machines begin in 1970 until they find a network; older segments go all the same."""
    spool = make(turn=0)
    fill(spool, 3)
    first, second, _ = segments(spool)
    os.utime(first, (60, 60))
    age(second, 7.1)
    assert drop(spool) == [(True, 1)]
    assert (first.exists(), second.exists()) == (True, False)


def test_a_segment_of_a_living_process_stays(make, tmp_path):
    """However old it is, and ours goes in its place."""
    with process(HOLDER, tmp_path, 5, 8 * 2**20):
        spool = make(total=10, turn=0)
        [theirs] = segments(spool)
        age(theirs, 30)
        fill(spool, 2)
        assert drop(spool) == [(True, 1)]
        assert theirs.exists()


def test_the_segment_being_written_stays(make):
    """Even if it is too large by itself."""
    spool = make(total=10)
    fill(spool, 3)
    assert (drop(spool), len(segments(spool))) == ([], 1)


def test_acknowledgements_count_as_part_of_their_segment(make):
    """Dropping a segment makes room for both its files, so no more than needed go."""
    left = make(segment=1_000)
    for place in fill(left, 90, size=10)[1::2]:
        left.acknowledge(place)
    left.release()
    sizes = {path: path.stat().st_size for path in left.directory.iterdir() if path.name != ROUTE}
    oldest = segments(left)[0]
    age(oldest, 1)
    without = sum(sizes.values()) - sizes[oldest] - sizes[oldest.with_suffix(ACKS)]
    spool = make(total=without + 46)
    fill(spool, 1)
    assert segments(spool)[-1].stat().st_size == 46
    assert len(spool.trim()) == 1


def test_acknowledgements_without_a_segment_go(make):
    """A process that was killed while it removed the two leaves the second."""
    spool = make()
    fill(spool, 1)
    stray = spool.directory / f"1-00000000{ACKS}"
    stray.touch()
    spool.trim()
    assert not stray.exists()


def test_damaged_files_go_when_there_is_no_room(make):
    """Files set aside are dropped like the rest, and a damaged segment is not set aside."""
    left = make()
    fill(left, 2, size=1_000)
    left.release()
    [path] = segments(left)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    aside = left.directory / f"1-00000000{DAMAGED}"
    aside.write_bytes(bytes(1_000))
    spool = make(total=500)
    fill(spool, 1)
    assert drop(spool) == [(False, 2)]
    assert names(spool, DAMAGED) == set()


# ---- What is not of the spool


@pytest.fixture
def foreign(spool, tmp_path):
    """Files that are none of ours, with names like ours; afterwards they are as they were."""
    spool.directory.mkdir(parents=True)
    large = tmp_path / "large"
    large.write_bytes(b"honeytrace spool 1\n")
    os.truncate(large, 2**30)
    (spool.directory / f"1-00000001{SUFFIX}").mkdir()
    (spool.directory / f"1-00000002{SUFFIX}").symlink_to(large)
    (spool.directory / f"1-00000003{DAMAGED}").symlink_to(large)
    (spool.directory / f"1-00000004{ACKS}").mkdir()
    for name in ("notes.txt", "1-xyz.spool", "1-00000005.spool.bak", "x1-00000006.spool"):
        (spool.directory / name).write_bytes(b"theirs")
    before = snapshot(tmp_path)
    yield
    after = snapshot(tmp_path)
    assert {name: after.get(name) for name in before} == before


def snapshot(root):
    found = {path: path.lstat() for path in root.rglob("*")}
    return {
        str(path): (s.st_mode, 0 if path.is_dir() else s.st_size, path.is_dir() or s.st_mtime_ns)
        for path, s in found.items()
    }


@pytest.mark.usefixtures("foreign")
def test_foreign_files_are_not_touched(spool, tmp_path):
    """Neither taken over nor counted nor removed, and they leave us all the room."""
    places = fill(spool, 3)
    assert (older(spool), spool.trim()) == ([], [])
    assert seen(tmp_path) == {"held": 3}
    assert survey(tmp_path, URL, PROJECT).size < 1_000
    [spool.acknowledge(place) for place in places]
    spool.rest()


def test_a_newer_format_is_left_alone_and_counted(spool, tmp_path):
    """A segment of a later version waits for that version."""
    fill(spool, 1)
    newer = spool.directory / f"1-00000000{SUFFIX}"
    newer.write_bytes(b"honeytrace spool 2\n...")
    assert (older(spool), seen(tmp_path)) == ([], {"held": 1, "newer": 1})
    assert spool.newer == {newer}
    assert newer.read_bytes() == b"honeytrace spool 2\n..."


def test_a_damaged_segment_is_set_aside_and_the_rest_goes_on(make, tmp_path):
    """Its readable part is delivered; then the file is kept for someone to look at."""
    first = make(segment=200)
    fill(first, 10, size=60)
    first.release()
    damaged = next(path for path in segments(first) if b'"n":1}' in path.read_bytes())
    damaged.write_bytes(damaged.read_bytes()[:-5])
    second = make()
    found = []
    while some := second.older():
        found += numbers(some)
        [second.acknowledge(stored.place) for stored in some]
    assert sorted(found) == [1, 2, *range(4, 11)]
    assert names(second, SUFFIX, DAMAGED) == {damaged.with_suffix(DAMAGED).name}
    assert seen(tmp_path) == {"damaged": 1}


@pytest.mark.parametrize("content", [b"", b"honeytr", b"honeytrace spool 1\n", b"noise" * 99])
def test_a_segment_without_sessions_holds_nothing_up(content, make):
    """Empty, cut short in its first line, without a record, or nothing but noise."""
    first, second = make(), make()
    fill(first, 2)
    first.release()
    (first.directory / f"1-00000000{SUFFIX}").write_bytes(content)
    assert older(second) == [1, 2]
    assert len(segments(second)) == 1


def test_what_is_cut_short_under_a_program_is_said(spool):
    """The loss says how many are lost, and which was the last."""
    fill(spool, 5, read=False)
    os.truncate(segments(spool)[0], 60)
    stored, lost = spool.more()
    assert (numbers(stored), lost) == ([1], [])
    assert spool.more() == ([], [Loss(serial=5, number=4)])


def test_what_is_damaged_after_it_was_taken_over_is_passed_over(make):
    """A segment of another process that cannot be read is given up, and the next one is read."""
    first, second = make(), make()
    fill(first, 600)
    first.release()
    assert len(second.older()) == 500
    os.truncate(segments(first)[0], 20)
    fill(third := make(), 1)
    third.release()
    second.look()
    assert (older(second), second.adopted) == ([1], 501)


# ---- Disks that refuse


def test_a_file_in_place_of_the_directory_refuses(make, tmp_path):
    """Nothing is written, and `trouble` is a sentence that names the place."""
    spool = make(pause=60)
    spool.directory.write_text("a file")
    assert fill(spool, 1) == [None]
    assert spool.trouble == f"{spool.directory}: Not a directory"
    assert (spool.may_write, older(spool), spool.trim()) == (False, [], [])


def test_a_file_in_place_of_the_root_refuses(tmp_path):
    """The same one level higher, and rejecting does no harm."""
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file", URL, PROJECT)
    assert fill(spool, 1) == [None]
    assert not spool.reject(b"{}", "words")
    assert spool.trouble == f"{spool.directory}: File exists"
    assert list(surveys(tmp_path / "file")) == []


def test_a_disk_that_refused_is_tried_again_after_a_pause(make):
    """Not before, though it would serve; and then it is all right again."""
    spool = make(pause=0.2)
    spool.directory.write_text("a file")
    began = time.monotonic()
    fill(spool, 1)
    spool.directory.unlink()
    while spool.append(1, b"{}", read=True) is None:
        assert time.monotonic() - began < 10
    assert time.monotonic() - began > 0.1
    assert (spool.trouble, spool.may_write) == (None, True)


def test_a_full_disk_refuses_until_there_is_room(make):
    """Sessions from before the disk was full are kept, and later ones are taken again."""
    spool = make(pause=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        places = [*fill(spool, 1), *fill(spool, 1, start=2, size=3_000)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    trouble = spool.trouble
    places += fill(spool, 1, start=3, size=3_000)
    assert [place is not None for place in places] == [True, False, True]
    assert trouble == f"{spool.directory}: No space left on device"
    spool.release()
    assert older(make()) == [1, 3]


@pytest.fixture
def refusing():
    """Makes directories that this user, who is not root meanwhile, may not write or read."""
    before = os.geteuid()
    with TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        os.chown(directory, 65534 if before == 0 else -1, -1)
        if before == 0:
            os.seteuid(65534)
        yield Path(directory)
        os.seteuid(before)


@pytest.mark.parametrize("mode", [0o500, 0o000], ids=["read-only", "closed"])
def test_a_directory_without_permission_refuses(mode, refusing):
    """A directory without permission is left alone, and counts as no internal error."""
    spool = Spool(refusing, URL, PROJECT)
    spool.directory.mkdir(mode=mode)
    assert (fill(spool, 1), older(spool)) == ([None], [])
    assert spool.trouble == f"{spool.directory}: Permission denied"


# ---- Descriptors and directories that go away


def close_descriptors(directory):
    """Close descriptors as a program does that closes all of them."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(FileNotFoundError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith(str(directory)):
                os.close(fd)


def test_closed_descriptors_are_noticed(spool):
    """The next append, read and acknowledgement work as if nothing had happened."""
    [first] = fill(spool, 1)
    fill(spool, 2, start=2, read=False)
    close_descriptors(spool.directory)
    [fourth] = fill(spool, 1, start=4)
    close_descriptors(spool.directory)
    assert numbers(spool.more()[0]) == [2, 3]
    close_descriptors(spool.directory)
    assert (spool.acknowledge(first), spool.load(fourth)) == (True, b'{"n":4}')
    spool.release()
    assert len(segments(spool)) == 1


def test_a_segment_that_another_took_over_is_left_to_it(make, tmp_path):
    """We go on in a new one; what we have yet to read there is counted as lost, once."""
    spool = make()
    [first] = fill(spool, 1)
    fill(spool, 2, start=2, read=False)
    close_descriptors(spool.directory)
    with process(TAKER, tmp_path) as taker:
        taker.stdin.write("\n")
        taker.stdin.flush()
        assert [json.loads(taker.stdout.readline())["n"] for _ in range(3)] == [1, 2, 3]
        [path] = segments(spool)
        [place] = fill(spool, 1, start=4, read=False)
        assert (place.segment is first.segment, spool.unread) == (False, 3)
        assert (spool.load(first), spool.acknowledge(first)) == (None, True)
        stored, lost = spool.more()
        assert (numbers(stored), lost) == ([4], [Loss(serial=3, number=2)])
        spool.release()
        assert path.exists()


def test_a_deleted_directory_is_written_again(make, tmp_path):
    """With the next session; then all that was in it can be read, though this process is killed."""
    source = (
        HOLDER.replace('print("ready"', "import shutil\n    shutil.rmtree(spool.directory)\n    #")
        + """
    spool.append(50, b'{"n":50}', read=True)
    print("ready", flush=True)
    sys.stdin.read()
    """
    ).replace("sys.stdin.read()", "", 1)
    with process(source, tmp_path, 50, 200) as holder:
        assert survey(tmp_path, URL, PROJECT).held == 51
        assert [found.held for found in surveys(tmp_path)] == [51]
        holder.kill()
    assert sorted(older(make())) == list(range(51))


def test_all_segments_are_written_again(make):
    """Not only the one that is being written, and the route; nothing is missing."""
    spool = make(segment=1_000)
    fill(spool, 50, size=100)
    shutil.rmtree(spool.directory)
    fill(spool, 1, start=51)
    assert os.path.exists(spool.directory / ROUTE)
    spool.disown()
    assert sorted(older(make())) == list(range(1, 52))


def test_a_moved_directory_is_made_again(make):
    """Later sessions are written to the place where other processes look."""
    spool = make(look=0)
    fill(spool, 1)
    spool.directory.rename(spool.directory.with_name("moved"))
    fill(spool, 1, start=2)
    assert os.path.exists(spool.directory / ROUTE)


def test_a_steady_rate_looks_for_the_directory_now_and_then(make, monkeypatch):
    """Not for each session: that is a system call. The descriptor is checked each time."""
    spool = make(look=60)
    fill(spool, 1)
    (spool.directory / ROUTE).unlink()
    fill(spool, 5, start=2)
    assert not os.path.exists(spool.directory / ROUTE)


def other_kinds(path):
    """Make the path one thing after the other that is not a file."""
    for make in (os.mkfifo, lambda path: os.symlink("elsewhere", path), os.mkdir):
        make(path)
        yield path
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_pipe_or_a_link_in_place_of_a_file_is_left_alone(spool, tmp_path):
    """Opening a pipe would wait for ever, and what goes through a link ends up elsewhere."""
    fill(spool, 1)
    for path in other_kinds(spool.directory / REJECTED):
        assert (spool.reject(b"{}", "status 400"), path.name) == (False, REJECTED)
        assert survey(tmp_path, URL, PROJECT).rejected == 0
    assert spool.reject(b"{}", "status 400")


def test_a_pipe_or_a_link_in_place_of_the_route_is_replaced(make, tmp_path):
    """Other processes would not know whose sessions these are."""
    fill(make(), 1)
    route = make().directory / ROUTE
    for make_it in (os.mkfifo, lambda path: os.symlink("elsewhere", path)):
        route.unlink()
        make_it(route)
        assert list(surveys(tmp_path)) == []
        fill(make(), 1)
        assert [found.project for found in surveys(tmp_path)] == [PROJECT]


def test_a_pipe_in_place_of_acknowledgements_loses_nothing(make):
    """They cannot be written then, and a session is at worst sent once more."""
    spool = make()
    [place] = fill(spool, 1)
    os.mkfifo(place.segment.path.with_suffix(ACKS))
    assert spool.acknowledge(place)


def test_a_deleted_directory_leaves_nothing_to_remove(spool):
    """Sessions that were acknowledged meanwhile do not come back."""
    places = fill(spool, 2)
    shutil.rmtree(spool.directory)
    [spool.acknowledge(place) for place in places]
    spool.release()
    assert not list(spool.directory.glob("*" + SUFFIX))


# ---- What the server rejected


def test_rejected_sessions_are_set_aside_with_the_answer(spool):
    """One line of JSON for each."""
    spool.reject(b'{"session":{"id":1}}', 'status 400: "no"\nsuch field')
    spool.reject(b'{"session":{"id":2}}', "status 413")
    lines = (spool.directory / REJECTED).read_text().splitlines()
    assert list(map(json.loads, lines)) == [
        {"answer": 'status 400: "no"\nsuch field', "request": {"session": {"id": 1}}},
        {"answer": "status 413", "request": {"session": {"id": 2}}},
    ]


def test_rejected_sessions_are_bounded(make):
    """Two files of the size of a segment at most; one larger session is set aside all the same."""
    spool = make(segment=100)
    for number in range(10):
        spool.reject(b'{"n":%d}' % number, "status 400")
    spool.reject(b'{"n":10,"x":"%s"}' % (b"x" * 300), "status 400")
    [latest] = (spool.directory / REJECTED).read_text().splitlines()
    before = (spool.directory / "rejected.old.jsonl").read_text().splitlines()
    assert json.loads(latest)["request"]["n"] == 10
    assert [json.loads(line)["request"]["n"] for line in before] == [8, 9]


# ---- Looking from outside


def test_nothing_is_found_where_nothing_is(tmp_path):
    """Neither in a root that is not there nor in one with foreign directories."""
    (tmp_path / "other").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / ROUTE).write_text("no JSON")
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / ROUTE).write_text("[]")
    assert list(surveys(tmp_path / "none")) == list(surveys(tmp_path)) == []
    assert seen(tmp_path) == {}


def test_a_survey_counts_and_changes_nothing(make, tmp_path):
    """It counts what waits, is held by a running program, was rejected, or is damaged."""
    left, other, spool = make(), make(project="q"), make()
    places = fill(left, 5)
    left.acknowledge(places[0])
    left.release()
    fill(other, 1)
    fill(spool, 3)
    spool.reject(b"{}", "words")
    (spool.directory / f"1-00000000{DAMAGED}").write_bytes(b"?")
    (spool.directory / f"1-00000001{SUFFIX}").write_bytes(b"honeytrace spool 7\n")
    before = snapshot(tmp_path)
    found = {each.project: (each.waiting, each.held, each.rejected) for each in surveys(tmp_path)}
    assert found == {"p": (4, 3, 1), "q": (0, 1, 0)}
    assert seen(tmp_path) == {"waiting": 4, "held": 3, "rejected": 1, "damaged": 1, "newer": 1}
    assert snapshot(tmp_path) == before


def test_a_survey_of_what_is_being_removed_brings_nothing_back(make, tmp_path):
    """Whoever looks while a program works leaves no file of a segment that is done."""
    spool, stop = make(segment=1), threading.Event()

    def look(_):
        while not stop.is_set():
            survey(tmp_path, URL, PROJECT)

    def work(_):
        try:
            for number in range(300):
                spool.acknowledge(*fill(spool, 1, start=number))
        finally:
            stop.set()

    run(lambda act: act(None), [work, look, look])
    spool.rest()
    assert os.listdir(spool.directory) == [ROUTE]


def test_the_path_of_a_store_may_hold_any_bytes(make):
    """A home directory whose name is not UTF-8 is the "server" of a spool for the store."""
    spool = make(url=os.fsdecode(b"/home/na\xefve/sessions.db"))
    fill(spool, 1, read=False)
    assert numbers(spool.more()[0]) == [1]
