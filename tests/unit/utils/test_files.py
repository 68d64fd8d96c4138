"""Opening files of ours, and nothing else."""

from __future__ import annotations

import os
import socket

import pytest

from honeytrace._utils.files import above_stderr, open_file, read_file


def test_a_file_is_read(tmp_path):
    """A regular file, whole."""
    (tmp_path / "f").write_bytes(b"words")
    assert read_file(tmp_path / "f") == b"words"


@pytest.mark.parametrize("kind", ["link", "pipe", "directory", "socket"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR])
def test_anything_else_is_refused_at_once(tmp_path, monkeypatch, kind, flags):
    """A link may lead anywhere, and to open a pipe waits until somebody is at its other end."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path = tmp_path / "it"
    if kind == "link":
        (tmp_path / "target").touch()
        path.symlink_to("target")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("it")
    with pytest.raises(OSError, match="it"):
        open_file(path, flags)


def test_a_new_file_is_private(tmp_path):
    """Only this user may read it, whatever the umask."""
    os.close(open_file(tmp_path / "f", os.O_WRONLY | os.O_CREAT))
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_descriptor_of_a_standard_stream_is_not_used(program, tmp_path):
    """In a program without them, what is printed would be written into the file."""
    done = program(
        f"""
        import os, pathlib
        from honeytrace._utils.files import open_file
        kept = os.dup(1)
        os.close(0), os.close(1)
        fd = open_file(pathlib.Path({str(tmp_path / "f")!r}), os.O_RDWR | os.O_CREAT)
        os.write(kept, b"%d %d" % (fd > 2, os.get_inheritable(fd)))
        """
    )
    assert done.stdout == "1 0", done.stderr


def test_other_descriptors_stay_as_they_are(tmp_path):
    """Nothing is done to a number above 2."""
    with (tmp_path / "f").open("w") as file:
        assert above_stderr(file.fileno()) == file.fileno()
