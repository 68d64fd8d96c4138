"""A burst of traced calls, and what their delivery took; prints one JSON object.

python burst.py URL CALLS
"""

from __future__ import annotations

import json
import resource
import sys
import time

import honeytrace

url, calls = sys.argv[1], int(sys.argv[2])
honeytrace.configure(server_url=url, api_key="key")


@honeytrace.trace_session
def answer(question: str, k: int = 3) -> dict[str, object]:
    return {"role": "assistant", "content": question * k}


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB


for _ in range(50):
    answer("warm-up")
assert honeytrace.flush(30)

before, cpu, began = memory(), time.process_time(), time.perf_counter()
for _ in range(calls):
    answer("what does yield do?")
called = time.perf_counter()
assert honeytrace.flush(120)
print(
    json.dumps(
        {
            "delivered": honeytrace.stats().delivered - 50,
            "called_s": called - began,
            "seconds": time.perf_counter() - began,
            "cpu_us": (time.process_time() - cpu) / calls * 1e6,
            "memory_mib": memory() - before,
        }
    )
)
