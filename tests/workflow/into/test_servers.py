"""Results are copied into DVID and BossDB."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from standins import boss
from workflow.into.conftest import BOX, SHAPE, SIZE, Lab, opened, transfers

import voxome


@pytest.mark.slow
def test_labels_become_a_labelmap_of_dvid(lab: Lab, node: str) -> None:
    record = lab.run(into={"neurons": f"{node}/neurons"}, verify="all", box=BOX, levels=2)
    volume = opened(f"{node}/neurons")
    box = voxome.Box.parse(BOX)
    assert volume.spec.encoding == {"type": "labelmap", "levels": 1}
    assert np.isin(opened(volume.uri, level=1)[...], lab.neurons).all()
    assert opened(volume.uri, level=1)[...].any()
    assert (volume.domain, volume.voxel_size_nm) == (box, SIZE)
    assert np.array_equal(volume[...], lab.neurons[box.within(opened(f"{lab.folder}/ids.zarr").domain)])
    assert transfers(record)["neurons"]["verified"] > 0
    lab.edit_lookup(5_000)
    lab.run(into={"neurons": f"{node}/neurons"}, box=BOX, levels=2)
    assert 5_000 in volume.ids()


@pytest.mark.slow
def test_labels_become_an_annotation_channel_of_bossdb(lab: Lab, archive: str) -> None:
    domain = opened(f"{lab.folder}/ids.zarr").domain
    into = {"mask": f"{archive}/mask", "neurons": f"{archive}/neurons"}
    record = lab.run(into=into, verify="all")
    assert np.array_equal(opened(into["neurons"]).cutout(domain), lab.neurons)
    assert np.array_equal(opened(into["mask"]).cutout(domain), lab.mask())
    assert (opened(into["neurons"]).spec.kind, opened(into["mask"]).spec.kind) == ("labels", "image")
    assert set(transfers(record)) == set(into)


@pytest.mark.slow
def test_a_version_of_dvid_that_is_locked_is_refused_before_any_block(lab: Lab, node: str) -> None:
    voxome.create(f"{node}/neurons", opened(f"{lab.folder}/ids.zarr").spec, encoding=None)
    connection: Any = voxome.connect(node)
    connection.commit("done")
    assert "locked" in lab.problems({"neurons": f"{node}/neurons"}, existing=True)
    assert "locked" in lab.problems({"neurons": f"{node}/others"})


@pytest.mark.slow
def test_a_token_that_may_not_write_is_refused_before_any_block(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with boss.serving() as server:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.add_user("guest"))
        assert "does not have the role" in lab.problems({"mask": f"bossdb://{server.url}/lab/brain/mask"})
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "wrong")
        assert "token" in lab.problems({"mask": f"bossdb://{server.url}/lab/brain/mask"})


@pytest.mark.slow
def test_a_server_that_is_not_there_is_a_problem(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "0")
    assert "127.0.0.1:1" in lab.problems({"neurons": "dvid://127.0.0.1:1/abc/neurons"})


@pytest.mark.slow
def test_the_box_of_a_run_becomes_a_channel_of_the_experiment_of_its_image(lab: Lab, archive: str) -> None:
    spec = opened(f"{lab.folder}/raw.zarr").spec
    voxome.create(f"{archive}/em", spec, encoding=None)
    into = {"neurons": f"{archive}/neurons"}
    lab.run(into=into, box=BOX)
    box, channel = voxome.Box.parse(BOX), opened(into["neurons"])
    inside = box.within(spec.domain)
    expected = np.zeros(SHAPE, np.uint64)
    expected[inside] = lab.neurons[inside]
    assert channel.domain == opened(f"{archive}/em").domain
    assert np.array_equal(channel.cutout(spec.domain), expected)
    assert transfers(lab.run(into=into, box=BOX))["neurons"]["blocks"]["run"] == 0


@pytest.mark.slow
def test_an_offset_that_dvid_cannot_store_is_refused_unless_dropped(lab: Lab, node: str) -> None:
    spec = opened(f"{lab.folder}/ids.zarr").spec
    voxome.create(f"zarr://{lab.folder}/shifted.zarr", spec, offset_nm=(20.0, 4.0, 4.0))[...] = lab.ids
    inputs = {"ids": str(lab.folder / "shifted.zarr")}
    refused = lab.problems({"neurons": f"{node}/neurons"}, inputs=inputs)
    assert "DVID cannot store offset_nm (20.0, 4.0, 4.0)" in refused
    lab.run(into={"neurons": f"{node}/neurons"}, inputs=inputs, drop=["offset"])
    assert np.array_equal(opened(f"{node}/neurons").cutout(spec.domain), lab.neurons)
