"""Plug-ins by name: built-in ones and those that other packages add as entry points, loaded on first use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any
from urllib.parse import parse_qsl

from voxome.errors import InvalidInput, MissingExtra, PluginError, UnknownName, VoxomeError

TOOLS = "voxome.tools"
"""Group of the tools."""

_log = logging.getLogger(__name__)

BUILT_IN: dict[str, dict[str, str]] = {
    "voxome.dialects": {
        "api": "voxome.relay.dialects.api.dialect:ApiDialect",
        "boss": "voxome.relay.dialects.boss.dialect:BossDialect",
        "precomputed": "voxome.relay.dialects.precomputed.dialect:PrecomputedDialect",
        "raw": "voxome.relay.dialects.raw:RawDialect",
        "s3": "voxome.relay.dialects.s3.dialect:S3Dialect",
        "view": "voxome.relay.dialects.view.dialect:ViewDialect",
        "zarr": "voxome.relay.dialects.zarr.dialect:Zarr2Dialect",
        "zarr3": "voxome.relay.dialects.zarr.dialect:Zarr3Dialect",
    },
    "voxome.engines": {
        "awsbatch": "voxome.engines.awsbatch:open_awsbatch",
        "dask": "voxome.engines.dask:open_dask",
        "local": "voxome.engines.local:open_local",
        "sequential": "voxome.engines.sequential:SequentialEngine",
        "slurm": "voxome.engines.slurm:open_slurm",
        "threads": "voxome.engines.threads:open_threads",
    },
    "voxome.environments": {
        "apptainer": "voxome.environments.apptainer:ApptainerEnvironment",
        "docker": "voxome.environments.docker:DockerEnvironment",
        "native": "voxome.environments.native:NativeEnvironment",
        "podman": "voxome.environments.podman:PodmanEnvironment",
    },
    "voxome.records": {
        "sqlite": "voxome.records.sqlite:open_sqlite",
    },
    "voxome.remotes": {
        "annotationfiles": "voxome.remotes.annotation_files.remote:AnnotationFilesRemote",
        "memory": "voxome.remotes.memory:MemoryRemote",
        "zarr": "voxome.remotes.zarr.remote:ZarrRemote",
        "meshfiles": "voxome.remotes.meshfiles:MeshFilesRemote",
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
        "proofread": "voxome.services.proofreading.remote:ProofreadRemote",
        "swc": "voxome.remotes.swc:SwcRemote",
        "bossdb": "voxome.remotes.bossdb.remote:BossdbRemote",
        "dvid": "voxome.remotes.dvid.remote:DvidRemote",
        "dvids": "voxome.remotes.dvid.remote:DvidRemote",
    },
    "voxome.reports": {
        "common.cells_vessels": "voxome.reports.cells_vessels:CellsVesselsReport",
        "em.connectome": "voxome.reports.em_connectome:ConnectomeReport",
    },
    "voxome.resolvers": {
        "dataset": "voxome.data.registry.resolve:resolve",
    },
    "voxome.scorers": {
        "common.cells_vessels": "voxome.reports.cells_scorer:CellsScorer",
        "em.connectome": "voxome.reports.em_scorer:ConnectomeScorer",
    },
    "voxome.services": {
        "bounding_box": "voxome.services.ids:bounding_box",
        "contacts": "voxome.services.regions:contacts",
        "downsample": "voxome.services.downsample.run:downsample",
        "ids": "voxome.services.ids:ids",
        "link": "voxome.viewer.link:link",
        "mesh": "voxome.services.mesh:mesh",
        "meshes": "voxome.services.mesh:meshes",
        "provenance": "voxome.services.provenance:provenance",
        "proofread": "voxome.services.proofreading.verb:proofread",
        "regions": "voxome.services.regions:regions",
        "skeleton": "voxome.services.skeleton:skeleton",
        "skeletons": "voxome.services.skeleton:skeletons",
        "synapses": "voxome.services.synapses:synapses",
        "transfer": "voxome.services.transfer.run:transfer",
        "view": "voxome.relay.local_view:view",
    },
    "voxome.storage": {
        "http": "voxome.storage.network:HttpPath",
        "https": "voxome.storage.network:HttpPath",
        "s3": "voxome.storage.network:S3Path",
        "gs": "voxome.storage.network:GcsPath",
    },
    "voxome.tasks": {
        "command": "voxome.workflow.foreign.task:run_command",
        "downsample": "voxome.services.downsample.job:run_job",
        "probe": "voxome.blocks.probe:probe",
        "step": "voxome.blocks.job:run_job",
        "transfer": "voxome.services.transfer.job:run_job",
    },
    "voxome.tools": {
        "common.blob_peaks": "voxome.tools.common.blob_peaks:blob_peaks",
        "common.blobs": "voxome.tools.common.blobs:blobs",
        "common.block_contacts": "voxome.tools.common.block_contacts:block_contacts",
        "common.block_overlaps": "voxome.tools.common.block_overlaps:block_overlaps",
        "common.cell_distances": "voxome.tools.common.cell_distances:cell_distances",
        "common.cell_sizes": "voxome.tools.common.cell_sizes:cell_sizes",
        "common.centre_lines": "voxome.tools.common.centre_lines:centre_lines",
        "common.components": "voxome.tools.common.mask_components:components",
        "common.contacts": "voxome.tools.common.contacts:contacts",
        "common.density": "voxome.tools.common.density_maps:density",
        "common.density_sums": "voxome.tools.common.density_sums:density_sums",
        "common.downsample": "voxome.tools.common.downsample:downsample",
        "common.graph": "voxome.tools.common.graph:graph",
        "common.instance_basins": "voxome.tools.common.instance_basins:instance_basins",
        "common.instance_sums": "voxome.tools.common.instance_sums:instance_sums",
        "common.instances": "voxome.tools.common.instances:instances",
        "common.level": "voxome.tools.common.levels:level",
        "common.local_contrast": "voxome.tools.common.local_contrast:local_contrast",
        "common.mesh_pieces": "voxome.tools.common.mesh_pieces:mesh_pieces",
        "common.meshes": "voxome.tools.common.meshes:meshes",
        "common.mixture": "voxome.tools.common.mixture:mixture",
        "common.neighbour_density": "voxome.tools.common.density_maps:neighbour_density_map",
        "common.next_level": "voxome.tools.common.levels:next_level",
        "common.normalize": "voxome.tools.common.normalize:normalize",
        "common.objects": "voxome.tools.common.objects:objects",
        "common.pixels": "voxome.tools.common.pixels:pixels",
        "common.ratio": "voxome.tools.common.ratio:ratio",
        "common.region_densities": "voxome.tools.common.region_densities:region_densities",
        "common.region_sums": "voxome.tools.common.region_sums:region_sums",
        "common.regions": "voxome.tools.common.regions:regions",
        "common.relabel": "voxome.tools.common.relabel:relabel",
        "common.skeleton_pieces": "voxome.tools.common.skeleton_pieces:skeleton_pieces",
        "common.skeletons": "voxome.tools.common.skeletons:skeletons",
        "common.sphere_completion": "voxome.tools.common.sphere_completion:sphere_completion",
        "common.sphere_search": "voxome.tools.common.sphere_search:sphere_search",
        "common.sphere_selection": "voxome.tools.common.sphere_selection:sphere_selection",
        "common.spheres": "voxome.tools.common.spheres:spheres",
        "common.statistics": "voxome.tools.common.statistics:statistics",
        "common.threshold": "voxome.tools.common.threshold:threshold",
        "common.tile_histograms": "voxome.tools.common.tile_histograms:tile_histograms",
        "common.tissue": "voxome.tools.common.tissue:tissue",
        "common.tile_moments": "voxome.tools.common.tile_moments:tile_moments",
        "common.touching": "voxome.tools.common.touching:touching",
        "common.union": "voxome.tools.common.union:union",
        "common.vessel_clean": "voxome.tools.common.vessel_clean:vessel_clean",
        "common.vessel_exits": "voxome.tools.common.vessel_exits:vessel_exits",
        "common.vessel_faces": "voxome.tools.common.vessel_faces:vessel_faces",
        "common.vessel_graph": "voxome.tools.common.vessel_graph:vessel_graph",
        "common.vessel_mask": "voxome.tools.common.vessel_mask:vessel_mask",
        "common.vessel_runs": "voxome.tools.common.vessel_runs:vessel_runs",
        "em.agglomerate": "voxome.tools.em.agglomerate:agglomerate",
        "em.associate": "voxome.tools.em.associate:associate",
        "em.densities": "voxome.tools.em.densities:densities",
        "em.edges": "voxome.tools.em.edges:edges",
        "em.fragments": "voxome.tools.em.fragments:fragments",
        "em.fragments_apply": "voxome.tools.em.fragments_apply:fragments_apply",
        "em.fragments_join": "voxome.tools.em.fragments_join:fragments_join",
        "em.network": "voxome.tools.em.network:network",
    },
    "voxome.training_tasks": {
        "affinities": "voxome.models.train.networks.tasks:AFFINITIES",
        "cells": "voxome.models.train.networks.tasks:CELLS",
        "mitochondria": "voxome.models.train.networks.tasks:MITOCHONDRIA",
        "nuclei": "voxome.models.train.networks.tasks:NUCLEI",
        "pixels": "voxome.models.pixels.task:PIXELS",
        "synapses": "voxome.models.train.networks.tasks:SYNAPSES",
        "vessels": "voxome.models.train.networks.tasks:VESSELS",
    },
}
"""Group → name → ``module:attribute``."""

_WHAT = {
    "voxome.dialects": "dialect",
    "voxome.engines": "engine",
    "voxome.environments": "environment",
    "voxome.records": "record store",
    "voxome.tasks": "task",
    "voxome.remotes": "scheme",
    "voxome.reports": "report",
    "voxome.resolvers": "URI prefix",
    "voxome.scorers": "scorer",
    "voxome.services": "service",
    "voxome.storage": "storage scheme",
    "voxome.token_services": "token service",
    "voxome.tools": "tool",
    "voxome.training_tasks": "training task",
}

_ARGUMENTS = {
    "voxome.engines": ("workers", "log", "store"),
    "voxome.records": ("folder", "name"),
}
"""Group → arguments of its entries that are not options."""
_WHERE_TAKEN = ("store",)
"""Those of these arguments that an entry gets only if it takes them."""


@cache
def _installed() -> Any:
    """Return the entry points of all packages, to select from; reading them takes a while."""
    return entry_points()


def look_again() -> None:
    """Look for plug-ins again when one is needed, as packages were installed or changed."""
    for function in (_installed, targets, load):
        function.cache_clear()


@cache
def targets(group: str) -> dict[str, str]:
    """Return name → ``module:attribute`` of everything in `group`, without importing it.

    A name that is defined twice is among them; `load` refuses it.
    """
    entries = dict(BUILT_IN.get(group, {}))
    for entry in _installed().select(group=group):
        entries.setdefault(entry.name, entry.value)
    return entries


@cache
def load(group: str, name: str) -> Any:
    """Import the plug-in `name` of `group`.

    Raises
    ------
    UnknownName
        If it does not exist; the message suggests the closest match.
    PluginError
        If it cannot be imported, or if two packages, or voxome and a package, have different plug-ins of this name.
    """
    known = targets(group)
    if name not in known:
        raise UnknownName.of(_WHAT.get(group, group), name, known)
    _check_unique(group, name)
    module, _, attribute = known[name].partition(":")
    built_in = name in BUILT_IN.get(group, {})
    with naming_plugin(group, name, "cannot be loaded", passing=(VoxomeError, OSError) if built_in else ()):
        plugin = getattr(import_module(module), attribute)
        if group == TOOLS:
            _check_tool(name, plugin)
        return plugin


def load_all(group: str) -> Iterator[tuple[str, Any]]:
    """Yield name and plug-in of everything in `group` that can be imported; log a warning that names the others."""
    for name in targets(group):
        try:
            yield name, load(group, name)
        except PluginError as error:
            _warn_once(str(error))
        except MissingExtra as error:
            _warn_once(f"The {_WHAT.get(group, group)} {name!r} is left out: {error}")


def plugin_problems() -> Iterator[str]:
    """Yield why plug-ins of other packages cannot be used; imports all of them."""
    for group in _WHAT:
        for name in dict.fromkeys(entry.name for entry in entry_points(group=group)):
            try:
                load(group, name)
            except VoxomeError as error:
                yield str(error)


@cache
def _warn_once(message: str) -> None:
    _log.warning("%s", message)


def _check_unique(group: str, name: str) -> None:
    built_in = BUILT_IN.get(group, {}).get(name)
    owners = {} if built_in is None else {built_in: f"{built_in} of voxome"}
    for entry in _installed().select(group=group, name=name):
        owners.setdefault(entry.value, _described(entry))
    if len(owners) > 1:
        raise PluginError(
            f"The {_WHAT.get(group, group)} {name!r} is defined twice, as {' and as '.join(owners.values())}; expected "
            "one; uninstall one of the packages, or rename its entry point"
        )


def _check_tool(name: str, plugin: Any) -> None:
    spec = getattr(plugin, "spec", None)
    if spec is None:
        raise InvalidInput("it is not a tool; decorate the function with voxome.contracts.python_tool.tool")
    if spec.name != name:
        raise InvalidInput(f"its name in the decorator is {spec.name!r}; give the tool and its entry point one name")


def _described(entry: EntryPoint) -> str:
    """Return the target of an entry point and the package that has it."""
    return f"{entry.value} of {entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def factory(group: str, spec: str) -> Callable[..., Any]:
    """Return a function that opens the plug-in that ``NAME[?option=value&…]`` names.

    Parameters
    ----------
    group : str
        A group whose entries are functions that take options as keyword arguments of type str.
    spec : str
        Name and options.

    Returns
    -------
    function
        Takes the other arguments of the entry.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If the plug-in does not exist, or if it does not take these options.
    """
    name, options = parse_spec(spec)
    entry = load(group, name)
    _check_options(group, name, entry, options)
    left_out = set(_WHERE_TAKEN) - set(signature(entry).parameters)

    def open_plugin(**arguments: Any) -> Any:
        arguments = {key: value for key, value in arguments.items() if key not in left_out}
        with naming_plugin(group, name, "failed to start"):
            return entry(**arguments, **options)

    return open_plugin


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split ``NAME[?option=value&…]`` into name and options.

    Examples
    --------
    >>> parse_spec("slurm?partition=gpu&account=lab")
    ('slurm', {'partition': 'gpu', 'account': 'lab'})
    """
    name, _, query = spec.partition("?")
    try:
        return name, dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        raise InvalidInput(f"Cannot read the options of {name!r}; write NAME?option=value&option=value") from None


