"""Connectome: neurons, synapses, and the graph that connects them."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Interval

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.geometry.units import min_voxels
from voxome.resources.table import TableFile
from voxome.tools.em.associate import CONTACTS, FACES, OBJECTS
from voxome.tools.em.edges import NODES
from voxome.tools.em.synaptic.graphml import graphml
from voxome.tools.em.synaptic.partners import PartnerParams, connectome, partners
from voxome.tools.em.synaptic.tables import MIN_PEAK, neuron_table, select_objects, synapse_table

_POSITION = {"z_nm": "float64", "y_nm": "float64", "x_nm": "float64"}
_PARTNERS = {"pre_id": "uint64", "post_id": "uint64", "directed": "bool"}
SYNAPSES = kinds.Table(
    {"id": "uint64", **_POSITION, **_PARTNERS, "score": "float64", "size_voxels": "int64"}, key=("id",)
)
CONNECTOME = kinds.Table(
    {**_PARTNERS, "synapses": "int64", "area_um2": "float64"}, key=("pre_id", "post_id", "directed")
)
NEURONS = kinds.Table({"id": "uint64", **_POSITION, "voxels": "int64"}, key=("id",))


@tool(
    "common.graph",
    scope="whole",
    outputs={
        "synapses": SYNAPSES,
        "connectome": CONNECTOME,
        "neurons": NEURONS,
        "graph": kinds.File("graphml"),
    },
)
def graph(
    contacts: Annotated[TableFile, CONTACTS],
    faces: Annotated[TableFile, FACES],
    objects: Annotated[TableFile, OBJECTS],
    neurons: Annotated[TableFile, NODES],
    *,
    min_synapse_volume_um3: Annotated[float, Ge(0)] = 0.0001,
    min_synapse_peak: Annotated[int, Interval(ge=0, le=255)] = MIN_PEAK,
    min_area_um2: Annotated[float, Ge(0)] = 0.002,
    min_asymmetry: Annotated[float, Interval(ge=0, le=1)] = 0.1,
    frame: Frame,
) -> dict[str, Any]:
    """Find the partners of every synapse and build the connectome.

    Parameters
    ----------
    contacts, faces, objects : tables
        Tables from ``em.associate``.
    neurons : table
        Size and position of every neuron.
    min_synapse_volume_um3 : float
        Minimum volume of a synapse, in cubic micrometres.
    min_synapse_peak : int
        Minimum peak score of a synapse.
    min_area_um2 : float
        Minimum contact area of two partners, in square micrometres.
    min_asymmetry : float
        Minimum asymmetry of the evidence, from 0 to 1; synapses below it are undirected.

    Returns
    -------
    synapses, connectome, neurons : tables
    graph : file
        GraphML; beyond two million nodes and edges it is left out, which the file and a warning say.
    """
    limits = PartnerParams(min_area_um2, min_asymmetry)
    synapses = select_objects(objects.read(), min_voxels(min_synapse_volume_um3, frame.scale_nm), min_synapse_peak)
    near, between = (_select(table.read(), synapses["id"]) for table in (contacts, faces))
    pairs = partners(near, between, voxel_size_nm=frame.scale_nm, params=limits)
    geometry: dict[str, Any] = {
        "domain": frame.domain,
        "voxel_size_nm": frame.voxel_size_nm,
        "offset_nm": frame.offset_nm,
    }
    cells, edges = neuron_table(neurons.read(), **geometry), connectome(pairs)
    if frame.voxel_size_nm is None:
        edges["area_um2"] = np.full(len(edges["area_um2"]), np.nan)
    return {
        "synapses": synapse_table(synapses, pairs, **geometry),
        "connectome": edges,
        "neurons": cells,
        "graph": graphml(edges, cells),
    }


def _select(rows: Rows, ids: Any) -> Rows:
    keep = np.isin(rows["synapse_id"], ids)
    return {name: values[keep] for name, values in rows.items()}
