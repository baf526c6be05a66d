"""A virtual layer in place of a stored source: planned when it is first used, and again when an input has changed."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from threading import Lock, RLock
from typing import Any

from numpy.typing import NDArray

from voxome.contracts.handle import Handle
from voxome.contracts.spec import Scale
from voxome.errors import InvalidInput, StoreError, VoxomeError
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.generations import Generations
from voxome.relay.caching import Caching
from voxome.relay.lazy import lazy
from voxome.relay.rights import Rights
from voxome.relay.source_entry import ReadableSource, SourceEntry, SourceStatus
from voxome.relay.threads import waiting
from voxome.relay.virtual.planned import InputLevel, PlannedLevel, plan_level
from voxome.relay.virtual.recipe import CheckedRecipe, naming_input
from voxome.relay.virtual.slots import ComputeSlots
from voxome.relay.virtual.variants import Setting, parse_changes
from voxome.workflow.inputs import bind_external

MOST_VARIANTS = 32
"""Variants of a layer that are open at the same time; others are planned again when they are requested."""
_ATTEMPTS = 5
_LOG = logging.getLogger(__name__)

ReadEntry = Callable[[SourceEntry, Box, int], NDArray[Any]]
"""Returns the voxels of a box of a level of an entry, through the cache."""


@dataclass(frozen=True)
class _Others:
    """What a tool takes besides volumes: other inputs, and its version, which includes files that parameters name."""

    handles: Mapping[str, Handle]
    version: str


@dataclass
class _Plan:
    """The levels of a layer, for one state of its inputs."""

    statuses: tuple[SourceStatus, ...]
    others: _Others
    scales: tuple[Scale | None, ...] = ()
    levels: dict[int, PlannedLevel] = field(default_factory=dict)
    arrays: dict[int, CachedArray] = field(default_factory=dict)

    @property
    def incarnations(self) -> list[str]:
        """Incarnations of the inputs."""
        return _incarnations(self.statuses)


class VirtualUpstream:
    """A virtual layer, with the methods of an `Upstream`.

    Parameters
    ----------
    name : str
        Name of the layer.
    recipe : CheckedRecipe
        Tool, parameters and output.
    inputs : mapping of str to SourceEntry
        Inputs that are volumes.
    read : function
        Reads them.
    rights : Rights
        Who may read it.
    caching : Caching
        How it is cached.
    counters : SourceCounters
        Counters of its reads.
    slots : ComputeSlots
        Bound on computations.
    """

    def __init__(
        self,
        name: str,
        recipe: CheckedRecipe,
        inputs: Mapping[str, SourceEntry],
        read: ReadEntry,
        rights: Rights,
        caching: Caching,
        counters: SourceCounters,
        slots: ComputeSlots,
    ) -> None:
        self.name, self.recipe, self.inputs = name, recipe, inputs
        self.rights, self.caching, self.counters = rights, caching, counters
        self._read, self._slots = read, slots
        self._plan: _Plan | None = None
        self._others: tuple[float, _Others] | None = None
        self._variants: OrderedDict[str, VirtualUpstream] = OrderedDict()
        self._lock, self._planning = Lock(), RLock()

    @lazy
    def identity(self) -> str:
        """Digest of the tool, its parameters and the identities of its inputs, the same in all processes."""
        recipe = self.recipe
        decisive = {
            "tool": recipe.spec.name,
            "digest": recipe.tool.digest,
            "parameters": recipe.parameters,
            "inputs": {**recipe.inputs, **{name: one.identity for name, one in self.inputs.items()}},
            "output": recipe.output,
        }
        text = json.dumps(decisive, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def is_cached(self) -> bool:
        """Whether it is cached, if the relay has a cache."""
        return self.caching.enabled is not False

    @property
    def prefetches(self) -> bool:
        """Whether chunks beside those that are read are computed too."""
        return self.caching.prefetch is True

    @property
    def is_overdue(self) -> bool:
        """Whether an input could not be checked when that was due."""
        return any(one.is_overdue for one in self.inputs.values())

    @property
    def is_local(self) -> bool:
        """Whether all stored sources from which it is computed are on this machine."""
        return all(one.is_local for one in self.inputs.values())

    @property
    def is_at_hand(self) -> bool:
        """Whether its voxels are in files of this machine; never, as they are computed."""
        return False

    @lazy
    def depth(self) -> int:
        """Return the number of layers, each over the next, down to a stored source."""
        return 1 + max(one.depth for one in self.inputs.values())

    def open(self) -> PlannedLevel:
        """Return its finest level."""
        return self._level(0)

    def open_level(self, number: int) -> PlannedLevel | None:
        """Return a level; None if it does not exist."""
        return self._level(number) if 0 <= number < self.level_count() else None

    def level_count(self) -> int:
        """Return the number of levels: those of its inputs for a voxel-wise tool, else 1."""
        return len(self.scales())

    def scales(self) -> tuple[Scale | None, ...]:
        """Return the scales of all levels."""
        plan = self._current()
        if not plan.scales:
            plan.scales = self._find_scales()
        return plan.scales

    def array(self, number: int) -> CachedArray | None:
        """Return a level as it is cached; None if it does not exist."""
        if not 0 <= number < self.level_count():
            return None
        plan, level = self._planned(number)
        with self._lock:
            status, array = _status_of(plan), plan.arrays.get(number)
            if array is None or array.epoch != status.epoch:
                array = plan.arrays[number] = CachedArray(
                    self.identity, status.incarnation, number, level.grid, level.spec.dtype, level.compute,
                    self.counters, status.epoch, status.oldest_epoch, level.origins, self.depth, self.name,
                )  # fmt: skip
            return array

    def read(self, source: ReadableSource, box: Box) -> NDArray[Any]:
        """Return voxels of a level, computed without a cache."""
        with self.waiting():
            return source.read(box)

    def waiting(self) -> AbstractContextManager[None]:
        """Return the context in which a request waits for a computation, and lets others work."""
        return waiting(self.identity)

    def status(self) -> SourceStatus:
        """Return the state of its inputs, as one."""
        return _status_of(self._current())

    def version(self, generations: Generations) -> str:
        """Return a text that changes whenever voxels may have changed."""
        parts = [self.identity, self.status().incarnation, *(one.version(generations) for one in self.inputs.values())]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]

    def check(self) -> bool:
        """Find out whether an input was replaced."""
        replaced = [one.check() for one in self.inputs.values()]
        return any(replaced)

    def settings(self) -> tuple[Setting, ...]:
        """Return the parameters that clients may change, with their values."""
        values = self.open().step.parameters
        return tuple(Setting(one, values[name]) for name, one in self.recipe.variable.items())

    def variant(self, changes: str) -> VirtualUpstream:
        """Return the layer with other parameters, written ``NAME=VALUE;NAME=VALUE``.

        Raises
        ------
        InvalidInput
            If a parameter does not exist, cannot be changed, or has another value than the tool takes.
        """
        recipe = self.recipe
        values = parse_changes(changes, recipe.spec, recipe.variable)
        changed = replace(recipe, parameters={**recipe.parameters, **values})
        if recipe.spec.defaults is None:
            changed = replace(changed, parameters=recipe.spec.bind(changed.parameters))
        if changed.parameters == recipe.parameters:
            return self
        key = json.dumps(changed.parameters, sort_keys=True, default=str)
        with self._lock:
            variant = self._variants.get(key)
        if variant is None:
            variant = VirtualUpstream(
                self.name, changed, self.inputs, self._read, self.rights, self.caching, self.counters, self._slots
            )
            self._require_planned(variant)
        with self._lock:
            variant = self._variants.setdefault(key, variant)
            self._variants.move_to_end(key)
            while len(self._variants) > MOST_VARIANTS:
                self._variants.popitem(last=False)
        return variant

    def _require_planned(self, variant: VirtualUpstream) -> None:
        """Raise what the values of a variant cause, and not what is wrong with the layer itself."""
        try:
            self.open()
        except (VoxomeError, OSError):
            return
        try:
            variant.open()
        except InvalidInput as error:
            _LOG.warning("a variant of %s cannot be computed: %s", self.name, error)
            raise InvalidInput(f"{self.name} cannot be computed with these parameters; choose others") from error
        except (VoxomeError, OSError):
            return

    def _current(self) -> _Plan:
        """Return the plan for the state that the inputs have now."""
        statuses = tuple(one.status() for one in self.inputs.values())
        others = self._other_inputs()
        with self._lock:
            if self._plan is None or (self._plan.incarnations, self._plan.others) != (_incarnations(statuses), others):
                self._plan = _Plan(statuses, others)
            self._plan.statuses = statuses
            return self._plan

    def _level(self, number: int) -> PlannedLevel:
        return self._planned(number)[1]

    def _planned(self, number: int) -> tuple[_Plan, PlannedLevel]:
        """Return a level with the plan to which it belongs: an input may be replaced before that is looked up again."""
        for _ in range(_ATTEMPTS):
            plan = self._current()
            if number in plan.levels:
                return plan, plan.levels[number]
            with self.waiting(), self._planning:  # whoever holds a lock waits for no slot, which others may have
                level = plan.levels.get(number) or self._plan_level(number, plan.others.handles)
                if self._current() is plan:  # else an input was replaced meanwhile
                    plan.levels[number] = level
        raise StoreError(f"the inputs of {self.name} change all the time")

    def _plan_level(self, number: int, others: Mapping[str, Handle]) -> PlannedLevel:
        volumes = {name: self._input_level(name, one, number) for name, one in self.inputs.items()}
        return plan_level(self.name, self.recipe, volumes, others, self._slots)

    def _input_level(self, name: str, entry: SourceEntry, number: int) -> InputLevel:
        source, array = entry.open_level(number), entry.array(number)
        if source is None or array is None:
            raise StoreError(f"level {number} of the input {name} no longer exists")
        return InputLevel(self.recipe.inputs[name], array, source.spec, lambda box: self._read(entry, box, number))

    def _find_scales(self) -> tuple[Scale | None, ...]:
        one: tuple[Scale | None, ...] = ((1, 1, 1),)
        if not self._level(0).is_voxelwise:
            return one
        common: list[Scale | None] = []
        for scales in zip(*(entry.scales() for entry in self.inputs.values()), strict=False):
            if scales[0] is None or len(set(scales)) > 1:
                break
            common.append(scales[0])
        return tuple(common) or one

    def _other_inputs(self) -> _Others:
        """Return what the tool takes besides volumes, looked up again after `ttl_s`."""
        now = time.monotonic()
        if self._others is None or now - self._others[0] >= self.caching.ttl_s:
            recipe = self.recipe
            addresses = {name: one for name, one in recipe.inputs.items() if name not in self.inputs}
            handles = {}
            for name, one in addresses.items():
                with naming_input(self.name, name):
                    handles[name] = bind_external(one, recipe.spec.inputs[name])[0]
            version = recipe.spec.version if recipe.spec.defaults else recipe.spec.compute_version(recipe.parameters)
            self._others = (now, _Others(handles, version))
        return self._others[1]


def _status_of(plan: _Plan) -> SourceStatus:
    keys = (one.key for one in plan.others.handles.values())
    incarnation = hashlib.sha256("/".join([plan.others.version, *plan.incarnations, *keys]).encode()).hexdigest()[:32]
    epoch = sum(one.epoch for one in plan.statuses)
    return SourceStatus(incarnation, epoch, epoch - min(one.epoch - one.oldest_epoch for one in plan.statuses))


def _incarnations(statuses: Iterable[SourceStatus]) -> list[str]:
    return [one.incarnation for one in statuses]
