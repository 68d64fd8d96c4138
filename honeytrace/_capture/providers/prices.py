"""Compute the cost of a model call from the user's prices, or from `genai-prices` if installed.

A cost that is not known stays unknown; nothing is estimated.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from honeytrace._utils.guard import try_call

_MILLION = 1_000_000
_HOLD_SECONDS = 5.0  # how long a fork waits for the import of `genai-prices`
_DATE = re.compile(r"[-@](\d{4}-?\d{2}-?\d{2})$")
_PROVIDERS = {
    "azure_ai": "azure",
    "bedrock": "aws",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "together_ai": "together",
    "vertex": "google",
    "vertex_ai": "google",
    "xai": "x-ai",
}
"""Names of providers, ours and LiteLLM's, that `genai-prices` calls otherwise."""


class Price(NamedTuple):
    """US dollars for a million tokens.

    Attributes:
        prompt: for tokens sent.
        cached: for sent tokens that were read from a cache; None if it is not known.
        completion: for tokens of the answer.
        written: for sent tokens that were written to a cache; None if they cost as much as others.
    """

    prompt: float
    cached: float | None
    completion: float
    written: float | None = None

    def of(self, usage: Mapping[str, Any]) -> float | None:
        """Return the US dollars for these tokens; None if a price that they need is not known."""
        cached, written = usage.get("cached_tokens", 0), usage.get("cache_write_tokens", 0)
        rest = usage["prompt_tokens"] - cached - written
        if rest < 0 or (cached and self.cached is None):
            return None
        dollars: float = (
            rest * self.prompt
            + cached * (self.cached or 0.0)
            + written * (self.prompt if self.written is None else self.written)
            + usage.get("completion_tokens", 0) * self.completion
        )
        return dollars / _MILLION


Prices = Mapping[str, Price]


def cost(
    models: Iterable[str], usage: Mapping[str, Any], prices: Prices, provider: str | None
) -> float | None:
    """Return the US dollars for these tokens; None if the price or a count is not known.

    `models` are names of the model; the first one with a price counts.
    """
    if type(usage.get("prompt_tokens")) is not int:
        return None
    names = [name for model in models for name in _spellings(model)]
    found = next((prices[name] for name in names if name in prices), None)
    if found is not None:
        return found.of(usage)
    calculate = _genai_prices()
    for name in names if calculate is not None else ():
        dollars = try_call(calculate, name, usage, provider)[0]  # type: ignore[arg-type]
        if dollars is not None:
            return dollars
    return None


def _spellings(model: str) -> list[str]:
    """Return the name of a model as given, and without its leading provider and trailing date."""
    bare = model.rpartition("/")[2]
    return list(dict.fromkeys([model, bare, _DATE.sub("", bare)]))


class _ForkHold:
    """Makes forks wait while a thread imports a package.

    A forked child could not finish an import that another thread of its parent had begun. The wait
    is limited, since that thread may wait for an import of the thread that forks.
    """

    def __init__(self) -> None:
        self.importing = threading.RLock()
        self._held = False
        if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
            os.register_at_fork(
                before=self._hold, after_in_parent=self._let_go, after_in_child=self._let_go
            )

    def _hold(self) -> None:
        self._held = self.importing.acquire(timeout=_HOLD_SECONDS)

    def _let_go(self) -> None:
        if self._held:
            self.importing.release()


_forks = _ForkHold()


@functools.lru_cache(maxsize=1)
def _genai_prices() -> Callable[[str, Mapping[str, Any], str | None], float] | None:
    """Return a function that looks a price up; None without the package."""
    with _forks.importing:
        return _import_genai_prices()


def _import_genai_prices() -> Callable[[str, Mapping[str, Any], str | None], float] | None:
    try:
        import genai_prices  # type: ignore[import-not-found, unused-ignore] # an extra
    except ImportError:
        return None

    def calculate(model: str, usage: Mapping[str, Any], provider: str | None) -> float:
        counts = genai_prices.Usage(
            input_tokens=usage["prompt_tokens"],
            cache_read_tokens=usage.get("cached_tokens"),
            cache_write_tokens=usage.get("cache_write_tokens"),
            output_tokens=usage.get("completion_tokens", 0),
        )
        where = _PROVIDERS.get(provider or "", provider)
        return float(genai_prices.calc_price(counts, model, provider_id=where).total_price)

    # Its table is imported with the first price. No fork may come between, either.
    try_call(calculate, "", {"prompt_tokens": 0}, None)
    return calculate
