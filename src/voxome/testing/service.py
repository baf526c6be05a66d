"""Contract suite for services; subclass `ServiceContract` to test one."""

from __future__ import annotations

import inspect
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest

from voxome.contracts.abilities import ability
from voxome.contracts.provenance import LOCAL, OWN, Provenance
from voxome.contracts.service import GROUP
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat
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
    instead_of : str, optional
        Service of voxome whose place it takes, where it is chosen by its name: ``volume.mesh(id, service=NAME)``.

    A service of arrays has the parameter `voxel_size_nm`, and one that several can perform the parameter `service`; the
    suite tests what it finds.
    """

    name: ClassVar[str]
    arguments: ClassVar[Sequence[Any]] = ()
    options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    instead_of: ClassVar[str | None] = None

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

    def test_it_takes_a_numpy_array(self, volume: Volume) -> None:
        service = self._with_parameter("voxel_size_nm")
        size = volume.voxel_size_nm or (1.0, 1.0, 1.0)
        self.check(service(np.asarray(volume), *self.arguments, voxel_size_nm=size, **self.options))

    def test_the_result_says_what_made_it(self, volume: Volume) -> None:
        result = getattr(volume, self.name)(*self.arguments, **self.options)
        if (made := getattr(result, "provenance", None)) is None:
            pytest.skip("its result has no provenance, or it is not known")
        assert isinstance(made, Provenance), "a result says what made it: pass Provenance.now(…)"
        assert Provenance.from_json(json.loads(json.dumps(made.to_json()))) == made
        assert made.tool
        assert made.version
        assert made.inputs, "name the volume as an input: resources.provenance.input_record"

    def test_a_tool_of_voxome_can_be_chosen(self, volume: Volume) -> None:
        self._with_parameter("service")
        result = getattr(volume, self.name)(*self.arguments, service=LOCAL, **self.options)
        self.check(result)
        assert getattr(result, "provenance", None) is None or result.provenance.way == LOCAL

    def test_an_unknown_service_is_refused(self, volume: Volume) -> None:
        self._with_parameter("service")
        for unknown in ("no_service_of_this_name", self.name):
            with pytest.raises(UnknownName):
                getattr(volume, self.name)(*self.arguments, service=unknown, **self.options)
        with pytest.raises(InvalidInput, match="service is 3"):
            getattr(volume, self.name)(*self.arguments, service=3, **self.options)

    def test_a_store_that_cannot_perform_it_says_so(self, bare_volume: Volume) -> None:
        self._with_parameter("service")
        with pytest.raises(UnsupportedFormat):
            getattr(bare_volume, self.name)(*self.arguments, service=OWN, **self.options)

    def test_it_is_chosen_by_its_name(self, volume: Volume) -> None:
        if self.instead_of is None:
            pytest.skip("it takes the place of no service of voxome")
        self.check(getattr(volume, self.instead_of)(*self.arguments, service=self.name, **self.options))

    def _with_parameter(self, name: str) -> Callable[..., Any]:
        service: Callable[..., Any] = load(GROUP, self.name)
        if name not in inspect.signature(service).parameters:
            pytest.skip(f"it has no parameter {name!r}")
        return service
