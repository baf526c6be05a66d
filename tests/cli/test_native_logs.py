"""Log lines of compiled libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voxome.cli.native_logs import hidden_native_logs

LOG = b"E1129 06:12:56.806919    4757 common-io:5] static: Failed to open file.\n"
EARLY = b"W0000 00:00:1732866776.806919    4757 google_auth_provider.cc:136] Could not find the credentials file\n"
ABSL = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
FATAL = b"F1129 06:12:56.806919    4757 a.cc:5] Check failed\n"


def test_log_lines_are_left_out_and_all_else_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with hidden_native_logs():
        for part in (LOG, EARLY, b"E", b"nd of a line\n", ABSL, LOG[:20], LOG[20:], FATAL, "ünd so weiter".encode()):
            os.write(2, part)
        sys.stderr.write("Python's own\n")  # at once, as print does not
    seen = capfd.readouterr().err
    assert seen.replace("Python's own\n", "") == f"End of a line\n{FATAL.decode()}ünd so weiter"
    os.write(2, LOG)
    assert capfd.readouterr().err == LOG.decode()


def test_processes_that_outlive_the_command_do_not_delay_it(capfd: pytest.CaptureFixture[str]) -> None:
    with hidden_native_logs(), subprocess.Popen(["sleep", "0.2"]) as child:
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from a child\\n')"], check=True)
    assert child.returncode == 0
    assert capfd.readouterr().err == "from a child\n"


@pytest.mark.slow
@pytest.mark.parametrize(("options", "lines"), [([], 1), (["--log-level", "warning"], None)])
def test_s3_without_configuration_prints_one_line(tmp_path: Path, options: list[str], lines: int | None) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(tmp_path), "VOXOME_RETRIES": "1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    command: list[Any] = [sys.executable, "-m", "voxome.cli.main", *options, "info", "s3://bucket/volume"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    printed = result.stderr.splitlines()
    assert printed[-1].startswith("voxome: s3://bucket/volume")
    assert lines is None or len(printed) == lines
    assert lines is not None or len(printed) > 1
