"""What fuzzed inputs reach: ``python -m fuzz.reach [--inputs N] [TARGET …]`` from ``tests/``.

Prints tables in Markdown: the share of branches of the modules that read what others wrote, without those that are
compiled, and the share of mutants that keep the header of their seed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import voxome
from fuzz.decoders import DECODERS
from fuzz.documents import DOCUMENTS
from fuzz.mutation import mutate
from fuzz.targets import TARGETS, open_target

MODULES = (
    "remotes/decompression.py", "storage/blosc_frames.py", "remotes/image_headers.py", "remotes/image_codecs.py",
    "remotes/png_format.py",
    "remotes/json_members.py", "remotes/swc_format.py", "remotes/mesh_formats.py", "remotes/mesh_files/*.py",
    "remotes/npy.py", "remotes/nifti.py", "remotes/images.py", "remotes/tiff_descriptions.py",
    "remotes/tiff_directories.py", "remotes/tiff_files.py",
    "remotes/knossos/*.py", "remotes/zarr/metadata.py", "remotes/zarr/normalize_metadata.py", "remotes/zarr/ome.py",
    "remotes/zarr/handle.py", "remotes/n5/lz4.py", "remotes/n5/metadata_flavours.py", "remotes/precomputed/info.py",
    "remotes/precomputed/mesh_manifest.py", "remotes/dvid/label_blocks.py", "remotes/dvid/indices.py",
    "remotes/dvid/sparse.py", "remotes/bossdb/cutouts.py", "relay/codings.py", "relay/npy.py", "relay/config.py",
    "relay/config_file.py", "relay/request_parser.py", "relay/recalled.py", "relay/writes/frame.py",
    "relay/writes/entry.py",
    "relay/dialects/boss/formats.py", "relay/dialects/s3/documents.py", "contracts/uri.py", "contracts/handle.py",
    "contracts/provenance.py", "contracts/json_text.py", "environments/lock.py", "models/cards.py",
    "resources/row_bytes.py", "workflow/job_file.py", "workflow/blocks_hint.py", "models/pixels/ilastik.py",
    "models/pixels/classifier.py", "models/pixels/card.py", "remotes/dicom.py", "remotes/wkw.py",
    "remotes/precomputed/annotations.py", "remotes/precomputed/annotation_codec.py",
    "remotes/precomputed/shard_reader.py", "remotes/precomputed/sharding.py", "storage/zips.py",
)  # fmt: skip
"""What reads what others wrote, below the package."""


def header_share(name: str, count: int = 2000) -> float:
    """Return the share of mutants of a decoder that keep the header of one of its seeds."""
    decoder = DECODERS[name]()
    heads = {seed[: decoder.header] for seed in decoder.seeds}
    random = Random(name)
    mutants = (mutate(random, decoder.seeds, decoder.header) for _ in range(count))
    return sum(mutant[: decoder.header] in heads for mutant in mutants) / count


def measure(names: list[str], inputs: int) -> Any:
    """Run inputs of targets in this process, and return what the package coverage has seen of them."""
    root = Path(voxome.__file__).parent
    seen = importlib.import_module("coverage").Coverage(
        branch=True, data_file=None, include=[str(root / one) for one in MODULES]
    )
    seen.start()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            attempt = open_target(name, Path(folder))
            for number in range(inputs if name in DECODERS or name in DOCUMENTS else inputs // 10):
                with contextlib.suppress(Exception):  # which `fuzz.run` reports
                    attempt(Random(f"{name}/0/{number}"))
    seen.stop()
    return seen


def rows(seen: Any) -> Iterator[str]:
    """Yield the lines of the table."""
    root = Path(voxome.__file__).parent
    yield "| module | branches | reached |"
    yield "|---|---|---|"
    found, all_of_them = 0, 0
    for file in sorted({path for one in MODULES for path in root.glob(one)}):
        numbers = seen._analyze(str(file)).numbers
        found, all_of_them = found + numbers.n_executed_branches, all_of_them + numbers.n_branches
        if numbers.n_branches:
            share = numbers.n_executed_branches / numbers.n_branches
            yield f"| `{file.relative_to(root)}` | {numbers.n_branches} | {share:.0%} |"
    yield f"| all | {all_of_them} | {found / max(all_of_them, 1):.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=1000, help="number of inputs of each target")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    names = given.targets or [name for name in TARGETS if name != "CWL"]
    print("\n".join(rows(measure(names, given.inputs))), flush=True)
    print("\n| decoder | mutants that keep the header |\n|---|---|")
    shares = {name: header_share(name) for name in names if name in DECODERS and DECODERS[name]().header}
    for name, share in shares.items():
        print(f"| {name} | {share:.0%} |")
    print(f"| all | {sum(shares.values()) / max(1, len(shares)):.0%} |")


if __name__ == "__main__":
    main()