def _check_options(group: str, name: str, entry: Callable[..., Any], options: Mapping[str, str]) -> None:
    parameters = signature(entry).parameters.values()
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters if parameter.name not in _ARGUMENTS.get(group, ())]
    for option in options:
        if option not in known:
            raise UnknownName.of("option", option, known, f"the {_WHAT.get(group, group)} {name!r}")


@contextmanager
def naming_plugin(
    group: str, name: str, what: str, passing: tuple[type[Exception], ...] = (VoxomeError, OSError)
) -> Iterator[None]:
    """Name the plug-in in unexpected errors.

    Parameters
    ----------
    group, name : str
        The plug-in.
    what : str
        What went wrong: ``failed to start``.
    passing : tuple of exception classes
        Expected errors, which are raised as they are.

    Raises
    ------
    PluginError
    """
    try:
        yield
    except passing:
        raise
    except (Exception, SystemExit) as error:
        entries = entry_points(group=group, name=name)
        origin = next((_described(entry) for entry in entries), targets(group)[name])
        reason = str(error) if isinstance(error, VoxomeError) else f"{type(error).__name__}: {error}"
        raise PluginError(
            f"The {_WHAT.get(group, group)} {name!r} ({origin}) {what}: {reason}; "
            "check its installation, or report this to its authors"
        ) from error
