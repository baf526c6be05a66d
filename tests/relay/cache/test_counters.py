"""Counters of sources in the text format of Prometheus."""

from __future__ import annotations

import re

from voxome.relay.cache.counters import SourceCounters, exposition


def test_counters_are_written_for_prometheus() -> None:
    counters = SourceCounters()
    counters.add("memory_hits", 3)
    counters.observe_fetch(0.02, 1000)
    counters.observe_fetch(99.0, 500)
    text = exposition({"lab/em": counters.values, "other": SourceCounters().values})
    assert 'voxome_relay_chunk_reads_total{source="lab/em",result="memory"} 3\n' in text
    assert 'voxome_relay_chunk_reads_total{source="other",result="memory"} 0\n' in text
    assert 'voxome_relay_fetched_bytes_total{source="lab/em"} 1500\n' in text
    assert 'voxome_relay_fetch_seconds_bucket{source="lab/em",le="0.01"} 0\n' in text
    assert 'voxome_relay_fetch_seconds_bucket{source="lab/em",le="0.025"} 1\n' in text
    assert 'voxome_relay_fetch_seconds_bucket{source="lab/em",le="+Inf"} 2\n' in text
    assert 'voxome_relay_fetch_seconds_count{source="lab/em"} 2\n' in text
    assert 'voxome_relay_fetch_seconds_sum{source="lab/em"} 99.02\n' in text


def test_each_metric_is_described_once_and_its_samples_stand_together() -> None:
    lines = exposition({"a": SourceCounters().values, "b": SourceCounters().values}).splitlines()
    names = [re.split(r"[{ ]", line.removeprefix("# HELP ").removeprefix("# TYPE "))[0] for line in lines]
    families = [re.sub("_(bucket|sum|count)$", "", name) for name in names]
    begins = [name for i, name in enumerate(families) if i == 0 or families[i - 1] != name]
    assert len(begins) == len(set(begins))
