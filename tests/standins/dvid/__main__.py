"""Run the stand-in: ``python -m standins.dvid --port 8000 --admin-token secret``."""

from __future__ import annotations

import argparse

from standins.dvid.app import listening, server_of
from standins.dvid.service import Service


def main() -> None:
    """Serve until interrupted; the base URL is printed first."""
    options = argparse.ArgumentParser(prog="python -m standins.dvid", description="A DVID server in memory.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8000, help="0 for a free one")
    options.add_argument("--admin-token", help="what ?admintoken= must be where the server asks for one")
    options.add_argument("--note", default="recording", help="what /api/server/note says")
    options.add_argument("--throttled", type=int, default=1, help="how many requests with throttle=true may run")
    chosen = options.parse_args()
    with listening(chosen.host, chosen.port) as (listener, url):
        print(url, flush=True)
        server_of(Service(chosen.admin_token, chosen.note, chosen.throttled)).run([listener])


if __name__ == "__main__":
    main()
