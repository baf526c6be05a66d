"""Services are attributes of a volume: those of voxome, and those of other packages."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from remotes.precomputed.layers import write_info, write_volume
from remotes.precomputed.test_meshes import write_legacy
from remotes.precomputed.test_skeletons import ATTRIBUTES, DATA

import voxome
from voxome.contracts.abilities import SupportsIds
from voxome.contracts.service import Requirement, service
from voxome.contracts.uri import Uri
from voxome.errors import NotFound, PluginError, UnsupportedFormat
from voxome.registry import targets
from voxome.remotes.memory import MemoryRemote
from voxome.testing.service import ServiceContract


@pytest.fixture
def plugins(install_plugins: Callable[[Path], None]) -> None:
    """Install a plug-in package."""
    install_plugins(Path(__file__).parent / "plugins")


@pytest.fixture
def volume() -> Iterator[voxome.Volume]:
    volume = voxome.create("memory://services", voxome.VolumeSpec.of((2, 3, 4), "uint8"))
    volume[0] = 4
    yield volume
    for name in ("services", "services-copy"):
        with suppress(NotFound):
            MemoryRemote().delete(Uri("memory", name))


class _Hidden(ServiceContract):
    name = "uri"

    def check(self, result: object) -> None:
        del result


def test_the_contract_refuses_the_name_of_an_attribute(volume: voxome.Volume) -> None:
    with pytest.raises(AssertionError, match="a volume has an attribute of that name already"):
        _Hidden().test_it_is_an_attribute_of_a_volume(volume)


def test_a_service_with_the_name_of_an_attribute_is_refused(
    volume: voxome.Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cutout", "uri"):
        monkeypatch.setattr("voxome.resources.services.targets", lambda _, name=name: {name: "lab:read"})
        with pytest.raises(PluginError, match=rf"The service '{name}' \(lab:read\) has the name of an attribute"):
            dir(volume)


def test_the_requirements_of_a_service_are_checked_once(volume: voxome.Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    monkeypatch.setattr(Requirement, "find", lambda self, source, uri: requested.append(uri))

    @service(Requirement(SupportsIds, "this store keeps no ids"))
    def size(volume: voxome.Volume) -> int:
        return volume.domain.size

    assert size(volume) == 24
    assert requested == [volume.uri]


@pytest.mark.usefixtures("plugins")
class TestServiceOfAnotherPackage(ServiceContract):
    name = "brightness"
    arguments = (2,)

    @pytest.fixture
    def volume(self, bare_volume: voxome.Volume) -> voxome.Volume:
        bare_volume[0] = 4
        return bare_volume

    def check(self, result: float) -> None:
        assert result == 4


@pytest.mark.usefixtures("plugins")
class TestServiceWithARequirement(ServiceContract):
    name = "level_shapes"

    @pytest.fixture
    def volume(self, tmp_path: Path) -> voxome.Volume:
        write_volume(tmp_path)
        return voxome.open(f"precomputed://{tmp_path}", expect=voxome.Volume)

    def check(self, result: list[tuple[int, ...]]) -> None:
        assert result == [(8, 8, 8)]


@pytest.mark.usefixtures("plugins")
class TestServiceInsteadOfOurs(ServiceContract):
    name = "lab_regions"
    instead_of = "regions"
    options: ClassVar[Mapping[str, Any]] = {"box": "0:1,0:2,0:2"}

    @pytest.fixture
    def volume(self, bare_volume: voxome.Volume) -> voxome.Volume:
        bare_volume[0] = 4
        return bare_volume

    def check(self, result: voxome.Table) -> None:
        assert result["id"].tolist() == [4]
        assert result["voxels"].tolist() == [4]
        assert result.provenance is not None
        assert (result.provenance.way, result.provenance.version) == ("lab_regions", "3")


class TestRegions(ServiceContract):
    name = "regions"

    @pytest.fixture
    def volume(self) -> Iterator[voxome.Volume]:
        yield voxome.put(np.full((2, 3, 4), 7, np.uint64), "memory://regions", voxel_size_nm=(4, 4, 4))
        MemoryRemote().delete(Uri("memory", "regions"))

    def check(self, result: voxome.Table) -> None:
        assert result.row(7)["voxels"] == 24


def segmentation(folder: Path) -> voxome.Volume:
    write_volume(folder, mesh="mesh", skeletons="skeletons")
    write_legacy(folder / "mesh", 2**63 + 5)
    write_info(folder / "skeletons", {"@type": "neuroglancer_skeletons", "vertex_attributes": ATTRIBUTES})
    (folder / "skeletons" / "5").write_bytes(DATA)
    return voxome.open(f"precomputed://{folder}", expect=voxome.Volume)


class OnASegmentation(ServiceContract):
    """A service of a segmentation with one object, and one skeleton."""

    @pytest.fixture
    def volume(self, tmp_path: Path) -> voxome.Volume:
        uri = segmentation(tmp_path).uri
        voxome.open(uri, mode="r+", expect=voxome.Volume)[2:7, 3:5, 3:5] = 5
        return voxome.open(uri, expect=voxome.Volume)


class TestSkeleton(OnASegmentation):
    name = "skeleton"
    arguments = (5,)

    def check(self, result: voxome.Skeleton) -> None:
        assert len(result.parents) == (4 if result.provenance.way == "own" else 5)


class TestSkeletons(OnASegmentation):
    name = "skeletons"

    def check(self, result: voxome.Skeletons) -> None:
        assert result.ids().tolist() == [5]


def test_a_missing_mesh_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no mesh of segment 7"):
        segmentation(tmp_path).mesh(7)


def test_a_store_without_meshes_names_the_stores_that_have_them(volume: voxome.Volume) -> None:
    with pytest.raises(UnsupportedFormat, match=r"^memory://services: this store keeps no meshes; a precomputed"):
        volume.mesh(5, service="own")


def test_a_volume_is_transferred_by_its_service(volume: voxome.Volume) -> None:
    report = volume.transfer("memory://services-copy")
    assert report.bytes == volume.nbytes
    assert np.array_equal(voxome.open("memory://services-copy"), volume)


def test_the_help_is_that_of_the_service(volume: voxome.Volume) -> None:
    assert volume.mesh.__doc__.startswith("Return the mesh of an object of a label volume.")
    assert str(inspect.signature(volume.mesh)).startswith("(id: 'int', lod: 'int' = 0, *, max_error_nm: 'float")
    assert repr(volume.mesh) == "<service mesh of memory://services>"
    assert {"mesh", "skeleton", "transfer", "cutout"} <= set(dir(volume))


def test_an_unknown_attribute_suggests_the_closest_match(volume: voxome.Volume) -> None:
    with pytest.raises(AttributeError, match=r"'Volume' object has no attribute 'mehs'; did you mean 'mesh'\?"):
        _ = volume.mehs
    with pytest.raises(AttributeError, match=r"did you mean 'shape'\?"):
        _ = volume.shap
    for name, call in {"mean": "mean()", "T": "T", "astype": "astype()"}.items():
        with pytest.raises(AttributeError) as caught:
            getattr(volume, name)
        assert str(caught.value) == f"a Volume has no {name!r}, but its voxels are an array: volume[...].{call}"
    with pytest.raises(AttributeError, match=r"has no attribute '_private'$"):
        _ = volume._private
    assert not hasattr(volume, "brightness")


def test_a_volume_can_be_copied(volume: voxome.Volume) -> None:
    assert copy.copy(volume).shape == volume.shape


def test_one_service_with_a_taken_name_leaves_all_others(
    volume: voxome.Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {**targets("voxome.services"), "shape": "elsewhere:shape"}
    monkeypatch.setattr("voxome.resources.services.targets", lambda _: taken)
    assert not hasattr(volume, "nothing_of_this_name")
    assert callable(volume.transfer)
    with pytest.raises(PluginError, match="has the name of an attribute of every volume"):
        dir(volume)


def test_a_volume_can_be_passed_to_a_service_by_name(volume: voxome.Volume) -> None:
    @service(Requirement(SupportsIds, "it keeps no index of its labels"))
    def first_id(volume: voxome.Volume) -> int:
        return int(volume.ids()[0])

    with pytest.raises(UnsupportedFormat, match="keeps no index"):
        first_id(volume=volume)
    with pytest.raises(TypeError, match="needs volume; expected first_id"):
        first_id()  # type: ignore[call-arg]
