"""The command `honeytrace`."""

from honeytrace.cli._main import main

__all__ = ["main"]
