"""Messages of tensorstore are put into plain English."""

from __future__ import annotations

import pytest

from voxome.errors import StoreError
from voxome.storage.tensorstore import map_errors

REFUSED = (
    "UNAVAILABLE: CURL error Could not connect to server: Failed to connect to host port 1 after 0 ms "
    "[curl_code='7'] [source locations='tensorstore/internal/http.cc:1']"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (REFUSED, "the connection failed: Failed to connect to host port 1 after 0 ms; check the address, the network"),
        (
            "UNAVAILABLE: CURL error Timeout was reached [curl_code='28']",
            "the connection failed: Timeout was reached; check",
        ),
    ],
)
def test_a_connection_that_failed_is_explained_without_curl(text: str, message: str) -> None:
    with pytest.raises(StoreError) as caught, map_errors("https://host/a"):
        raise ValueError(text)
    assert str(caught.value).startswith(f"https://host/a: {message}")
    assert "curl" not in str(caught.value).lower()
