"""How sources are cached."""

from __future__ import annotations

import math

import pytest

from voxome.errors import InvalidInput
from voxome.relay.caching import Caching


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_a_read_or_check_has_some_time(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="ttl_s"):
        Caching(ttl_s=seconds)
    with pytest.raises(InvalidInput, match="timeout_s"):
        Caching(timeout_s=seconds)


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan])
def test_nothing_stale_is_served_for_ever(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="stale_s"):
        Caching(stale_s=seconds)
