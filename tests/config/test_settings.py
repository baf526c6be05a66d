"""Settings from Python, the environment and the file, in this order; invalid ones are named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import voxome
from voxome.config.file import read_config
from voxome.config.profiles import store_profile
from voxome.config.settings import adopt, configure, exported, settings
from voxome.config.values import VARIABLES, Settings
from voxome.errors import InvalidInput, UnknownName
from voxome.redaction import is_secret, redact
from voxome.storage.tensorstore import context


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "config.toml"
    for name in [name for name in os.environ if name.startswith("VOXOME_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VOXOME_CONFIG", str(path))
    yield path
    path.unlink(missing_ok=True)
    read_config.cache_clear()
    monkeypatch.undo()
    configure(**dict.fromkeys(VARIABLES))


def test_settings_have_defaults() -> None:
    assert settings() == Settings(config=settings().config)


def test_python_overrides_the_environment_which_overrides_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[settings]\nhttp_concurrency = 3\nretries = 4\nstall_s = 5\n")
    monkeypatch.setenv("VOXOME_HTTP_CONCURRENCY", "13")
    monkeypatch.setenv("VOXOME_RETRIES", "14")
    voxome.configure(http_concurrency=23)
    assert (settings().http_concurrency, settings().retries, settings().stall_s) == (23, 14, 5)
    voxome.configure(http_concurrency=None)
    assert settings().http_concurrency == 13


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "")
    assert settings().retries == 6


def test_every_invalid_value_is_reported_with_its_source(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[settings]\nstall_s = 0\nhttp_concurency = 3\n")
    monkeypatch.setenv("VOXOME_RETRIES", "many")
    with pytest.raises(InvalidInput) as error:
        settings()
    assert "VOXOME_RETRIES is 'many': expected a whole number" in str(error.value)
    assert f"stall_s in {file} is 0: expected at least 1" in str(error.value)
    assert "Unknown setting 'http_concurency'; did you mean 'http_concurrency'?" in str(error.value)


@pytest.mark.parametrize("budget", ["many", "-1", "5.5", "101%"])
def test_a_failure_budget_is_checked_where_it_is_set(budget: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=f"max_failures is {budget!r}: expected a number of jobs, or a share"):
        configure(max_failures=budget)
    monkeypatch.setenv("VOXOME_MAX_FAILURES", budget)
    with pytest.raises(InvalidInput, match=f"VOXOME_MAX_FAILURES is {budget!r}: expected a number of jobs, or a share"):
        settings()


def test_an_invalid_call_changes_nothing() -> None:
    configure(retries=2)
    with pytest.raises(UnknownName, match="Unknown setting 'retry'; did you mean 'retries'"):
        configure(retry=3)
    with pytest.raises(InvalidInput, match="retries is -1"):
        configure(retries=-1, stall_s=3)
    assert (settings().retries, settings().stall_s) == (2, 10)


def test_workers_adopt_changed_settings_except_those_of_the_machine(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_THREADS", "4")
    monkeypatch.setenv("VOXOME_RETRIES", "2")
    configure(state=tmp_path, http_concurrency=64)
    values = exported()
    assert values == {"http_concurrency": 64, "retries": 2}
    file.write_text('profile = "lab"\n')
    assert exported() == {**values, "config": str(file)}
    monkeypatch.delenv("VOXOME_RETRIES")
    adopt({**exported(), "config": str(tmp_path / "elsewhere.toml"), "retries": 3})
    assert (settings().retries, settings().state, settings().config) == (3, None, file)


def test_a_worker_without_a_configuration_file_ignores_the_profile(file: Path, tmp_path: Path) -> None:
    file.write_text("[profiles.lab.s3]\n")
    configure(profile="lab")
    exports = {**exported(), "config": str(tmp_path / "elsewhere.toml")}
    adopt(exports)
    assert settings().profile == "lab"
    file.unlink()
    read_config.cache_clear()
    configure(profile=None)
    adopt(exports)
    assert store_profile("s3").host is None


@pytest.mark.parametrize("name", ["pwd", "pass", "auth", "private_key", "credentials", "db_password", "sig"])
def test_options_with_secrets_are_recognised(name: str) -> None:
    assert is_secret(name)
    assert redact(f"http://host/x?{name}=abc&n=1") == f"http://host/x?{name}=***&n=1"


@pytest.mark.parametrize("name", ["key", "partition", "author", "bypass", "compass", "keyring", "design"])
def test_other_options_are_shown(name: str) -> None:
    assert not is_secret(name)


def test_volumes_opened_later_share_a_new_context() -> None:
    before = context()
    assert context() is before
    configure(http_concurrency=64, cache_bytes=1 << 20)
    assert context() is not before
    assert context()["http_request_concurrency"].to_json() == {"limit": 64}
    assert context()["cache_pool"].to_json() == {"total_bytes_limit": 1 << 20}


@pytest.mark.slow
def test_settings_may_change_while_other_threads_open_stores() -> None:
    def open_many() -> None:
        for _ in range(1500):
            context()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            opening = [pool.submit(open_many) for _ in range(4)]
            for number in range(300):
                configure(retries=number)
    finally:
        sys.setswitchinterval(interval)
    assert [one.result() for one in opening] == [None] * 4


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["", "VOXOME_RETRIES"])
def test_pydantic_is_imported_only_where_a_setting_has_to_be_validated(tmp_path: Path, variable: str) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    voxome.create(uri, voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    code = f"import sys, voxome, voxome.blocks.job; voxome.open({uri!r})[...]; print('pydantic' in sys.modules)"
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME")}
    rest = {name: value for name, value in os.environ.items() if not name.startswith("VOXOME_")}
    environment = {**rest, **home, **({variable: "3"} if variable else {})}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(bool(variable))


def test_a_number_of_failures_may_be_a_number() -> None:
    configure(max_failures=5)
    assert settings().max_failures == "5"
