"""Plug-ins by name: built-in ones and those that other packages add as entry points, loaded on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from voxome.errors import UnknownName

BUILT_IN: dict[str, dict[str, str]] = {
    "voxome.dialects": {
        "boss": "voxome.relay.dialects.boss.dialect:BossDialect",
        "raw": "voxome.relay.dialects.raw:RawDialect",
    },
    "voxome.engines": {
        "local": "voxome.engines.local:open_local",
        "sequential": "voxome.engines.sequential:SequentialEngine",
        "threads": "voxome.engines.threads:open_threads",
    },
    "voxome.records": {
        "sqlite": "voxome.records.sql:open_sqlite",
    },
    "voxome.remotes": {
        "memory": "voxome.remotes.memory:MemoryRemote",
        "zarr": "voxome.remotes.zarr.remote:ZarrRemote",
        "n5": "voxome.remotes.n5.remote:N5Remote",
        "precomputed": "voxome.remotes.precomputed.remote:PrecomputedRemote",
        "hdf5": "voxome.remotes.hdf5:Hdf5Remote",
        "images": "voxome.remotes.images:ImagesRemote",
        "cloudvolume": "voxome.remotes.cloudvolume:CloudVolumeRemote",
        "dicom": "voxome.remotes.dicom:DicomRemote",
        "graphene": "voxome.remotes.cloudvolume:CloudVolumeRemote",
        "wkw": "voxome.remotes.wkw:WkwRemote",
        "knossos": "voxome.remotes.knossos.remote:KnossosRemote",
        "npy": "voxome.remotes.npy:NpyRemote",
        "nifti": "voxome.remotes.nifti:NiftiRemote",
        "bossdb": "voxome.remotes.bossdb.remote:BossdbRemote",
        "dvid": "voxome.remotes.dvid.remote:DvidRemote",
        "dvids": "voxome.remotes.dvid.remote:DvidRemote",
    },
    "voxome.resolvers": {
        "dataset": "voxome.datasets.registry.resolve:resolve",
    },
    "voxome.services": {
        "mesh": "voxome.services.shapes:mesh",
        "meshes": "voxome.services.shapes:meshes",
        "skeleton": "voxome.services.shapes:skeleton",
        "skeletons": "voxome.services.shapes:skeletons",
        "transfer": "voxome.services.transfer.run:transfer",
    },
    "voxome.storage": {
        "http": "voxome.storage.network:HttpPath",
        "https": "voxome.storage.network:HttpPath",
        "s3": "voxome.storage.network:S3Path",
        "gs": "voxome.storage.network:GcsPath",
    },
    "voxome.tasks": {
        "probe": "voxome.testing.probe:probe",
        "step": "voxome.blocks.job:run_job",
        "transfer": "voxome.services.transfer.job:run_job",
    },
    "voxome.tools": {
        "common.downsample": "voxome.tools.common.downsample:downsample",
        "common.graph": "voxome.tools.common.graph:graph",
        "common.relabel": "voxome.tools.common.relabel:relabel",
        "common.statistics": "voxome.tools.common.statistics:statistics",
        "common.threshold": "voxome.tools.common.threshold:threshold",
        "common.touching": "voxome.tools.common.touching:touching",
        "common.union": "voxome.tools.common.union:union",
        "em.agglomerate": "voxome.tools.em.agglomerate:agglomerate",
        "em.associate": "voxome.tools.em.associate:associate",
        "em.densities": "voxome.tools.em.densities:densities",
        "em.edges": "voxome.tools.em.edges:edges",
        "em.fragments": "voxome.tools.em.fragments:fragments",
        "em.fragments_apply": "voxome.tools.em.fragments_apply:fragments_apply",
        "em.fragments_join": "voxome.tools.em.fragments_join:fragments_join",
        "em.network": "voxome.tools.em.network:network",
    },
}
"""Group → name → ``module:attribute``."""

_WHAT = {
    "voxome.dialects": "dialect",
    "voxome.engines": "engine",
    "voxome.records": "record store",
    "voxome.tasks": "task",
    "voxome.remotes": "scheme",
    "voxome.resolvers": "URI prefix",
    "voxome.services": "service",
    "voxome.storage": "storage scheme",
    "voxome.tools": "tool",
}


@cache
def targets(group: str) -> dict[str, str]:
    """Name → ``module:attribute`` of all that is known in `group`; nothing is imported."""
    found = dict(BUILT_IN.get(group, {}))
    found.update((entry.name, entry.value) for entry in entry_points(group=group))
    return found


@cache
def load(group: str, name: str) -> Any:
    """Import what is called `name` in `group`.

    Raises
    ------
    UnknownName
        If there is no such name; the message gives the nearest.
    """
    known = targets(group)
    if name not in known:
        raise UnknownName.of(_WHAT.get(group, group), name, known)
    module, _, attribute = known[name].partition(":")
    return getattr(import_module(module), attribute)
