"""The engines that a user chose for the steps of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType

from voxome.contracts.arguments import require_mapping
from voxome.contracts.engine import Engine, SupportsAdoption
from voxome.contracts.run_record import EngineRecord
from voxome.errors import InvalidInput, UnknownName, describe_value
from voxome.redaction import HIDDEN, is_secret
from voxome.registry import factory, parse_spec

GROUP = "voxome.engines"
DEFAULT = "local"
OTHERS = "*"
"""Stands for the steps that a mapping does not name."""
EngineChoice = str | Engine | Mapping[str, str | Engine]
"""Engine of all steps, or step name → engine: ``NAME[?option=value&…]``, or an engine, which its owner closes."""


def parse_engine_options(texts: Collection[str]) -> EngineChoice | None:
    """Return the choice in texts ``[STEP=]NAME[?option=value&…]``, or None without any.

    Examples
    --------
    >>> parse_engine_options(["threads", "network=slurm?partition=gpu"])
    {'*': 'threads', 'network': 'slurm?partition=gpu'}
    """
    choice: dict[str, str | Engine] = {}
    for text in texts:
        head, mark, query = text.partition("?")
        step, equals, name = head.rpartition("=")
        key = step if equals else OTHERS
        if key in choice:
            raise InvalidInput(f"Two engines for {'all steps' if key == OTHERS else f'step {key}'}; give one")
        choice[key] = f"{name}{mark}{query}"
    return choice or None


def require_engine(engine: object) -> str | Engine:
    """Return an engine, or the name of one.

    Raises
    ------
    InvalidInput
        If it is something else.
    """
    if not isinstance(engine, str | Engine) or engine == "":
        raise InvalidInput(
            f"engine is {describe_value(engine)}; expected the name of an engine, such as 'local' or 'threads', or an "
            "engine"
        )
    return engine


class StepEngines:
    """Engines by step: checked at once, opened on entry, closed on exit.

    Parameters
    ----------
    choice : EngineChoice or None
        What the user chose; ``local`` if None.
    steps : collection of str
        Names of the steps.
    workers : int
        Workers of each engine that is opened here.
    log : path
        Log of the workers.
    store : str, optional
        Address of the store of the run, for engines that keep jobs in it.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If the step or engine does not exist, or if an engine does not take an option.
    """

    def __init__(
        self,
        choice: EngineChoice | None,
        steps: Collection[str],
        *,
        workers: int,
        log: Path,
        store: str | None = None,
    ) -> None:
        named = choice if isinstance(choice, Mapping) else {OTHERS: DEFAULT if choice is None else choice}
        require_mapping("engine", named, "{'network': 'threads'}")
        by_step = {name: require_engine(engine) for name, engine in named.items()}
        for name in by_step:
            if name != OTHERS and name not in steps:
                raise UnknownName.of("step", name, steps)
        self._choices = {step: by_step.get(step, by_step.get(OTHERS, DEFAULT)) for step in steps}
        specs = {chosen for chosen in (*self._choices.values(), *by_step.values()) if isinstance(chosen, str)}
        self._factories: dict[str, Callable[..., Engine]] = {spec: factory(GROUP, spec) for spec in sorted(specs)}
        self._workers, self._log, self._store = workers, log, store
        self._opened: dict[str, Engine] = {}

    def __enter__(self) -> StepEngines:
        try:
            for chosen in self._choices.values():
                if isinstance(chosen, str) and chosen not in self._opened:
                    opened = self._factories[chosen](workers=self._workers, log=self._log, store=self._store)
                    self._opened[chosen] = opened
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._opened:
            self._opened.popitem()[1].close()

    def __getitem__(self, step: str) -> Engine:
        chosen = self._choices[step]
        return self._opened[chosen] if isinstance(chosen, str) else chosen

    def have_left_jobs(self) -> bool:
        """Return whether jobs of an interrupted run, which may be running, are not adopted yet."""
        engines = (self[step] for step in self._choices)
        return any(isinstance(engine, SupportsAdoption) and engine.left_jobs() for engine in engines)

    def to_json(self) -> list[EngineRecord]:
        """Return name, workers, options (secret ones hidden) and steps of each engine."""
        rows: dict[int, EngineRecord] = {}
        for step, chosen in self._choices.items():
            engine = self[step]
            options = parse_spec(chosen)[1] if isinstance(chosen, str) else {}
            shown = {name: HIDDEN if is_secret(name) else value for name, value in options.items()}
            row: EngineRecord = {"name": engine.name, "workers": engine.slots, "options": shown, "steps": []}
            rows.setdefault(id(engine), row)["steps"].append(step)
        return list(rows.values())
