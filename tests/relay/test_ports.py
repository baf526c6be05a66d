from __future__ import annotations

import pytest

from voxome.errors import InvalidInput, StoreError
from voxome.relay.serve import listening


def test_a_port_that_cannot_be_used_is_named_with_what_to_do() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=rf"^port {port} of 127\.0\.0\.1 is in use; choose another port"):
            listening("127.0.0.1", port)
    for number in (-1, 65_536):
        with pytest.raises(InvalidInput, match=f"^port {number} does not exist; choose one up to 65535"):
            listening("127.0.0.1", number)
    with pytest.raises(InvalidInput, match=r"^192\.0\.2\.1 is no address of this machine"):
        listening("192.0.2.1", 0)
    with pytest.raises(InvalidInput, match=r"^256\.1\.1\.1 is no address of this machine"):
        listening("256.1.1.1", 0)
