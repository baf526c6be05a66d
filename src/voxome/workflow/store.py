"""The store of a run: where its results and intermediate data are kept."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from voxome.contracts.formats import PRIVATE
from voxome.contracts.handle import STORE, within
from voxome.contracts.json_text import json_text
from voxome.contracts.run_record import RunRecord
from voxome.errors import AlreadyExists, InvalidInput
from voxome.redaction import redact
from voxome.resources.folders import require_outside_volumes
from voxome.storage.atomic import replacing
from voxome.storage.find import storage_at
from voxome.storage.local import LocalPath
from voxome.storage.lock import lock_store
from voxome.storage.path import StoragePath
from voxome.workflow.options import STEPS

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_STEP = re.compile(re.escape(STEPS.removeprefix(STORE)) + "/([^/]+)")
_RUN_ID, _PLAN_KEY = "id", "plan-key"


def _is_address(place: str | Path) -> bool:
    """Return whether a text is an address and no path, as ``s3://bucket/folder``."""
    return _ADDRESS.match(str(place)) is not None


def local_folder(path: str | Path) -> Path:
    """Return the absolute path of a folder.

    Raises
    ------
    InvalidInput
        If it is an address.
    """
    if _is_address(path):
        raise InvalidInput(f"{redact(str(path))} is an address; expected a folder of this machine")
    return Path(path).expanduser().absolute()


def run_folder(out: str | Path) -> Path:
    """Return the absolute path of a run folder.

    Raises
    ------
    InvalidInput
        If it is an address, as ledger and logs are kept on this machine, or inside a volume.
    """
    if _is_address(out):
        raise InvalidInput(
            f"The run folder {out} is an address; expected a local folder. Results and intermediate data can be kept "
            "elsewhere with store= (--store)"
        )
    return require_outside_volumes(Path(out).expanduser().resolve())


def store_address(store: str | Path | None, folder: Path) -> str:
    """Return the address of the store of a run, which is its own folder by default.

    Raises
    ------
    ReadOnly
        If nothing can be written there, as behind http.
    InvalidInput
        If it is a file, or inside a volume.
    UnsupportedFormat, InvalidUri, UnknownName
        If it is not an address, or has unknown options.
    """
    if store is None:
        return home_address(folder)
    path = storage_at(str(store), writing=True) if "://" in str(store) else LocalPath(str(Path(store).expanduser()))
    if path.is_local and Path(path.path).is_file():
        raise InvalidInput(f"{store} is a file; expected a folder or an address for the results")
    return home_address(require_outside_volumes(Path(path.path).resolve())) if path.is_local else path.address


def home_address(folder: Path) -> str:
    """Return the address of a folder on this machine, whatever characters its name has."""
    return LocalPath(str(folder)).address


@contextmanager
def lock_results(address: str, folder: Path) -> Iterator[None]:
    """Lock a store for the run in `folder`, whose own lock is locked already.

    Raises
    ------
    RunLocked
        If the run of another folder holds it.
    """
    if address == home_address(folder):
        yield
        return
    with lock_store(storage_at(address), run_id(folder), _holder(folder)):
        yield


def run_id(folder: Path) -> str:
    """Return the id of the run in `folder` on this machine, which owns its lock and its rows in shared records.

    A copy of the folder is another run, and has another id.
    """
    path = folder / PRIVATE / _RUN_ID
    if not path.exists() or not path.read_text(encoding="ascii"):
        with replacing(path) as partial:
            partial.write_text(uuid4().hex, encoding="ascii")
    text = f"{path.read_text(encoding='ascii')} {_holder(folder)}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def _holder(folder: Path) -> str:
    return f"{socket.gethostname()}:{folder}"


def claim_store(address: str, folder: Path, plan_key: str, earlier: Collection[str]) -> None:
    """Reserve a store outside the run folder for the results of one plan.

    Parameters
    ----------
    address : str
        Address of the store.
    folder : path
        The run folder.
    plan_key : str
        Key of the plan.
    earlier : collection of str
        Keys of the plans that the folder held before, whose claim is replaced.

    Raises
    ------
    AlreadyExists
        If it has the results of another run, finished or not.
    """
    if address != home_address(folder) and require_claimable(address, folder, plan_key, earlier) != plan_key:
        (storage_at(address) / PRIVATE / _PLAN_KEY).write_bytes(plan_key.encode())


def require_claimable(address: str, folder: Path, plan_key: str, earlier: Collection[str]) -> str | None:
    """Return the key of the plan that has claimed a store, or None; see `claim_store`.

    Raises
    ------
    AlreadyExists
        If it is the plan of another run.
    """
    if address == home_address(folder):
        return None
    claim = (storage_at(address) / PRIVATE / _PLAN_KEY).read_bytes()
    key = None if claim is None else claim.decode()
    if key not in (None, plan_key, *earlier):
        raise AlreadyExists(
            f"{address} has the results of another run (plan {key}, this one is {plan_key}); choose another store, or "
            "delete it"
        )
    return key


def intermediates(address: str) -> StoragePath:
    """Return the folder of the intermediate data of a run."""
    return storage_at(within(STEPS, address))


def steps_with_results(record: Mapping[str, Any]) -> frozenset[str]:
    """Return the folders in `intermediates` that have results of a finished run: arrays of scattered steps, say.

    Parameters
    ----------
    record : mapping
        Content of ``run.json``.
    """
    addresses = _texts([record.get("outputs"), record.get("values")])
    return frozenset(found[1] for one in addresses if (found := _STEP.search(unquote(one))))


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in JSON values."""
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _texts(one)


def write_record(address: str, name: str, record: RunRecord) -> None:
    """Write a JSON document beside the results, so that they describe themselves."""
    text = json_text(record, name, indent=1) + "\n"
    (storage_at(address) / name).write_bytes(text.encode())
