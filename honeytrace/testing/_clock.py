"""A clock for tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


class FakeClock:
    """A clock that stands still until `advance` is called, for `capture_sessions(clock=…)`.

    `start` is a datetime (UTC if it has no time zone) or seconds since 1970.
    """

    def __init__(self, start: datetime | float = datetime(2024, 1, 1, tzinfo=timezone.utc)) -> None:
        if isinstance(start, datetime):
            start = (start if start.tzinfo else start.replace(tzinfo=timezone.utc)).timestamp()
        if not (_is_number(start) and _FIRST <= start < _END):
            raise _wrong(start)(
                f"a clock starts at a datetime or at seconds since 1970, not at {start!r}"
            )
        self._now = round(start * 1e6) * 1_000

    def __repr__(self) -> str:
        now = _EPOCH + timedelta(microseconds=self._now // 1_000)
        return f"<FakeClock {now.isoformat()}>"

    def advance(self, seconds: float) -> None:
        """Move the clock forward by so many seconds."""
        if not (_is_number(seconds) and 0 <= seconds < _END - self._now / 1e9):
            raise _wrong(seconds)(
                f"a clock moves forward by a number of seconds, not by {seconds!r}"
            )
        self._now += round(seconds * 1e9)

    def time_ns(self) -> int:
        return self._now

    perf_counter_ns = time_ns


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST, _END = -62_135_596_800, 253_402_300_800  # the years that a datetime has, in seconds


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(value: object) -> type[Exception]:
    return ValueError if _is_number(value) else TypeError
