"""The status of a relay as a page: one file of HTML, without scripts, that reloads itself."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
"""What the page may load: nothing."""
_RELOAD_S = 10
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --up: #1a7f4b; --down: #c0392b; --unused: #777; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 2rem 1.5rem; max-width: 76rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; } p { color: #888; margin: .2rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin-top: 1.2rem; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.25rem; font-weight: 600; } .tile span { color: #888; font-size: .85rem; }
meter { width: 100%; height: .6rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 500; font-size: .8rem; color: #888; white-space: nowrap; }
th, td { padding: .45rem .6rem; border-bottom: 1px solid var(--line); }
td { text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.warning { color: inherit; border-left: .25rem solid var(--down); padding-left: .7rem; margin-top: .8rem; }
tr:hover td { background: var(--soft); }
.up, .down, .unused { display: inline-block; border-radius: 1rem; padding: 0 .6rem; color: #fff; font-size: .8rem; }
.up { background: var(--up); } .down { background: var(--down); } .unused { background: var(--unused); }
"""
_COLUMNS = (
    "Source", "State", "Last success", "Last error", "Errors", "Hit rate", "Reads", "Prefetched", "Read", "Fetched",
    "Written", "Latency: median, 95 %",
)  # fmt: skip


def render(status: dict[str, Any]) -> str:
    """Return the page of a status (see `build_status`), with ``warnings``, a list of sentences."""
    rows = "".join(_row(one) for one in status["sources"])
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    table = f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
    sources = table if rows else "<p>There is no source that you may read.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Relay status</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{_RELOAD_S}">'
        f"<style>{_STYLE}</style></head><body><h1>Relay status</h1>"
        f"<p>voxome {escape(status['version'])}, up for {_duration(status['uptime_s'])}, since {status['started']}</p>"
        f"{''.join(f'<p class=warning>{escape(one)}</p>' for one in status['warnings'])}"
        f'<div class="tiles">{_tiles(status)}</div><h2>Sources</h2>{sources}'
        '<p><a href="status.json">The same as JSON</a></p></body></html>'
    )


def _tiles(status: dict[str, Any]) -> str:
    sources, processes = status["sources"], status["processes"]
    down = sum(one["state"] == "down" for one in sources)
    pids = ", ".join(str(one["pid"]) for one in processes)
    tiles = [
        _tile("Sources", str(len(sources)), f"{down} down" if down else "none is down"),
        _tile("Processes", str(len(processes)), f"pid {pids}"),
        *(_tier(name, tier) for name, tier in status["cache"].items() if tier is not None),
    ]
    return "".join(tiles)


def _tile(title: str, value: str, more: str) -> str:
    return f'<div class="tile"><span>{title}</span><b>{escape(value)}</b><span>{escape(more)}</span></div>'


def _tier(name: str, tier: dict[str, int]) -> str:
    used, budget = tier["bytes"], tier["budget_bytes"]
    return (
        f'<div class="tile"><span>Cache in {"memory" if name == "memory" else "files"}</span><b>{_bytes(used)}</b>'
        f'<meter min="0" max="{max(1, budget)}" value="{used}"></meter><span>of {_bytes(budget)}</span></div>'
    )


def _row(source: dict[str, Any]) -> str:
    error, rate, state = source["last_error"], source["hit_rate"], source["state"]
    cells = [
        escape(source["name"]),
        f'<span class="{state}">{state}</span>',
        _age(source["last_success"]),
        "" if error is None else f"{escape(error['class'])}, {_age(error['time'])}",
        f"{source['errors']:,}",
        "" if rate is None else f"{100 * rate:.1f} %",
        f"{source['chunk_reads']:,}",
        f"{source['prefetched']:,}",
        *(_bytes(source[f"{name}_bytes"]) for name in ("read", "fetched", "written")),
        _latency(source["latency_s"]),
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _latency(latency: dict[str, float | None] | None) -> str:
    if latency is None:
        return ""
    return ", ".join("over 10 s" if latency[name] is None else f"{latency[name]:g} s" for name in ("p50", "p95"))


def _age(time: str | None) -> str:
    """Return how long ago a time was, with the time itself as a hint."""
    if time is None:
        return ""
    seconds = max(0, round((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()))
    return f'<span title="{time}">{_duration(seconds)} ago</span>'


def _bytes(count: int) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> _bytes(0), _bytes(1536), _bytes(3 * 2**30)
    ('0 B', '1.5 KiB', '3.0 GiB')
    """
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def _duration(seconds: int) -> str:
    """Return a time in its two largest units.

    Examples
    --------
    >>> _duration(59), _duration(3700), _duration(200_000)
    ('59 s', '1 h 1 min', '2 d 7 h')
    """
    units = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    parts: list[str] = []
    for size, unit in units:
        count, seconds = divmod(seconds, size)
        parts += [f"{count} {unit}"] if count or (unit == "s" and not parts) else []
    return " ".join(parts[:2])
