"""Graph of vessels."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.centre_lines import CENTRE_LINES
from voxome.tools.common.vessels.exports import vessel_graphml, vessel_swc
from voxome.tools.common.vessels.network import vessel_network
from voxome.tools.common.vessels.runs import RUNS
from voxome.tools.common.vessels.seams import SEAMS, require_agreement

_POSITION = {"z_nm": "float64", "y_nm": "float64", "x_nm": "float64"}
VESSELS = kinds.Table(
    {
        "id": "uint64",
        "source": "uint64",
        "target": "uint64",
        "length_nm": "float64",
        "radius_nm": "float64",
        "chord_nm": "float64",
    },
    key=("id",),
)
VESSEL_NODES = kinds.Table(
    {"id": "uint64", **_POSITION, "radius_nm": "float64", "degree": "int64", "on_face": "bool"}, key=("id",)
)
VESSEL_POINTS = kinds.Table(
    {"branch_id": "uint64", "index": "int64", **_POSITION, "radius_nm": "float64", "length_nm": "float64"},
    key=("branch_id", "index"),
)
_COUNTS = ("nodes", "ends", "ends_on_face", "junctions", "objects", "loops", "loops_in_junctions", "pruned_voxels",
           "voxels_along_faces")  # fmt: skip
VESSEL_COUNTS = kinds.Table({"branches": "int64", **dict.fromkeys(_COUNTS, "int64")}, key=("branches",))


@tool(
    "common.vessel_graph",
    scope="whole",
    outputs={
        "vessels": VESSELS,
        "nodes": VESSEL_NODES,
        "points": VESSEL_POINTS,
        "counts": VESSEL_COUNTS,
        "graph": kinds.File("graphml"),
        "trees": kinds.File("swc"),
    },
)
def vessel_graph(
    runs: Annotated[TableFile, RUNS],
    lines: Annotated[TableFile, CENTRE_LINES],
    seams: Annotated[TableFile, SEAMS],
    *,
    spur_ratio: Annotated[float, Ge(0)] = 2.0,
    along_faces: bool = False,
    frame: Frame,
) -> dict[str, Any]:
    """Make a graph of the centre lines of vessels: branches with length and radius, and nodes where they meet and end.

    Loops stay: a branch may lead from a node to itself, and several between the same nodes. Lines are smoothed and
    continued, in the direction of their last stretch, up to the surface of the vessel or the face of the volume. Memory
    is that of the runs and of the voxels of the lines.

    Parameters
    ----------
    runs : table
        Runs of ``common.vessel_clean``.
    lines, seams : table
        From ``common.centre_lines``; its blocks must agree where they meet.
    spur_ratio : float
        Minimum length of a branch that ends, from the middle of a junction to its tip, in radii of the vessel there;
        shorter ones are bumps of its surface and deleted, unless they leave the volume; 0 deletes none.
    along_faces : bool
        Whether lines that run along a face of the volume, as those of vessels whose middle is beyond it, are kept.

    Returns
    -------
    vessels : table
        For every branch its nodes, its length along the line and straight (``chord_nm``), and the radius of a circle
        of the mean area of its cross-sections; in a single section, however thick it is, half its mean width.
    nodes : table
        Position, radius of the largest ball inside, number of branches that begin or end there, and whether a vessel
        leaves the volume there.
    points : table
        The line of every branch, with the radius around each point and the length that it stands for.
    counts : table
        One row of counts. Loops within a single junction, as of one voxel, have no branch and are
        ``loops_in_junctions``.
    graph : file
        GraphML; beyond two million nodes and edges it is left out, which the file and a warning say.
    trees : file
        SWC, in micrometres; its comments list the branches at whose end a loop is cut.
    """
    require_agreement(seams.read())
    network = vessel_network(runs.read(), lines.read(), frame, spur_ratio, along_faces=along_faces)
    return {
        "vessels": network.branches,
        "nodes": network.nodes,
        "points": network.points,
        "counts": network.counts,
        "graph": vessel_graphml(network.branches, network.nodes),
        "trees": vessel_swc(network.branches, network.nodes, network.points),
    }
