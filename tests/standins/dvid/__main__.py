"""Run the stand-in: ``python -m standins.dvid --port 8000 --admin-token secret``."""

from __future__ import annotations

import argparse

from standins.dvid.app import create_server, open_listener
from standins.dvid.service import Service


def main() -> None:
    """Print the base URL and serve until interrupted."""
    options = argparse.ArgumentParser(prog="python -m standins.dvid", description="A DVID server in memory.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8000, help="0 for any free port")
    options.add_argument("--admin-token", help="value that ?admintoken= must have for administrators")
    options.add_argument("--note", default="recording", help="text of /api/server/note")
    options.add_argument("--throttled", type=int, default=1, help="limit of concurrent requests with throttle=true")
    arguments = options.parse_args()
    with open_listener(arguments.host, arguments.port) as (listener, url):
        print(url, flush=True)
        create_server(Service(arguments.admin_token, arguments.note, arguments.throttled)).run([listener])


if __name__ == "__main__":
    main()
