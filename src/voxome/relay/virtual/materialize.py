"""A virtual layer as a run, whose result is equal to it."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from voxome.config.folders import state_folder
from voxome.contracts.ports import port_of
from voxome.contracts.run_record import RunRecord
from voxome.errors import InvalidInput, NotFound, UnknownName
from voxome.relay.config import RelayConfig
from voxome.relay.virtual.recipe import CheckedRecipe, check_recipe
from voxome.relay.virtual.variants import SEPARATOR, parse_changes
from voxome.workflow.graph import Constant, FromStep, Graph, Node, Source
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.run import Progress, run_plan

_OUTPUT = "layer"


def materialize(
    config: RelayConfig, name: str, uri: str, *, workers: int | None = None, progress: Progress | None = None
) -> RunRecord:
    """Compute a virtual layer once, as a run does, and store it; repeat the call to resume.

    Parameters
    ----------
    config : RelayConfig
        Configuration with the layer.
    name : str
        Name of the layer, or of a variant of it.
    uri : str
        Volume that is created.
    workers : int, optional
        Number of processes; by default the cores that this process may use.
    progress : function of a StepReport, optional
        Called after every job.

    Returns
    -------
    RunRecord
        The record of the run, whose folder is removed when the volume is complete.

    Raises
    ------
    NotFound, InvalidInput
        If there is no such layer.
    PlanError, RunFailed, RunLocked
        As for `voxome.run`.
    """
    plan = make_plan(layer_graph(config, name), {}, RunOptions.of(into={_OUTPUT: uri}))
    folder = state_folder() / f"layer-{hashlib.sha256(f'{name} {uri}'.encode()).hexdigest()[:16]}"
    record = run_plan(plan, out=folder, workers=workers, progress=progress)
    shutil.rmtree(folder)
    return record


def layer_graph(config: RelayConfig, name: str) -> Graph:
    """Return the workflow that computes a layer, with a step for each layer under it.

    Raises
    ------
    NotFound
        If no source has this name.
    InvalidInput
        If it is stored already, or the layer or its parameters are invalid.
    """
    steps: dict[str, Node] = {}
    base, _, changes = name.partition(SEPARATOR)
    end = _add(config, base, changes, steps)
    return Graph(name, {}, tuple(steps.values()), {_OUTPUT: end})


def _add(config: RelayConfig, name: str, changes: str, steps: dict[str, Node]) -> FromStep:
    """Add the steps of a layer, those that it needs first; return its output."""
    checked = _checked(config, name, changes)
    step = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    if step not in steps:
        ports = dict(_ports(config, checked, steps))
        steps[step] = Node(step, checked.spec.name, checked.spec.version, ports)
    return FromStep(step, checked.output)


def _checked(config: RelayConfig, name: str, changes: str) -> CheckedRecipe:
    source = config.sources.get(name)
    if source is None:
        raise NotFound(str(UnknownName.of("source", name, config.sources)))
    if source.recipe is None:
        raise InvalidInput(f"{name} is stored already, in {source.uri}; name a virtual layer")
    checked = check_recipe(name, source.recipe)
    values: Mapping[str, Any] = parse_changes(changes, checked.spec, checked.spec.parameters) if changes else {}
    return CheckedRecipe(
        checked.tool, checked.inputs, {**checked.parameters, **values}, checked.output, checked.variable
    )


def _ports(config: RelayConfig, checked: CheckedRecipe, steps: dict[str, Node]) -> Iterator[tuple[str, Source]]:
    for one, address in checked.inputs.items():
        given = config.sources.get(address)
        if given is None:
            yield port_of(one), Constant(address)
        elif given.recipe is None:
            yield port_of(one), Constant(given.uri)
        else:
            yield port_of(one), _add(config, address, "", steps)
    for one, value in checked.parameters.items():
        yield port_of(one), Constant(value)
