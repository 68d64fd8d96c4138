"""Run every form of call with many versions of the SDKs, each in an environment of its own.

    python tests/interop/model_matrix.py [directory for the environments]

It prints a table: for each environment and form, whether the call is recorded once and completely,
with the same objects for the program and the same bytes for the server. LiteLLM is tried with the
few forms that it has. This takes minutes and some hundred megabytes, so no test runs it.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import venv
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = ("certifi", "httpcore", "httpx", "wrapt")
ENVIRONMENTS = {
    "oldest": ("openai==1.50.0", "anthropic[bedrock]==0.40.0", "httpx<0.28"),
    "middle": ("openai<3", "anthropic[bedrock]<2"),
    "newest": ("openai", "anthropic[bedrock]"),
    "litellm": ("litellm",),
}


def make(directory: pathlib.Path, packages: tuple[str, ...]) -> pathlib.Path:
    """Make an environment unless it is there; return its interpreter."""
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages, *OURS], check=True)
    return python


def report(python: pathlib.Path, program: str) -> dict[str, str]:
    done = subprocess.run(
        [python, program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    failed = False
    for name, packages in ENVIRONMENTS.items():
        program = __file__ if name == "litellm" else str(HERE / "model_forms.py")
        found = report(make(where / name, packages), program)
        bad = {form: words for form, words in found.items() if words}
        print(f"{name} ({', '.join(packages)}): {len(found) - len(bad)} of {len(found)} recorded")
        for form, words in bad.items():
            print(f"    {form}: {words}")
        failed = failed or bool(bad)
    sys.exit(failed)


def litellm_forms() -> None:
    """Try LiteLLM's forms; called in its environment."""
    sys.path.insert(0, str(ROOT / "examples" / "model_calls"))
    import litellm  # type: ignore[import-not-found, unused-ignore]
    from model_server import ModelServer

    import honeytrace
    from honeytrace.testing import capture_sessions

    honeytrace.instrument()
    asked = [{"role": "user", "content": "good morning"}]
    found: dict[str, str] = {}

    async def stream(**call: Any) -> None:
        async for _ in await litellm.acompletion(**call, stream=True):
            pass

    with ModelServer() as server:
        call = {"model": "openai/gpt-4o", "messages": asked, "api_key": "k"}
        call["api_base"] = server.openai_url
        embed = {**call, "model": "openai/text-embedding-3-small", "input": ["a"]}
        del embed["messages"]
        claude = {**call, "model": "anthropic/claude-sonnet-4-5", "api_base": server.url}
        forms = {
            "completion": lambda: litellm.completion(**call),
            "completion, stream": lambda: list(litellm.completion(**call, stream=True)),
            "completion of anthropic": lambda: litellm.completion(**claude),
            "acompletion": lambda: asyncio.run(litellm.acompletion(**call)),
            "acompletion, stream": lambda: asyncio.run(stream(**call)),
            "embedding": lambda: litellm.embedding(**embed),
            "aembedding": lambda: asyncio.run(litellm.aembedding(**embed)),
        }
        for name, form in forms.items():
            with capture_sessions() as sessions:
                form()
            complete = len(sessions) == 1 and sessions[0].config["model"] and sessions[0].outputs
            found[f"litellm: {name}"] = "" if complete else f"{len(sessions)} sessions"
    print(json.dumps(found))


if __name__ == "__main__":
    if "litellm" in str(pathlib.Path(sys.prefix).name):
        litellm_forms()
    else:
        main()
