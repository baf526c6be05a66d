"""Messages of tensorstore are put into plain English."""

from __future__ import annotations

import pytest

from voxome.errors import CorruptData, StoreError
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


def test_a_wrong_member_of_the_metadata_is_named_by_its_path() -> None:
    text = (
        'INVALID_ARGUMENT: Error parsing object member "metadata": Error parsing object member "codecs": '
        "Error parsing value at position 2: Expected object"
    )
    with (
        pytest.raises(CorruptData, match=r"^/a: its metadata have an invalid codecs\[2\]: Expected object$"),
        map_errors("/a"),
    ):
        raise ValueError(text)


def test_a_profile_without_credentials_is_explained() -> None:
    text = "INTERNAL: Failed to create credentials provideraws-c-common: AWS_ERROR_FILE_INVALID_PATH"
    with (
        pytest.raises(StoreError, match=r"credentials cannot be read; a profile .* in ~/\.aws/") as caught,
        map_errors("s3://b/a"),
    ):
        raise ValueError(text)
    assert "AWS_ERROR" not in str(caught.value)
