"""The sources of a configuration, virtual layers after what they are computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter

from voxome.errors import InvalidInput
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.config import RelayConfig
from voxome.relay.sources import Sources


def add_sources(
    sources: Sources, config: RelayConfig, counters_of: Callable[[str], SourceCounters] = lambda _: SourceCounters()
) -> None:
    """Add all sources of a configuration.

    Parameters
    ----------
    sources : Sources
        Where they are added.
    config : RelayConfig
        Names them.
    counters_of : function
        Returns the counters of a source.

    Raises
    ------
    InvalidInput
        If a name or a virtual layer is invalid, or layers are computed from each other.
    """
    for name, source in config.sources.items():
        if source.recipe is None:
            back = source.write == "back"
            sources.add(name, source.uri or "", source.rights, source.caching, counters_of(name), write_back=back)
    for name in _in_order(config):
        source = config.sources[name]
        if source.recipe is not None:
            rights = source.rights if source.has_readers else None
            sources.add_virtual(name, source.recipe, rights, source.caching, counters_of(name))


def _in_order(config: RelayConfig) -> Iterator[str]:
    names = config.sources
    needs = {
        name: [] if one.recipe is None else [other for other in one.recipe.inputs.values() if other in names]
        for name, one in names.items()
    }
    for name, one in names.items():
        if one.source is not None and one.source not in names:
            raise InvalidInput(
                f"the virtual layer {name}: no source {one.source} is configured; give the name of one, or uri in "
                "place of source"
            )
    try:
        yield from TopologicalSorter(needs).static_order()
    except CycleError as error:
        raise InvalidInput(f"virtual layers are computed from each other: {' from '.join(error.args[1])}") from None
