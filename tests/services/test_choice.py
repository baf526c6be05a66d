from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.abilities import SupportsIds
from voxome.contracts.service import Requirement
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat, WrongCall
from voxome.resources.volume_like import as_volume
from voxome.services.choice import choose

INDEX = Requirement(SupportsIds, "this store keeps no index")


@pytest.fixture
def volume():
    return as_volume(np.ones((2, 2, 2), np.uint32))


def test_a_store_that_cannot_leaves_it_to_a_tool(volume):
    assert choose(None, volume, "boxes", INDEX) == "local"
    assert choose("local", volume, "boxes", INDEX) == "local"


def test_a_store_that_can_comes_first(volume):
    class Indexed:
        spec = volume.spec

        def ids(self, box): ...

        def bounding_box(self, label, *, exact=True): ...

        def reserve_ids(self, count): ...

    volume.source = Indexed()
    assert choose(None, volume, "boxes", INDEX) == "own"
    assert choose("own", volume, "boxes", INDEX) == "own"


def test_what_the_store_lacks_is_named(volume):
    with pytest.raises(UnsupportedFormat, match="keeps no index"):
        choose("own", volume, "boxes", INDEX)
    with pytest.raises(UnsupportedFormat, match="no store performs 'boxes'"):
        choose("own", volume, "boxes", None)


def test_the_service_of_another_package_is_chosen_by_name(volume, calls):
    assert choose("lab", volume, "boxes", INDEX) == "lab"


def test_an_unknown_service_is_refused_with_what_there_is(volume, calls):
    with pytest.raises(
        UnknownName, match=r"^Unknown service 'lab2' of boxes; did you mean 'lab'\? Known: lab, local, own$"
    ):
        choose("lab2", volume, "boxes", INDEX)
    with pytest.raises(UnknownName, match=r"'Local' of boxes; did you mean 'local'\? Known: lab, local$"):
        choose("Local", volume, "boxes", None)
    with pytest.raises(InvalidInput, match="service is 3"):
        choose(3, volume, "boxes", INDEX)


@pytest.mark.parametrize("name", ["mesh", "transfer"])
def test_the_services_of_voxome_do_not_stand_for_each_other(volume, name):
    with pytest.raises(UnknownName, match=f"Unknown service '{name}' of mesh"):
        choose(name, volume, "mesh", INDEX)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the registry of services by one, `lab`, and return what it is called with."""
    called: dict[str, Any] = {}

    def lab(volume: voxome.Volume, labels: object = None, *, box: object = None, **options: Any) -> str:
        called.update(options, box=box)
        return "found"

    monkeypatch.setattr("voxome.services.choice.targets", lambda _: {"lab": "lab:run"})
    monkeypatch.setattr("voxome.services.choice.load", lambda *_: lab)
    return called


IMAGE = np.zeros((8, 8, 8), np.uint8)


def test_another_service_gets_the_options_that_are_given_and_no_defaults(calls: dict[str, Any]) -> None:
    voxome.synapses(IMAGE, voxel_size_nm=(8, 8, 8), service="lab")
    assert calls == {"box": None}
    voxome.synapses(IMAGE, voxel_size_nm=(8, 8, 8), service="lab", min_synapse_peak=3, block=(4, 4, 4))
    assert calls == {"box": None, "min_synapse_peak": 3, "block": (4, 4, 4)}
    calls.clear()
    options: dict[str, Any] = {
        "existing": True,
        "force": True,
        "workers": 3,
        "chunk": (4, 4, 4),
        "shard": (8, 8, 8),
        "encoding": {"a": 1},
        "progress": print,
        "levels": 2,
    }
    voxome.downsample(IMAGE, voxel_size_nm=(8, 8, 8), service="lab", **options)
    assert calls == {"box": None, **options}
    calls.clear()
    labels = IMAGE.astype(np.uint64)
    for call in (voxome.mesh, voxome.skeleton):
        call(labels, 1, voxel_size_nm=(8, 8, 8), service="lab")  # type: ignore[operator]
        assert calls == {"box": None}


def test_an_option_that_another_service_does_not_have_is_named(
    calls: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lab(volume: voxome.Volume, labels: object = None, *, box: object = None) -> str:
        return "found"

    monkeypatch.setattr("voxome.services.choice.load", lambda *_: lab)
    assert voxome.synapses(IMAGE, voxel_size_nm=(8, 8, 8), service="lab") == "found"
    with pytest.raises(WrongCall, match=r"Unknown argument 'min_synapse_peak' of lab\(\)"):
        voxome.synapses(IMAGE, voxel_size_nm=(8, 8, 8), service="lab", min_synapse_peak=3)
