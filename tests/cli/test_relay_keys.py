"""Key pairs of a relay's S3 API."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_key_pairs_are_made_listed_without_secrets_and_revoked(command: Any, tmp_path: Path) -> None:
    catalogue = ("--catalogue", str(tmp_path / "catalogue.sqlite"))
    made = command("relay", "key", "create", "ann", "--group", "lab", "--expires", "30d", *catalogue)
    values = dict(line.split("=", 1) for line in made.out.splitlines())
    assert list(values) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    listed = command("relay", "key", "list", "--json", *catalogue)
    (row,) = listed.json
    assert (row["access_key"], row["user"]) == (values["AWS_ACCESS_KEY_ID"], "ann")
    assert row["expires"] is not None
    assert values["AWS_SECRET_ACCESS_KEY"] not in listed.out
    command("relay", "key", "revoke", values["AWS_ACCESS_KEY_ID"], *catalogue)
    assert command("relay", "key", "list", "--json", *catalogue).json == []
