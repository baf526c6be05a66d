"""Sources and collections of a relay as layers of Neuroglancer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, InvalidInput
from voxome.relay.collections import PermittedCollections
from voxome.relay.permitted import PermittedSources
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.source_names import base_name
from voxome.viewer.shown import shown_format
from voxome.viewer.state_text import State
from voxome.viewer.states import Extent, Layer, build_state

MOST_LAYERS = 32
"""Sources that are shown where the address names none."""
_PREFIXES = {"precomputed": "precomputed://{}precomputed/", "zarr": "zarr2://{}zarr/"}
"""Format → beginning of a data source of Neuroglancer, with the address of the relay."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FirstView:
    """What the page begins with.

    Attributes
    ----------
    state : dict
        State of Neuroglancer.
    left_out : tuple of str
        Names of what cannot be opened now, or not be shown, and is not in it.
    refused : tuple of str
        Names of what the caller may not read, and is not in it.
    """

    state: State
    left_out: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


FirstState = Callable[[PermittedSources, PermittedCollections, Sequence[str], str], FirstView]
"""Sources and collections of the caller, names in the address, and address of the relay → what is shown."""


def show_sources(
    sources: PermittedSources, collections: PermittedCollections, names: Sequence[str], base: str
) -> FirstView:
    """Return a state with sources as layers: images below labels, annotations on top.

    Relations of annotations are linked to the labels, if there is one layer of them. What cannot be opened is left out,
    unless nothing else is shown; so is what the caller may not read, and what Neuroglancer does not show.

    Raises
    ------
    NotFound
        If a name is that of nothing.
    AccessDenied
        If the caller may read none of them.
    SourceUnavailable
        If nothing can be opened.
    """
    chosen = list(dict.fromkeys(names)) or [*sources, *collections][:MOST_LAYERS]
    failures: dict[str, SourceUnavailable] = {}
    refused: dict[str, AccessDenied] = {}
    specs: dict[str, VolumeSpec] = {}
    shown: dict[str, str] = {}
    unshown: list[str] = []
    related: dict[str, list[str]] = {}
    for name in chosen:
        try:
            if name in collections:
                related[name] = relations(collections, name)
            else:
                spec = sources.spec(name)
                format = shown_format(spec, name)
                address = versioned(sources, name) if spec.kind == "labels" else name
                specs[name], shown[name] = spec, source_url(base, address, format)
        except SourceUnavailable as error:
            _LOG.warning("%s is left out of the viewer's page: %s", name, error)
            failures[name] = error
        except AccessDenied as error:
            refused[name] = error
        except InvalidInput as error:
            _LOG.warning("%s is left out of the viewer's page: %s", name, error)
            unshown.append(name)
    if refused and len(refused) == len(chosen):
        raise refused[chosen[0]]
    if failures and len(failures) + len(refused) == len(chosen):
        raise next(iter(failures.values()))
    labels = [name for name in specs if specs[name].kind == "labels"]
    layers = [Layer(name, "image", shown[name]) for name in specs if name not in labels]
    layers += [Layer(name, "segmentation", shown[name]) for name in labels]
    for name, found in related.items():
        linked = dict.fromkeys(found, labels[0]) if len(labels) == 1 else {}
        layers.append(Layer(name, "annotation", source_url(base, name), linked=linked))
    sizes = (spec.voxel_size_nm for spec in specs.values())
    extents = (Extent.of(spec) for spec in specs.values())
    first_size = next((size for size in sizes if size is not None), None)
    state = build_state(layers, first_size, next((one for one in extents if one is not None), None))
    return FirstView(state, (*failures, *unshown), tuple(refused))


def relations(collections: PermittedCollections, name: str) -> list[str]:
    """Return the relations of a collection, as its metadata name them.

    Raises
    ------
    SourceUnavailable
        If it has no metadata that can be read.
    """
    info = collections.read(name, "info")
    try:
        return [str(one["id"]) for one in json.loads(b"" if info is None else info.content)["relationships"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceUnavailable(f"the metadata of {name} cannot be read; see the log of the server") from error


def versioned(sources: PermittedSources, name: str) -> str:
    """Return the name of a source, with its version now if it is edited: nothing of another version is shown for it."""
    version = sources.current_version(name)
    return name if version is None else f"{name}@{version}"


def source_url(base: str, name: str, format: str = "precomputed") -> str:
    """Return the data source of Neuroglancer for a source or collection of the relay at `base`, read as `format`."""
    return _PREFIXES[format].format(base) + quote(name, safe="/@")


def may_see(reads: Callable[[str], bool], url: str, base: str) -> bool:
    """Return whether the caller, who may read the names for which `reads` says so, may see an address.

    Those of other servers are not ours.
    """
    start = url.find(base)
    if start < 0:
        return True
    path = unquote(url[start + len(base) :]).partition("/")[2]
    return any(reads(base_name(name)) for name in _beginnings(path))


def _beginnings(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
