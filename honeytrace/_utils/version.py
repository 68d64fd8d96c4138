"""The version. The build, the User-Agent and every session take it from here."""

from __future__ import annotations

__version__ = "0.1.0"
