"""No verb shows or records a secret of its arguments, in whatever form it is."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

import voxome
from voxome.cli.main import main
from voxome.remotes import http
from voxome.remotes.http import Api

pytestmark = pytest.mark.slow

SECRET = "zq7-never-to-be-shown"
WORKFLOW = Path(__file__).parents[2] / "pipelines/em/membranes.cwl"
ADDRESS = f"http://me:{SECRET}@127.0.0.1:9"
FORMS = {
    "user and password": f"zarr://{ADDRESS}/a",
    "password with an at sign": f"zarr://http://me:{SECRET}@{SECRET}@127.0.0.1:9/a",
    "password with a slash": f"zarr://http://me:a/{SECRET}@127.0.0.1:9/a",
    "password with a question mark": f"n5://http://me:a?{SECRET}@127.0.0.1:9/a",
    "bossdb": f"bossdb://{ADDRESS}/a/b/c",
    "dvid": f"dvid://me:{SECRET}@127.0.0.1:9/abc/grey",
    "keys of a bucket": f"zarr://s3://AKIA:{SECRET}@bucket/a?endpoint=http://127.0.0.1:9",
    "encoded option": f"zarr://s3://b/p?endpoint={quote(ADDRESS, safe='')}",
    "encoded address": f"zarr://{quote(ADDRESS, safe='')}/a",
    "token": f"zarr://http://127.0.0.1:9/a?token={SECRET}&level=1",
    "signature": f"zarr://http://127.0.0.1:9/a?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}",
    "fragment": f"precomputed://http://127.0.0.1:9/o#access_token={SECRET}",
    "unknown format": f"nosuch://{ADDRESS}/a?token={SECRET}",
    "encoded password": f"zarr://http://me:{quote('a@/' + SECRET, safe='')}@127.0.0.1:9/a",
    "signature of Google": f"zarr://http://127.0.0.1:9/a?X-Goog-Credential={SECRET}&X-Goog-Signature={SECRET}",
    "signature of Azure": f"precomputed://http://127.0.0.1:9/a?sv=2022&se=1&sig={SECRET}%3D",
    "token that ends in a blank": f"zarr://http://127.0.0.1:9/a?access_token={SECRET}%20",
    "token that is not ASCII": f"n5://http://127.0.0.1:9/a?token=\u00e9{SECRET}\u00e9",
    "header": f"zarr://http://127.0.0.1:9/a?authorization=Bearer%20{SECRET}",
    "database": f"postgresql+pg8000://me:{SECRET}@127.0.0.1:9/db",
}
VERBS = [
    "ls URI", "info URI", "explain URI", "get URI out.npy", "get EM URI", "put a.npy URI", "transfer URI t.zarr",
    "transfer EM URI", "convert URI c.zarr", "mesh URI 1 --out m.ply", "skeletonize URI 1 --out s.swc", "regions URI",
    "regions EM --out URI", "downsample URI", "rm URI --yes", "plan URI", "run URI --out r",
    "tool common.threshold --image URI --at 3 --out t", "tool common.threshold --image EM --at 3 --out t --engine URI",
    "build URI", "cwl-runner URI", "cwl-runner --outdir URI none.cwl", "score segmentation --truth URI --result URI",
    "annotations URI", "bench read URI", "clean URI", "gc URI --bytes 0", "relay token list --catalogue URI",
    "relay key list --catalogue URI", "relay writes list URI", "phantom URI --shape 24,32,40", "datasets URI",
    "init aws URI",
    "serve em=URI --dialect nonsense", "serve em=EM --catalogue URI --data d --dialect nonsense", "profiles URI",
    "doctor URI", "URI", "info --URI", "info EM --level=URI", "plan w.cwl --set raw=URI --json",
    "run w.cwl --set URI --out r", "run w.cwl --set raw=URI --out r", "run w.cwl --set raw=EM --out r --into mask=URI",
    "run w.cwl j.yml --out r", "plan w.cwl --set raw=EM --store URI", "run w.cwl --set raw=EM --out r --truth URI",
    "schedule w.cwl --set raw=URI", "tool common.threshold --image EM --at 3 --out t --into result=URI",
    "tool common.threshold --image EM --at URI --out t", "proofread start URI s.sqlite", "proofread history URI",
    "train segmentation URI", "import-model URI", "view URI --json", "serve --config c.toml --dialect nonsense",
    "ls EM --profile URI", "gather --result a=URI", "gather --result a=a.npy --input raw=URI",
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_shows_no_secret(
    verb: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)
    monkeypatch.setitem(Api.__init__.__kwdefaults__, "retries", 0)
    for name, value in {"RETRIES": "0", "STALL_S": "1", "OPERATION_S": "3", "STATE": str(tmp_path / "state")}.items():
        monkeypatch.setenv(f"VOXOME_{name}", value)
    caplog.set_level(logging.DEBUG)
    np.save("a.npy", np.zeros((4, 8, 8), np.uint8))
    voxome.create("zarr://em.zarr", voxome.VolumeSpec.of((4, 8, 8), "uint8", voxel_size_nm=(8, 8, 8)))[...] = 1
    kept = {"j.yml", "c.toml"}
    given = [word.replace("EM", "em.zarr").replace("w.cwl", str(WORKFLOW)) for word in verb.split()]
    for uri in FORMS.values():
        Path("j.yml").write_text(json.dumps({"raw": {"class": "File", "location": uri}, "membranes": uri}))
        Path("c.toml").write_text(f"port = {json.dumps(uri)}\n[sources.em]\nuri = {json.dumps(uri)}\nnonsense = 1\n")
        with pytest.raises(SystemExit):
            main([word.replace("URI", uri) for word in given])
        shown = "".join(capfd.readouterr())
        assert SECRET not in shown, shown
        assert SECRET not in caplog.text
        caplog.clear()
    for file in (file for file in tmp_path.rglob("*") if file.name not in kept):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file
