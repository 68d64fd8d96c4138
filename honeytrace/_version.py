"""The version, in one place: the build, the User-Agent and every session read it here."""

__version__ = "0.1.0"
