"""A client of Airflow's REST API (version 2, of Airflow 3)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from voxome.config.profiles import store_profile
from voxome.errors import AccessDenied, InvalidInput, NotFound, StoreError
from voxome.redaction import Secret, redact

_TIMEOUT_S = 60.0
_PAGE = 100
_ATTEMPTS = 5
_UNAVAILABLE = frozenset({429, 500, 502, 503, 504})
_PAUSE_S = 1.0
_ADVICE = "set VOXOME_AIRFLOW_TOKEN, or token and option user of the profile's airflow"


class _NotLoggedIn(Exception):
    """Airflow gives no token now."""


class AirflowClient:
    """Requests to an Airflow.

    The token is that of ``VOXOME_AIRFLOW_TOKEN`` or of the profile's ``airflow``; with the option ``user`` of the
    profile it is the password of that user. An Airflow that needs neither gives one to everybody.

    Parameters
    ----------
    url : str
        Address of the API server.

    Raises
    ------
    InvalidInput
        If it is not an address.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(f"{redact(url)!r} is not the address of an Airflow; write http://HOST[:PORT]")
        profile = store_profile("airflow", url)
        self._user, self._secret, self._url = profile.options.get("user"), profile.token, url.rstrip("/")
        self._bearer: Secret | None = None if self._user else self._secret
        self._http = httpx.Client(base_url=self._url, timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def find_dag(self, dag: str) -> Mapping[str, Any] | None:
        """Return what Airflow knows of a DAG, or None if it has not parsed it."""
        try:
            return self._json("GET", f"/api/v2/dags/{dag}")
        except NotFound:
            return None

    def import_error(self, file: str) -> str:
        """Return why Airflow cannot parse the file of a name; empty if that is not known."""
        for one in self._pages("/api/v2/importErrors", "import_errors"):
            if str(one.get("filename", "")).endswith(file):
                return str(one.get("stack_trace", ""))
        return ""

    def unpause(self, dag: str) -> None:
        """Let runs of a DAG start: Airflow pauses new ones."""
        self._json("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str) -> str:
        """Start a run of a DAG, and return its id."""
        return str(self._json("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"])

    def running(self, dag: str) -> list[str]:
        """Return the ids of the runs of a DAG that have not ended."""
        runs = self._pages(f"/api/v2/dags/{dag}/dagRuns", "dag_runs")
        return [one["dag_run_id"] for one in runs if one["state"] in ("queued", "running")]

    def run_state(self, dag: str, run: str) -> str:
        """Return the state of a run: ``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._json("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def tasks(self, dag: str, run: str) -> list[Mapping[str, Any]]:
        """Return all task instances of a run, from as many pages as there are."""
        return list(self._pages(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", "task_instances"))

    def _pages(self, path: str, items: str) -> Iterator[Mapping[str, Any]]:
        """Yield entries until all are there: servers give fewer at once than a request asks for."""
        offset = 0
        while True:
            page = self._json("GET", path, params={"limit": _PAGE, "offset": offset, "order_by": "id"})
            yield from page[items]
            offset += len(page[items])
            if not page[items] or offset >= page["total_entries"]:
                return

    def _json(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Send a request, again where Airflow does not answer and that does no harm.

        Raises
        ------
        AccessDenied, NotFound, StoreError
        """
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_S * 2 ** (attempt - 1))
            logged_in = self._bearer is not None
            try:
                reply = self._http.request(method, path, json=body, params=params, headers=self._headers())
            except _NotLoggedIn as error:
                problem = str(error)
                continue
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                if method == "POST" and not isinstance(error, httpx.ConnectError):
                    break
                continue
            if reply.status_code < 300:
                return reply.json()
            problem = f"{reply.status_code} {redact(reply.text)[:300]}"
            if reply.status_code == 401 and self._user and logged_in:
                self._bearer = None
            elif reply.status_code in (401, 403):
                raise AccessDenied(f"{self._url} refuses {method} {path}: {problem}; {_ADVICE}")
            elif reply.status_code == 404:
                raise NotFound(f"{self._url}{path} does not exist: {problem}")
            elif reply.status_code not in _UNAVAILABLE or method == "POST":
                break
        raise StoreError(f"{method} {self._url}{path} failed: {problem}")

    def _headers(self) -> dict[str, str]:
        if self._bearer is None:
            self._bearer = self._log_in()
        return {"Authorization": f"Bearer {self._bearer.reveal()}"}

    def _log_in(self) -> Secret:
        """Return a token for the user of the profile, or one that Airflow gives to everybody.

        Raises
        ------
        _NotLoggedIn
            If that may succeed later.
        AccessDenied
        """
        try:
            if self._user and self._secret is not None:
                words = {"username": self._user, "password": self._secret.reveal()}
                reply = self._http.post("/auth/token", json=words)
            else:
                reply = self._http.get("/auth/token")
        except httpx.TransportError as error:
            raise _NotLoggedIn(f"{type(error).__name__}: {error}") from error
        if reply.status_code in _UNAVAILABLE:
            raise _NotLoggedIn(f"{reply.status_code} for /auth/token")
        if reply.status_code not in (200, 201):
            raise AccessDenied(f"{self._url} gives no token ({reply.status_code}); {_ADVICE}")
        return Secret(str(reply.json()["access_token"]))
