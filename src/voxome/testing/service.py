"""Contract suite for services; subclass `ServiceContract` to test one."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest

from voxome.contracts.abilities import ability
from voxome.contracts.service import GROUP
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.registry import load
from voxome.resources.services import BoundService, requirements
from voxome.resources.volume import Volume
from voxome.services.array import array


class ServiceContract(ABC):
    """Tests of a service.

    Attributes
    ----------
    name : str
        Name in the registry.
    arguments, options
        What a call takes after the volume.
    """

    name: ClassVar[str]
    arguments: ClassVar[Sequence[Any]] = ()
    options: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    @pytest.fixture
    def volume(self) -> Volume:
        """Return a volume that has the service."""
        raise InvalidInput(f"{type(self).__name__} must define the fixture `volume`")

    @pytest.fixture
    def bare_volume(self) -> Volume:
        """Return a volume whose source can do nothing but read and write."""
        uri = f"memory://{uuid4().hex}"
        return array(uri, create_new=True, dtype=np.uint64, extents=(2, 2, 2), voxel_size=(1, 1, 1))

    @abstractmethod
    def check(self, result: Any) -> None:
        """Check the result of a call with `arguments` and `options`."""

    def test_it_is_an_attribute_of_a_volume(self, volume: Volume) -> None:
        assert self.name in dir(volume)
        bound = getattr(volume, self.name)
        assert isinstance(bound, BoundService), "a volume has an attribute of that name already: choose another name"
        self.check(bound(*self.arguments, **self.options))

    def test_it_has_help_without_the_volume(self, volume: Volume) -> None:
        bound = getattr(volume, self.name)
        assert bound.__doc__
        parameters = list(inspect.signature(load(GROUP, self.name)).parameters)
        assert list(inspect.signature(bound).parameters) == parameters[1:]

    def test_a_missing_ability_is_explained(self, bare_volume: Volume) -> None:
        needed = requirements(load(GROUP, self.name))
        missing = [one for one in needed if ability(bare_volume.source, one.ability) is None]
        if not missing:
            pytest.skip("it requires no ability that a plain volume lacks")
        with pytest.raises(UnsupportedFormat, match=re.escape(missing[0].missing)):
            getattr(bare_volume, self.name)(*self.arguments, **self.options)
