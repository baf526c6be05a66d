"""Contacts between synapses and neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.geometry.grid import Halo
from voxome.tools.common.components import object_rows
from voxome.tools.em.synaptic.association import AssociationParams, association_halo
from voxome.tools.em.synaptic.association import associate as sum_contacts


def _sums(columns: tuple[str, ...], key: tuple[str, ...], largest: tuple[str, ...] = ()) -> kinds.Table:
    dtypes = dict.fromkeys(key, "uint64") | dict.fromkeys(columns, "int64")
    return kinds.Table(dtypes, key=key, fold={name: "max" if name in largest else "sum" for name in columns})


CONTACTS = _sums(("voxels", "dark"), ("synapse_id", "neuron_id"))
FACES = _sums(("z", "y", "x"), ("synapse_id", "a", "b"))
OBJECTS = _sums(("voxels", "z", "y", "x", "score", "peak"), ("id",), largest=("peak",))


def _halo(_: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> Halo:
    return association_halo(AssociationParams(), scale_nm)


@tool(
    "em.associate",
    halo=_halo,
    outputs={"contacts": CONTACTS, "faces": FACES, "objects": OBJECTS},
    memory=memory_of(287_000_000, 69),
)
def associate(
    synapses: Annotated[NDArray[np.uint64], kinds.Labels()],
    neurons: Annotated[NDArray[np.uint64], kinds.Labels()],
    score: Annotated[NDArray[np.uint8], kinds.Image("uint8")],
    *,
    block: BlockContext,
) -> dict[str, Rows]:
    """Measure the contacts of every synapse with the neurons around it.

    Parameters
    ----------
    synapses, neurons : (z, y, x) array of uint64
        Synapses and neurons; 0 is background.
    score : (z, y, x) array of uint8
        Score map from ``em.densities``.

    Returns
    -------
    contacts : table
        Voxels and summed score of each neuron at each synapse.
    faces : table
        Voxel faces between every two neurons at a synapse.
    objects : table
        Size, position and score of every synapse.
    """
    frame, inner = block.frame, block.write.within(block.read)
    contacts, faces = sum_contacts(
        synapses, neurons, score, write=block.write, read=block.read, voxel_size_nm=frame.scale_nm
    )
    objects = object_rows(
        np.ascontiguousarray(synapses[inner]), np.ascontiguousarray(score[inner]), block.write, frame.domain
    )
    return {"contacts": contacts, "faces": faces, "objects": objects}
