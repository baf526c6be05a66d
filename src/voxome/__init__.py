"""voxome: from voxels to connectomes.

Nothing is imported before it is used, so that a command can be interrupted from its first moment.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from voxome import plot
    from voxome.config.settings import configure
    from voxome.contracts.shapes import Annotations, Mesh, Skeleton
    from voxome.contracts.spec import VolumeSpec
    from voxome.data.phantoms import phantom
    from voxome.data.registry.read import datasets
    from voxome.errors import VoxomeError
    from voxome.geometry import BlockGrid, Box
    from voxome.relay.local_view import view
    from voxome.reports import score
    from voxome.resources.columns import Table
    from voxome.resources.connect import connect
    from voxome.resources.create import create
    from voxome.resources.listing import ls
    from voxome.resources.open import open
    from voxome.resources.shapes import Meshes, Points, Skeletons
    from voxome.resources.volume import Volume
    from voxome.services.annotations.create import create_annotations
    from voxome.services.annotations.relate import relate_annotations
    from voxome.services.array import array
    from voxome.services.convert import convert
    from voxome.services.delete import rm
    from voxome.services.describe import info
    from voxome.services.downsample.run import downsample
    from voxome.services.explain import explain
    from voxome.services.ids import bounding_box, ids
    from voxome.services.mesh import mesh, meshes
    from voxome.services.neuroglancer import neuroglancer_layer
    from voxome.services.proofreading.verb import proofread
    from voxome.services.provenance import provenance
    from voxome.services.reconstruction.run import reconstruct
    from voxome.services.regions import contacts, regions
    from voxome.services.shape_files import load, save
    from voxome.services.skeleton import skeleton, skeletons
    from voxome.services.synapses import synapses
    from voxome.services.transfer.run import transfer
    from voxome.services.verbs import get, put
    from voxome.viewer.layers import open_link
    from voxome.workflow.images import build_images
    from voxome.workflow.shapes import write_meshes, write_skeletons
    from voxome.workflow.verbs import plan, run, tool

__all__ = [
    "Annotations",
    "BlockGrid",
    "Box",
    "Mesh",
    "Meshes",
    "Points",
    "Skeleton",
    "Skeletons",
    "Table",
    "Volume",
    "VolumeSpec",
    "VoxomeError",
    "array",
    "bounding_box",
    "build_images",
    "configure",
    "connect",
    "contacts",
    "convert",
    "create",
    "create_annotations",
    "datasets",
    "downsample",
    "explain",
    "get",
    "ids",
    "info",
    "load",
    "ls",
    "mesh",
    "meshes",
    "neuroglancer_layer",
    "open",
    "open_link",
    "phantom",
    "plan",
    "plot",
    "proofread",
    "provenance",
    "put",
    "reconstruct",
    "regions",
    "relate_annotations",
    "rm",
    "run",
    "save",
    "score",
    "skeleton",
    "skeletons",
    "synapses",
    "tool",
    "transfer",
    "view",
    "write_meshes",
    "write_skeletons",
]

_LAZY = {
    "Annotations": "voxome.contracts.shapes",
    "BlockGrid": "voxome.geometry",
    "Box": "voxome.geometry",
    "Mesh": "voxome.contracts.shapes",
    "Meshes": "voxome.resources.shapes",
    "Points": "voxome.resources.shapes",
    "Skeleton": "voxome.contracts.shapes",
    "Skeletons": "voxome.resources.shapes",
    "Volume": "voxome.resources.volume",
    "Table": "voxome.resources.columns",
    "VolumeSpec": "voxome.contracts.spec",
    "VoxomeError": "voxome.errors",
    "array": "voxome.services.array",
    "bounding_box": "voxome.services.ids",
    "build_images": "voxome.workflow.images",
    "configure": "voxome.config.settings",
    "connect": "voxome.resources.connect",
    "contacts": "voxome.services.regions",
    "convert": "voxome.services.convert",
    "create": "voxome.resources.create",
    "create_annotations": "voxome.services.annotations.create",
    "datasets": "voxome.data.registry.read",
    "downsample": "voxome.services.downsample.run",
    "explain": "voxome.services.explain",
    "get": "voxome.services.verbs",
    "ids": "voxome.services.ids",
    "info": "voxome.services.describe",
    "load": "voxome.services.shape_files",
    "ls": "voxome.resources.listing",
    "mesh": "voxome.services.mesh",
    "meshes": "voxome.services.mesh",
    "neuroglancer_layer": "voxome.services.neuroglancer",
    "open": "voxome.resources.open",
    "open_link": "voxome.viewer.layers",
    "phantom": "voxome.data.phantoms",
    "plan": "voxome.workflow.verbs",
    "proofread": "voxome.services.proofreading.verb",
    "provenance": "voxome.services.provenance",
    "put": "voxome.services.verbs",
    "reconstruct": "voxome.services.reconstruction.run",
    "regions": "voxome.services.regions",
    "relate_annotations": "voxome.services.annotations.relate",
    "rm": "voxome.services.delete",
    "run": "voxome.workflow.verbs",
    "save": "voxome.services.shape_files",
    "skeleton": "voxome.services.skeleton",
    "skeletons": "voxome.services.skeleton",
    "synapses": "voxome.services.synapses",
    "tool": "voxome.workflow.verbs",
    "transfer": "voxome.services.transfer.run",
    "view": "voxome.relay.local_view",
    "write_meshes": "voxome.workflow.shapes",
    "write_skeletons": "voxome.workflow.shapes",
}

_MODULES = {"plot": "voxome.plot", "score": "voxome.reports.score"}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("voxome")
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _LAZY:
        raise AttributeError(f"module 'voxome' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
