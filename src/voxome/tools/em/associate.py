"""Which neurons every synapse touches, and on whose side its dark matter lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.geometry.grid import Halo
from voxome.tools.common.components import object_rows
from voxome.tools.em.synaptic.association import AssociationParams, association_halo
from voxome.tools.em.synaptic.association import associate as gather


def _sums(columns: tuple[str, ...], key: tuple[str, ...], largest: tuple[str, ...] = ()) -> kinds.Table:
    dtypes = dict.fromkeys(key, "uint64") | dict.fromkeys(columns, "int64")
    return kinds.Table(dtypes, key=key, fold={name: "max" if name in largest else "sum" for name in columns})


CONTACTS = _sums(("voxels", "dark"), ("synapse_id", "neuron_id"))
FACES = _sums(("z", "y", "x"), ("synapse_id", "a", "b"))
OBJECTS = _sums(("voxels", "z", "y", "x", "score", "peak"), ("id",), largest=("peak",))


def _halo(_: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> Halo:
    return association_halo(AssociationParams(), scale_nm)


@tool("em.associate", halo=_halo, outputs={"contacts": CONTACTS, "faces": FACES, "objects": OBJECTS})
def associate(
    synapses: Annotated[NDArray[np.uint64], kinds.Labels()],
    neurons: Annotated[NDArray[np.uint64], kinds.Labels()],
    score: Annotated[NDArray[np.uint8], kinds.Image("uint8")],
    *,
    block: BlockContext,
) -> dict[str, Rows]:
    """Add up, for every synapse, what it shares with each neuron near it.

    Parameters
    ----------
    synapses, neurons : (z, y, x) array of uint64
        Objects and segmentation; 0 is background.
    score : (z, y, x) array of uint8
        What ``em.densities`` gave.

    Returns
    -------
    contacts : table
        Voxels and evidence of each neuron at each synapse.
    faces : table
        Voxel faces between two neurons at a synapse.
    objects : table
        Size, place and score of every synapse.
    """
    frame, own = block.frame, block.write.within(block.read)
    contacts, faces = gather(synapses, neurons, score, write=block.write, read=block.read, voxel_size_nm=frame.scale_nm)
    objects = object_rows(
        np.ascontiguousarray(synapses[own]), np.ascontiguousarray(score[own]), block.write, frame.domain
    )
    return {"contacts": contacts, "faces": faces, "objects": objects}
