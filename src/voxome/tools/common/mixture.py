"""Mixture of Gaussians of the grey values of a volume."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.models.pixels.card import write_card
from voxome.models.pixels.mixture import fit_mixture
from voxome.resources.table import TableFile
from voxome.tools.common.statistics import HISTOGRAM

_NOT_FITTED = b"{}\n"


@tool("common.mixture", scope="whole", outputs=kinds.File("json"))
def mixture(
    histogram: Annotated[TableFile, HISTOGRAM],
    *,
    components: Annotated[int, Interval(ge=2, le=8)] = 2,
    classifier: str | None = None,
) -> bytes:
    """Fit a mixture of Gaussians to the grey values of a volume, as a classifier for ``common.pixels``.

    Parameters
    ----------
    histogram : table
        Histogram of all voxels with data, from ``common.statistics``; nothing is sampled, so nothing depends on chance.
    components : int
        Number of classes. They are sorted by their mean: the first is ``darkest``, the last ``brightest``.
    classifier : str
        Path of the card of another classifier, which a workflow takes instead: nothing is fitted then.

    Returns
    -------
    file
        Card of the classifier; without content if nothing is fitted.
    """
    if classifier is not None:
        return _NOT_FITTED
    rows = histogram.read()
    return write_card(fit_mixture(rows["value"], rows["voxels"], components))
