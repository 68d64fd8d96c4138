"""The recipes for workers: Celery and RQ with a real worker process, billiard, and joblib.

HONEYTRACE_TEST_CELERY=1 HONEYTRACE_TEST_RQ=1 pytest tests/interop/test_workers.py
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.local import Store
from honeytrace.propagation import bind
from honeytrace.testing import capture_sessions

GUIDE = Path(__file__).parents[2] / "examples" / "services" / "README.md"


@trace_session
def step(number: int) -> str:
    return honeytrace.current_session().session_id


def stored(tmp_path):
    return Store(tmp_path / "home" / "sessions.db")


@pytest.mark.skipif("HONEYTRACE_TEST_CELERY" not in os.environ, reason="starts a real worker")
def test_celery(tmp_path, monkeypatch):
    """The recipe of the guide, with a broker in a directory and a worker of two processes."""
    pytest.importorskip("celery")
    recipe = re.search(r"```py\n(from celery import Celery.*?)```", GUIDE.read_text(), re.DOTALL)
    queue = tmp_path / "queue"
    names = ("data_folder_in", "data_folder_out", "control_folder")
    options = dict.fromkeys(names, str(queue))
    memory = 'Celery("tasks", broker="memory://", backend="cache+memory://")'
    files = f'Celery("tasks", broker="filesystem://", backend="file://{tmp_path}/results")'
    code = recipe[1].replace(memory, f"{files}\napp.conf.broker_transport_options = {options}")
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "tasks.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-l", "WARNING"],
        cwd=tmp_path,
        env={**os.environ, "C_FORCE_ROOT": "1"},
    )
    try:
        import tasks

        honeytrace.configure()
        with trace_session("root") as root:
            results = [tasks.count.delay("to be " * number) for number in range(1, 21)]
            assert [each.get(timeout=60) for each in results] == [2 * n for n in range(1, 21)]
        with trace_session("other"):
            tasks.count.delay("alone").get(timeout=60)
    finally:
        worker.terminate()
        worker.wait(60)
    assert honeytrace.flush(10)
    children = [stored(tmp_path).get(each) for each in stored(tmp_path).children(root.session_id)]
    assert len(children) == 20
    assert {each["session_name"] for each in children} == {"count"}
    assert {each["metadata"]["honeytrace"]["root_id"] for each in children} == {root.session_id}
    assert stored(tmp_path).count() == 23


JOBS = """
import honeytrace

@honeytrace.trace_session
def job(number):
    return number
"""
BILLIARD = """
import billiard, jobs
with billiard.Pool(2) as pool:
    assert pool.map(jobs.job, range(20)) == list(range(20))
"""


def run_jobs(tmp_path, *command):
    (tmp_path / "jobs.py").write_text(JOBS)
    subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, timeout=120)


def test_billiard(tmp_path):
    """Its pool is terminated when the block ends, so `atexit` does not run in its processes."""
    pytest.importorskip("billiard")
    run_jobs(tmp_path, "-c", BILLIARD)
    assert stored(tmp_path).count() == 20


@pytest.mark.skipif("HONEYTRACE_TEST_RQ" not in os.environ, reason="starts Redis and a worker")
@pytest.mark.skipif(not shutil.which("redis-server"), reason="there is no Redis server")
def test_rq(tmp_path):
    """Each job runs in a process of its own that ends by `os._exit`."""
    rq, redis = pytest.importorskip("rq"), pytest.importorskip("redis")
    socket = tmp_path / "redis"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", ""]
    server = subprocess.Popen(["redis-server", *options], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        next(line for line in server.stdout if b"ready to accept connections" in line.lower())
        queue = rq.Queue(connection=redis.Redis(unix_socket_path=str(socket)))
        for number in range(5):
            queue.enqueue("jobs.job", number)
        run_jobs(
            tmp_path, "-m", "rq.cli", "worker", "--burst", "--quiet", "--url", f"unix://{socket}"
        )
    finally:
        server.terminate()
        server.wait(60)
        if server.stdout:
            server.stdout.close()
    assert stored(tmp_path).count() == 5


SECTION = re.search(r"\n## Process pools\n(.*?)\n## ", GUIDE.read_text("utf-8"), re.DOTALL)[1]
POOLS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize("recipe", POOLS, ids=lambda recipe: recipe.split()[1])
def test_process_pools(recipe, tmp_path):
    """The recipes of the guide, as files: the calls in other processes are below the parent."""
    pytest.importorskip(recipe.split()[1])
    (tmp_path / "recipe.py").write_text(recipe, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "recipe.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    printed = re.search(r"print\(.*  # (.*)\n", recipe)[1]
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{printed}\n", "")
    [root] = stored(tmp_path).recent(5)
    below = [stored(tmp_path).get(each) for each in stored(tmp_path).children(root["session_id"])]
    assert root["session_name"] == "count all"
    assert sorted(each["inputs"]["text"] for each in below) == ["or not to be", "to be"]
    assert stored(tmp_path).count() == 3


def test_the_guide_has_a_recipe_for_each_kind_of_pool():
    assert len(POOLS) == 3


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(tmp_path, backend):
    joblib = pytest.importorskip("joblib")
    with capture_sessions() as sessions, trace_session("root") as root:
        call = joblib.delayed(bind(step))  # here: joblib takes the calls from other threads
        ids = set(joblib.Parallel(2, backend=backend)(call(number) for number in range(6)))
    assert len(ids) == 6
    if backend == "threading":
        assert ids == set(sessions.one("root").children_ids)
        return
    from joblib.externals.loky import get_reusable_executor

    with contextlib.suppress(Exception):
        get_reusable_executor().shutdown(wait=True)
    assert set(stored(tmp_path).children(root.session_id)) == ids
