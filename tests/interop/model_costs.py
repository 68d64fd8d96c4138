"""What a peer adds to the CPU time of the thread that calls a model; `model_peers.py` runs this.

Three copies of the SDKs are imported, of which the peer finds the last. Their clients talk to a
transport in memory and take turns in every order, so one process, one minute and one server of the
peer see all three. The figures are medians of single calls. The difference between the two copies
that the peer does not know is the noise.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from itertools import product
from statistics import median
from typing import Any

from peer_setups import PEERS

SECONDS = 4.0
PAUSE_S = 0.002  # between two calls, for the threads of the peer
WARM_UP = 12
COPIED = ("openai", "anthropic", "model_calls")


class Copy:
    """The SDKs, imported anew, and `model_calls` with them."""

    in_use: Copy | None = None

    def __init__(self) -> None:
        self.modules: dict[str, Any] = {}
        self.use()
        self.calls: Any = importlib.import_module("model_calls")

    def use(self) -> None:
        """Let imports find this copy: the SDKs import some modules only when they are called."""
        loaded = [name for name in list(sys.modules) if name.partition(".")[0] in COPIED]
        modules = {name: sys.modules.pop(name) for name in loaded}
        if Copy.in_use:
            Copy.in_use.modules = modules
        Copy.in_use = self
        sys.modules.update(self.modules)


async def measure(copies: list[Copy], calls: list[Any], asynchronous: bool) -> list[list[int]]:
    """Return the nanoseconds of CPU time of each call."""
    found: list[list[int]] = [[] for _ in calls]
    end, turn, turns = time.monotonic() + SECONDS, 0, copies[0].calls.TURNS
    while time.monotonic() < end or turn < 2 * WARM_UP:
        for at in turns[turn % len(turns)]:
            copies[at].use()
            time.sleep(PAUSE_S)  # noqa: ASYNC251 - nothing else runs in the loop
            began = time.thread_time_ns()
            if asynchronous:
                await calls[at]()
            else:
                calls[at]()
            if turn >= WARM_UP:
                found[at].append(time.thread_time_ns() - began)
        turn += 1
    return found


def report(name: str) -> dict[str, tuple[float, float, float] | None]:
    """Return of each form its time, what the peer adds and the noise, in microseconds.

    None stands for a form that raises.
    """
    copies = [Copy() for _ in range(3)]
    wraps = [lambda client: client, lambda client: client, PEERS[name].setup(None).wrap]
    found: dict[str, tuple[float, float, float] | None] = {}
    for sdk, asynchronous, streams in product(COPIED[:2], (False, True), (False, True)):
        calls = []
        for each, wrap in zip(copies, wraps, strict=True):
            each.use()
            client = wrap(each.calls.client(sdk, asynchronous, {}))
            calls.append(each.calls.call(client, sdk, asynchronous, streams))
        form = f"{sdk}{', async' * asynchronous}{', stream' * streams}"
        try:
            spent = asyncio.run(measure(copies, calls, asynchronous))
        except Exception:  # of the peer: the plain calls have none
            found[form] = None
            continue
        one, other, recorded = (median(each) / 1e3 for each in spent)
        plain = (one + other) / 2
        found[form] = (plain, recorded - plain, other - one)
    return found


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[2])))
