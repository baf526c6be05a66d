"""Provenance of segments: the edits of a version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.resources.provenance import own_version
from voxome.services.proofreading.operations import Operation


def describe_edits(
    operations: Sequence[Operation], branch: str, version: int, labels: InputRecord, start_s: float
) -> Provenance:
    """Return the provenance of the segments of a version.

    Parameters
    ----------
    operations : sequence of Operation
        The operations of its branch, undone ones and those that undid them too.
    branch : str
        The branch.
    version : int
        Number of the version.
    labels : InputRecord
        The supervoxels.
    start_s : float
        When the store was made (seconds since 1970), the time of a version without operations.
    """
    time_s = operations[-1].time_s if operations else start_s
    return Provenance(
        service="proofread",
        way=LOCAL,
        tool="voxome.proofread",
        version=own_version(),
        parameters={
            "branch": branch,
            "version": version,
            "operations": dict(sorted(Counter(one.action for one in operations).items())),
            "authors": sorted({one.author for one in operations}),
        },
        inputs=(labels,),
        time=datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds"),
    )
