"""The behaviours, by what they look at."""

from behaviours import (
    async_generators,
    calling,
    coroutines,
    generators,
    looks,
    objects,
    surroundings,
)

__all__ = [
    "async_generators",
    "calling",
    "coroutines",
    "generators",
    "looks",
    "objects",
    "surroundings",
]
