"""JSON schemas of what verbs print with ``--json``; a key means the same in each."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def optional(schema: Schema) -> Schema:
    """Return a schema that allows null too."""
    kind = schema["type"]
    return {**schema, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}


def record(may: Schema | None = None, /, **must: Any) -> Schema:
    """Return the schema of an object with the keys `must`, perhaps those of `may`, and no others."""
    properties = {**must, **(may or {})}
    return {"type": "object", "properties": properties, "required": list(must), "additionalProperties": False}


def listing(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    """Return the schema of an object with any keys."""
    return {"type": "object", "additionalProperties": values}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ID: Schema = {"type": "string", "pattern": "^[0-9]+$"}
FLAG: Schema = {"type": "boolean"}
TEXTS = listing(TEXT)
INDICES = listing({"type": "integer"})
ZYX: Schema = {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3}
BOX: Schema = {"type": "string", "pattern": r"^-?\d+:-?\d+(,-?\d+:-?\d+)*$"}
ANY: Schema = {}

VOXELS = {
    "shape": INDICES,
    "dtype": TEXT,
    "axes": TEXTS,
    "start": INDICES,
    "voxel_size_nm": optional(ZYX),
    "offset_nm": ZYX,
    "bytes": COUNT,
}
"""What every verb says of a volume or a part of one."""
OPERATION = record(
    number=COUNT,
    branch=TEXT,
    action=TEXT,
    target=optional(COUNT),
    segments=listing(ID),
    author=TEXT,
    time=TEXT,
    status=TEXT,
)
DISK = record(folder=TEXT, free_bytes=COUNT, total_bytes=COUNT)
FORMAT = {"voxome": TEXT, "format_version": COUNT}
HANDLE = record(
    {"box": BOX, "voxel_size_nm": ZYX, "domain": BOX, "offset_nm": ZYX, "unpinned": FLAG},
    **FORMAT,
    type=TEXT,
    uri=TEXT,
    key=TEXT,
)
FRAME = optional(record(domain=BOX, box=BOX, voxel_size_nm=optional(ZYX), offset_nm=ZYX))
STEP = {"name": TEXT, "tool": TEXT, "version": TEXT, "key": TEXT, "parameters": mapping(ANY)}
"""What plans and runs say of a step."""
PLANNED_STEP = record(
    **FORMAT,
    **STEP,
    inputs=mapping(HANDLE),
    frame=FRAME,
    block=INDICES,
    home=TEXT,
    published=mapping(TEXT),
    into=mapping(TEXT),
    digest=TEXT,
    program=optional(mapping(ANY)),
    blocks=COUNT,
    voxels_read=optional(COUNT),
    memory_bytes=optional(COUNT),
    written_bytes=COUNT,
)
PENDING_STEP = record(name=TEXT, tool=TEXT, runs_as=TEXT, after=TEXTS, scatter=TEXTS, is_conditional=FLAG, takes=TEXTS)
BLOCKS = record(total=COUNT, run=COUNT, reused=COUNT)
FINISHED_STEP = record(
    **STEP,
    seeds=mapping(ANY),
    blocks=BLOCKS,
    wall_s=NUMBER,
    worker_s=NUMBER,
    peak_bytes=COUNT,
)
WORKFLOW = {"workflow": TEXT, "inputs": mapping(ANY), "warnings": TEXTS, "changes": TEXTS}
"""What plans and runs say of a workflow."""
DATASET = {
    "name": TEXT,
    "title": TEXT,
    "uri": optional(TEXT),
    "page": TEXT,
    "kind": {"enum": ["image", "labels", "probability"]},
    "modality": TEXT,
    "species": TEXT,
    "voxel_size_nm": optional(ZYX),
    "licence": optional(TEXT),
    "citation": optional(TEXT),
    "sources": TEXTS,
    "verified": optional(TEXT),
    "note": optional(TEXT),
    "file": optional(record(url=TEXT, name=TEXT, sha256=optional(TEXT), sha256_source=optional(TEXT))),
}
TRANSFER = record(
    source=TEXT,
    destination=TEXT,
    bytes=COUNT,
    blocks=COUNT,
    run=COUNT,
    reused=COUNT,
    verified=COUNT,
    wall_s=NUMBER,
    bytes_per_s=NUMBER,
)
PAIRS_SCORE = record(
    precision=NUMBER,
    recall=NUMBER,
    f1=NUMBER,
    true_positives=COUNT,
    false_positives=COUNT,
    false_negatives=COUNT,
)
COPIED = record(
    output=TEXT,
    destination=TEXT,
    key=TEXT,
    levels=COUNT,
    bytes=COUNT,
    blocks=BLOCKS,
    verified=COUNT,
    wall_s=NUMBER,
)

SCHEMAS: dict[str, Schema] = {
    "info": record(
        uri=TEXT,
        complete=FLAG,
        format=TEXT,
        kind={"enum": ["image", "labels", "probability"]},
        **VOXELS,
        chunk=optional(INDICES),
        write_chunk=optional(INDICES),
        levels=listing(
            record(
                shape=optional(INDICES),
                voxel_size_nm=optional(ZYX),
                offset_nm=ZYX,
                scale=optional(INDICES),
                problem=optional(TEXT),
            )
        ),
    ),
    "ls": listing(record(uri=TEXT, type=TEXT, description=TEXT, dtype=optional(TEXT), shape=optional(INDICES))),
    "annotations": record(
        {
            "geometry": TEXT,
            "annotations": listing(
                record(id=TEXT, positions_nm=listing(ZYX), properties=mapping(ANY), relations=mapping(TEXTS))
            ),
            "edits": COUNT,
        },
        uri=TEXT,
    ),
    "annotations SOURCE": record(
        uri=TEXT,
        format=TEXT,
        kind={"const": "points"},
        geometry=TEXT,
        count=optional(COUNT),
        properties=mapping(TEXT),
        relations=TEXTS,
        relation_versions=mapping(mapping(optional(TEXT))),
        bounds_nm=optional(listing(ZYX)),
    ),
    "annotations --out": record(source=TEXT, collections=listing(record(uri=TEXT, geometry=TEXT))),
    "tools": listing(record(name=TEXT, version=TEXT, summary=TEXT, inputs=TEXTS, parameters=TEXTS, outputs=TEXTS)),
    "datasets": listing(record(**DATASET)),
    "datasets NAME": record({"fetched": record(path=TEXT, sha256=TEXT)}, **DATASET),
    "profiles": record(
        file=TEXT,
        exists=FLAG,
        profile=optional(TEXT),
        stores=listing(
            record(
                profile=TEXT,
                in_use=FLAG,
                store=TEXT,
                host=optional(TEXT),
                token=FLAG,
                token_env=optional(TEXT),
                options=TEXTS,
            )
        ),
    ),
    "init aws": record(template=TEXT, file=optional(TEXT)),
    "init aws --deploy": record(
        stack=TEXT, region=TEXT, changed=FLAG, store=TEXT, engine=TEXT, engine_on_demand=TEXT, users=TEXTS
    ),
    "init aws --remove": record(stack=TEXT, region=TEXT, removed=FLAG, bucket=optional(TEXT)),
    "doctor": record(
        versions=mapping(optional(TEXT)),
        platform=TEXT,
        extras=mapping(TEXTS),
        engines=TEXTS,
        records=TEXTS,
        config=record(file=TEXT, exists=FLAG, profile=optional(TEXT)),
        credentials=listing(record(store=TEXT, source=TEXT)),
        cpus=COUNT,
        memory_bytes=optional(COUNT),
        cgroup=record(cpus=optional(NUMBER), memory_bytes=optional(COUNT)),
        disk=DISK,
        problems=TEXTS,
    ),
    "get": record(source=TEXT, destination=TEXT, box=BOX, **VOXELS),
    "mesh": record(uri=TEXT, meshes=COUNT, table=optional(TEXT)),
    "put": record(source=TEXT, destination=TEXT, **VOXELS),
    "regions": record(
        regions=TEXT,
        segments=COUNT,
        contacts=optional(TEXT),
        touching=optional(COUNT),
        properties=optional(TEXT),
        omitted=TEXTS,
        reused=FLAG,
    ),
    "rm": record(
        uri=TEXT,
        **VOXELS,
        files=listing(record(kind=TEXT, files=COUNT, bytes=optional(COUNT), first=TEXTS)),
        removed=FLAG,
    ),
    "skeletonize": record(uri=TEXT, skeletons=COUNT, table=optional(TEXT)),
    "transfer": TRANSFER,
    "convert": TRANSFER,
    "downsample": record(
        destination=TEXT,
        levels=listing(record(shape=INDICES, voxel_size_nm=optional(ZYX), offset_nm=ZYX)),
        lost_ids=mapping(listing(ID)),
        bytes=COUNT,
        blocks=COUNT,
        run=COUNT,
        reused=COUNT,
        wall_s=NUMBER,
        provenance=mapping(ANY),
    ),
    "plan": record(
        **FORMAT,
        **WORKFLOW,
        key=TEXT,
        steps=listing(PLANNED_STEP),
        pending=listing(PENDING_STEP),
        outputs=mapping(HANDLE),
        workers=COUNT,
        written_bytes=COUNT,
        disk=optional(DISK),
        into=listing(
            record(
                output=TEXT,
                destination=TEXT,
                exists=FLAG,
                box=BOX,
                dtype=TEXT,
                bytes=COUNT,
                levels=COUNT,
                verify=TEXT,
            )
        ),
    ),
    "run": record(
        {"scores": mapping(mapping(NUMBER)), "summary": mapping(ANY), "values": mapping(ANY)},
        **FORMAT,
        **WORKFLOW,
        plan=TEXT,
        unpinned=TEXTS,
        versions=mapping(TEXT),
        engines=listing(record(name=TEXT, workers=COUNT, options=mapping(TEXT), steps=TEXTS)),
        command=TEXT,
        host=TEXT,
        started_s=NUMBER,
        wall_s=NUMBER,
        steps=listing(FINISHED_STEP),
        outputs=mapping(TEXT),
        store=optional(TEXT),
        transfers=listing(COPIED),
    ),
    "schedule": record(dag=TEXT, file=TEXT, run=optional(TEXT)),
    "tool": mapping(HANDLE),
    "tool --check-invariance": record(
        tool=TEXT,
        declared=TEXT,
        box=BOX,
        blocks=listing(INDICES),
        differences=TEXTS,
        not_compared=TEXTS,
        is_consistent=FLAG,
    ),
    "describe": listing(record(name=TEXT, path=TEXT)),
    "gather": listing(record(name=TEXT, path=TEXT)),
    "build": listing(record(image=TEXT, id=TEXT, is_built=FLAG, entry_point=TEXTS, lock=TEXT)),
    "score segmentation": record(voi_split=NUMBER, voi_merge=NUMBER, adapted_rand_error=NUMBER),
    "score detections": PAIRS_SCORE,
    "score cells": record(
        precision=NUMBER,
        recall=NUMBER,
        f1=NUMBER,
        f1_low=NUMBER,
        f1_high=NUMBER,
        true_positives=COUNT,
        false_positives=COUNT,
        false_negatives=COUNT,
        ignored_truths=COUNT,
        ignored_results=COUNT,
        distance_um=optional(NUMBER),
        radius_error=optional(NUMBER),
        radius_error_absolute=optional(NUMBER),
        density_error=optional(NUMBER),
    ),
    "score mask": record(
        dice=NUMBER,
        iou=NUMBER,
        precision=NUMBER,
        recall=NUMBER,
        f_beta=NUMBER,
        beta=NUMBER,
        true_positives=COUNT,
        false_positives=COUNT,
        false_negatives=COUNT,
        true_negatives=COUNT,
    ),
    "score vessels": record(
        cl_dice=NUMBER,
        topology_precision=NUMBER,
        topology_sensitivity=NUMBER,
        truth_line_voxels=COUNT,
        result_line_voxels=COUNT,
        truth_length_mm=optional(NUMBER),
        result_length_mm=optional(NUMBER),
        length_error=optional(NUMBER),
    ),
    "score instances": record(
        average_precision=NUMBER,
        thresholds=listing(
            record(
                iou=NUMBER,
                average_precision=NUMBER,
                precision=NUMBER,
                recall=NUMBER,
                f1=NUMBER,
                true_positives=COUNT,
                false_positives=COUNT,
                false_negatives=COUNT,
            )
        ),
    ),
    "score graph": PAIRS_SCORE,
    "phantom": record(raw=TEXT, labels=TEXT, membranes=TEXT, synapses=TEXT, connectome=TEXT, seed=COUNT, **VOXELS),
    "train": record(card=TEXT, finished=FLAG, step=COUNT, scores=mapping(mapping(NUMBER))),
    "train --plan": record(
        task=TEXT,
        channels=TEXT,
        weights=COUNT,
        voxel_size_nm=ZYX,
        context=TEXT,
        stride=TEXT,
        patch=TEXT,
        training_boxes=TEXT,
        training_voxels=COUNT,
        validation_boxes=TEXT,
        validation_voxels=COUNT,
        gap=TEXT,
        validation_voxels_in_patches=COUNT,
        patches=COUNT,
        memory_bytes=COUNT,
    ),
    "import-model": record(network=TEXT, card=TEXT, norm=TEXT),
    "relay token create": record(token=TEXT, user=TEXT),
    "relay token list": listing(record(id=TEXT, user=TEXT, created=optional(TEXT), expires=optional(TEXT))),
    "relay token revoke": record(id=TEXT, user=TEXT),
    "relay key create": record(access_key=TEXT, secret=TEXT, user=TEXT),
    "relay key list": listing(record(access_key=TEXT, user=TEXT, expires=optional(TEXT))),
    "relay key revoke": record(access_key=TEXT, user=TEXT),
    "serve": record(url=TEXT, sources=TEXTS),
    "view": record(url=TEXT),
    "proofread start": record(uri=TEXT, source=TEXT, supervoxels=COUNT, operations=COUNT),
    "proofread history": listing(OPERATION),
    "proofread undo": OPERATION,
    "proofread redo": OPERATION,
    "proofread versions": listing(
        record(name=TEXT, type=TEXT, number=COUNT, branch=optional(TEXT), author=TEXT),
    ),
    "proofread changes": listing(record(supervoxel=ID, before=ID, after=ID)),
    "proofread compare": listing(record(box=TEXT)),
    "proofread export": record(source=TEXT, destination=TEXT, run=COUNT),
    "proofread suggestions": listing(
        record(
            number=COUNT,
            branch=TEXT,
            action=TEXT,
            arguments=mapping(ANY),
            score=NUMBER,
            status=TEXT,
            operation=optional(COUNT),
            author=TEXT,
            decided_by=optional(TEXT),
        )
    ),
    "bench read": record(
        uri=TEXT,
        level=COUNT,
        readings=listing(
            record(
                edge=COUNT,
                bytes=COUNT,
                aligned=FLAG,
                concurrency=COUNT,
                median_s=NUMBER,
                bytes_per_s=NUMBER,
                amplification=NUMBER,
            )
        ),
    ),
    "explain": record(
        uri=TEXT,
        box=BOX,
        chunk=optional(INDICES),
        shard=optional(INDICES),
        chunks=COUNT,
        shards=COUNT,
        requests=COUNT,
        wanted_bytes=COUNT,
        read_bytes=COUNT,
        amplification=NUMBER,
        estimated_s=NUMBER,
        sampled_chunks=COUNT,
        warnings=TEXTS,
    ),
    "gc": record(removed=TEXTS, freed_bytes=COUNT, left_bytes=COUNT, warnings=TEXTS, dry_run=FLAG),
    "clean": record(folder=TEXT, freed_bytes=optional(COUNT)),
}
"""Verb → what it prints."""


def keys_of(schema: Schema) -> dict[str, list[Schema]]:
    """Return all keys of objects in a schema → their schemas."""
    found: dict[str, list[Schema]] = {}
    parts = [*schema.get("properties", {}).values()]
    parts += [part for name in ("items", "additionalProperties") if isinstance(part := schema.get(name), dict)]
    for name, value in schema.get("properties", {}).items():
        found.setdefault(name, []).append(value)
    for part in parts:
        for name, values in keys_of(part).items():
            found.setdefault(name, []).extend(values)
    return found


SCHEMAS["relay materialize"] = SCHEMAS["run"]
_WRITE = record(
    id=COUNT, volume=TEXT, level=COUNT, box=TEXT, dtype=TEXT, masked=FLAG, bytes=COUNT, created=NUMBER, state=TEXT,
    problem=TEXT,
)  # fmt: skip
SCHEMAS |= {f"relay writes {verb}": listing(_WRITE) for verb in ("list", "export", "discard")}
SCHEMAS["relay writes retry"] = record(writes=COUNT)
