"""New ids, which no volume, mapping or history contains, on any branch."""

from __future__ import annotations

import sqlalchemy as sa

from voxome.errors import InvalidInput
from voxome.services.proofreading.tables import STORE

LARGEST = (1 << 64) - 1


def take_ids(connection: sa.Connection, count: int) -> list[int]:
    """Return new ids; they stay unused if the transaction is rolled back.

    Raises
    ------
    InvalidInput
        If there are no larger ids.
    """
    last: int = connection.execute(sa.select(STORE.c.last_id)).scalar_one()
    if last + count > LARGEST:
        raise InvalidInput(
            f"{count} new ids are needed, but {last} is in use, and 2**64 - 1 is the largest; renumber the supervoxels"
        )
    connection.execute(STORE.update().values(last_id=last + count))
    return list(range(last + 1, last + count + 1))
