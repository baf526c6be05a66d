"""What a run found missing in its image, in words."""

from __future__ import annotations

from collections.abc import Iterable

from voxome.contracts.kinds import Rows


def gap_facts(sections: Rows) -> dict[str, str]:
    """Return the share of voxels without data and the missing sections; empty if the image is complete.

    A table without rows does not say whether it is.

    Parameters
    ----------
    sections : Rows
        Table ``sections`` of ``common.tissue``: ``z, voxels, missing, bridged``.

    Examples
    --------
    >>> import numpy as np
    >>> sections = {
    ...     "z": np.arange(6), "voxels": np.full(6, 10), "missing": np.array([0, 10, 10, 10, 0, 5]),
    ...     "bridged": np.array([0, 0, 0, 0, 10, 0]),
    ... }
    >>> gap_facts(sections)
    {'no data': '75.0 % of the voxels', 'missing sections': '1-3', 'bridged sections': '4'}
    """
    voxels, missing, bridged = (sections[name] for name in ("voxels", "missing", "bridged"))
    if not len(voxels):
        return {"missing sections": "unknown, as the table of sections has no rows"}
    if not (missing.any() or bridged.any()):
        return {}
    facts = {"no data": f"{100 * (missing + bridged).sum() / voxels.sum():.1f} % of the voxels"}
    for name, absent in (("missing sections", missing == voxels), ("bridged sections", bridged == voxels)):
        if absent.any():
            facts[name] = _ranges(sections["z"][absent].tolist())
    return facts


def _ranges(numbers: Iterable[int]) -> str:
    """Return sorted numbers as ``1-3, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
