"""The behaviours, by what they look at."""

from behaviours import (
    async_generators,
    calling,
    classes,
    coroutines,
    generators,
    looks,
    objects,
    programs,
    signatures,
    surroundings,
)

__all__ = [
    "async_generators",
    "calling",
    "classes",
    "coroutines",
    "generators",
    "looks",
    "objects",
    "programs",
    "signatures",
    "surroundings",
]
