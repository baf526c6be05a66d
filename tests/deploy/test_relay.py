"""Files with which a relay is deployed: they agree with the relay, and the image runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers.podman import Podman
from peers.process import free_port
from peers.python_root import python_root
from ruamel.yaml import YAML

import voxome
from voxome.relay.cache.counters import SourceCounters, exposition
from voxome.relay.config_file import parse_config, read_config
from voxome.testing.strategies import noise

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "containers" / "Dockerfile"
FOLDER = ROOT / "deploy" / "relay"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def load(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(file.read_text())
    return content


def compose() -> dict[str, Any]:
    return load(FOLDER / "compose.yaml")


def test_the_configuration_is_one_of_a_relay() -> None:
    config = parse_config(read_config(FOLDER / "relay.toml"), "relay.toml")
    environment = compose()["services"]["relay"]["environment"]
    assert {config.catalogue_env, config.admin_token_env} == set(environment)
    grace = compose()["services"]["relay"]["stop_grace_period"]
    assert config.drain_s + config.shutdown_s + 10 < int(grace.removesuffix("s"))


def test_no_file_has_a_secret_and_all_that_are_mounted_exist() -> None:
    services = compose()["services"]
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|TOKEN|CATALOGUE", name) or "${" in value
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in compose()["volumes"]
    assert (FOLDER / services["relay"]["build"]["context"] / services["relay"]["build"]["dockerfile"]).is_file()


def test_metrics_of_the_dashboard_exist() -> None:
    dashboard = json.loads((FOLDER / "grafana" / "dashboards" / "relay.json").read_text())
    known = set(re.findall(r"^# TYPE (\S+)", exposition({"em": SourceCounters().totals()}), re.MULTILINE))
    known |= {"voxome_relay_cache_disk_bytes"}
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name.removesuffix("_bucket") for one in expressions for name in re.findall(r"voxome_\w+", one)}
    assert used <= known
    assert len(used) >= 7
    source = load(FOLDER / "grafana" / "provisioning" / "datasources" / "prometheus.yaml")
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["datasources"][0]["uid"]}
    jobs = load(FOLDER / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert jobs[0]["static_configs"][0]["targets"] == ["relay:8090"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = (FOLDER / "voxome-relay.service").read_text()
    file = tmp_path / "voxome-relay.service"
    file.write_text(unit.replace("/opt/voxome/bin/voxome", sys.executable))
    verified = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("VOXOME_TEST_IMAGE" not in os.environ, reason="`make test-image` builds it from a package index")
def test_the_image_serves_as_nobody_from_a_root_that_cannot_be_written(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "etc").mkdir()
    os.chown(tmp_path / "lib", 10001, 10001)
    tmp_path.chmod(0o755)
    voxels = noise((64, 64, 64), "uint8")
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of(voxels.shape, "uint8", chunk=(32, 32, 32)))[:] = (
        voxels
    )
    port = free_port()
    settings = f'host = "127.0.0.1"\nport = {port}\ncatalogue = "/var/lib/voxome/catalogue.sqlite"\n'
    settings += 'data = "/var/lib/voxome/data"\nworkers = 2\n[cache]\nfolder = "/var/lib/voxome/cache"\n'
    (tmp_path / "etc" / "relay.toml").write_text(f'{settings}[sources.em]\nuri = "/data/em.zarr"\ncache = true\n')
    podman("import", "-", "localhost/python:test", stdin=python_root())
    trust = [f"--volume={CERTIFICATES}:/run/certificates.crt:ro", "--env=PIP_CERT=/run/certificates.crt"]
    podman(
        "build", "--network=host", "--build-arg=BASE=localhost/python:test", "--tag=localhost/voxome-relay:test",
        "--target=relay", "--build-arg=EXTRAS=relay,postgresql",
        *(trust if CERTIFICATES.exists() else []), f"--file={DOCKERFILE}", str(ROOT), timeout_s=800,
    )  # fmt: skip
    container = podman(
        "run", "--detach", "--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=all",
        "--security-opt=no-new-privileges", f"--volume={tmp_path}/etc:/etc/voxome:ro",
        f"--volume={tmp_path}/lib:/var/lib/voxome", f"--volume={tmp_path}/em.zarr:/data/em.zarr:ro",
        "localhost/voxome-relay:test",
    ).strip()  # fmt: skip
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
    while not _is_ready(url):
        assert time.monotonic() < deadline, podman("logs", container)
        time.sleep(0.5)
    cutout = httpx.get(f"{url}/raw/em/cutout?box=0:64,0:64,0:64", timeout=60)
    assert cutout.content[-voxels.nbytes :] == voxels.tobytes()
    assert podman("exec", container, "id", "-u").strip() == "10001"
    check = re.search(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
    assert check is not None
    command = [one.replace("8090", str(port)) for one in json.loads(check[1])]
    podman("exec", container, *command)
    podman("stop", "--time=40", container, timeout_s=60)
    assert podman("inspect", "--format={{.State.ExitCode}}", container).strip() == "0"


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.HTTPError:
        return False
