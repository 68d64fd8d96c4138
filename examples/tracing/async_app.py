"""Several coroutines at once inside one session; one of them fails, and the others go on."""

import asyncio

import honeytrace
from honeytrace import trace_session
from honeytrace.cli import main as honeytrace_command

SHELVES = {"fiction": ["Emma", "Ulysses"], "science": ["Cosmos"]}


@trace_session(config_args=("delay",))
async def search(shelf: str, delay: float) -> list[str]:
    await asyncio.sleep(delay)
    return SHELVES[shelf]


@trace_session
async def merge(lists: list[list[str]]) -> list[str]:
    return sorted(title for titles in lists for title in titles)


async def main() -> None:
    async with trace_session("Library", metadata={"branch": "Main Street"}) as session:
        answers = await asyncio.gather(
            search("fiction", delay=0.03),
            search("poetry", delay=0.01),  # there is no such shelf
            search("science", delay=0.02),
            return_exceptions=True,
        )
        found = [answer for answer in answers if not isinstance(answer, BaseException)]
        session.outputs = {"titles": await merge(found)}
        session.metrics["failed"] = len(answers) - len(found)
    print(session.outputs["titles"])
    honeytrace.flush()
    honeytrace_command(["show", session.session_id])


asyncio.run(main())
