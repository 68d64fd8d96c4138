"""Compute the cost of a model call from the user's prices, or from `genai-prices` if installed.

A cost that is not known stays unknown; nothing is estimated.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from honeytrace._utils.guard import try_call

_MILLION = 1_000_000
_DATE = re.compile(r"[-@](\d{4}-?\d{2}-?\d{2})$")
_PLATFORMS = {"vertex": "google", "bedrock": "aws"}
"""Names of providers that `genai-prices` calls otherwise."""


class Price(NamedTuple):
    """US dollars for a million tokens.

    Attributes:
        prompt: for tokens sent.
        cached: for sent tokens that were read from a cache.
        completion: for tokens of the answer.
    """

    prompt: float
    cached: float
    completion: float

    def of(self, usage: Mapping[str, Any]) -> float:
        cached = usage.get("cached_tokens", 0)
        dollars: float = (
            (usage["prompt_tokens"] - cached) * self.prompt
            + cached * self.cached
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


@functools.lru_cache(maxsize=1)
def _genai_prices() -> Callable[[str, Mapping[str, Any], str | None], float] | None:
    """Return a function that looks a price up; None without the package."""
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
        where = _PLATFORMS.get(provider or "", provider)
        return float(genai_prices.calc_price(counts, model, provider_id=where).total_price)

    return calculate
