"""Trace code that is not yours: any function by its path, and the model calls of known SDKs."""

from honeytrace.integrations._instrument import instrument, uninstrument
from honeytrace.integrations._patch import Patch, patch

__all__ = ["Patch", "instrument", "patch", "uninstrument"]
