"""Training tasks: what ``voxome train TASK`` calls, found through the registry group ``voxome.training_tasks``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from voxome.errors import PlanError
from voxome.registry import load

GROUP = "voxome.training_tasks"

Fact = str | int | float | tuple[float, ...]
"""What is known of a training before it starts."""

Config_contra = TypeVar("Config_contra", bound=BaseModel, contravariant=True)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a training will do, and what prevents it."""

    facts: Mapping[str, Fact]
    problems: tuple[str, ...] = ()

    def require(self) -> None:
        """Raise the problems, if there are any.

        Raises
        ------
        PlanError
        """
        if self.problems:
            raise PlanError(self.problems)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a training: where it writes, how long it may take, and the command for the card."""

    out: Path
    minutes: float | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Model that a training wrote: its card, what is known of it, and the parameter of tools that takes the card."""

    card: Path
    finished: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    parameter: str = "model"


class TrainingTask(Protocol[Config_contra]):
    """A kind of training; entries of the registry are instances of such classes.

    Attributes
    ----------
    config : class of the configuration, derived from `voxome.models.train.documents.Config`.
    """

    config: type[BaseModel]

    def plan(self, config: Config_contra) -> TrainingPlan:
        """Return what the training will do, before any work."""

    def train(self, config: Config_contra, call: Call) -> TrainingResult:
        """Train, or resume an interrupted training, and write model and card into ``call.out``."""


def find_task(name: str) -> TrainingTask[Any]:
    """Return a training task by name.

    Raises
    ------
    UnknownName, PluginError, MissingExtra
    """
    task: TrainingTask[Any] = load(GROUP, name)
    return task
