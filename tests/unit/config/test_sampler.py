"""The sampler draws how many roots to drop."""

from __future__ import annotations

import pytest

from honeytrace._config.sampler import ALL_SAMPLED, Sampler, threshold


def sampled(rate: float, roots: int) -> int:
    """Return how many of these roots are sampled; each of them gets an id below the threshold."""
    limit = threshold(rate)
    assert limit is not None
    sampler, count = Sampler(limit), 0
    for _ in range(roots):
        if not next(sampler.dropped, False):
            drawn = sampler.sampled_id()
            assert len(drawn) == 16
            assert drawn < limit
            count += 1
    return count


@pytest.mark.parametrize(("rate", "low", "high"), [(0.01, 120, 290), (0.5, 9_600, 10_400)])
def test_the_rate_is_kept(rate, low, high):
    assert low < sampled(rate, 20_000) < high


@pytest.mark.parametrize("rate", [0.0, 1e-12])
def test_a_rate_of_zero_samples_nothing(rate):
    assert sampled(rate, 1_000) == 0


def test_a_rate_just_below_one():
    assert sampled(1 - 1e-9, 1_000) > 990


def test_a_rate_of_one_drops_nothing():
    assert threshold(1.0) is None
    assert ALL_SAMPLED.samples_all
    assert not next(ALL_SAMPLED.dropped, False)
