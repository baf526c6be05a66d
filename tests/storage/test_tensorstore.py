"""Tests of waiting for operations of tensorstore."""

from __future__ import annotations

from typing import Any

import pytest
import tensorstore as ts

from voxome.storage import tensorstore
from voxome.storage.tensorstore import result_unforced


def test_an_operation_that_is_not_forced_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorstore, "_time_limit_s", lambda: 0.01)
    pair: tuple[Any, Any] = ts.Promise.new()
    promise, future = pair
    with pytest.raises(TimeoutError):
        result_unforced(future)
    promise.set_result(3)
    assert result_unforced(future) == 3
