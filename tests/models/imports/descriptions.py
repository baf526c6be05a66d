"""Descriptions of networks to import, for tests."""

from __future__ import annotations

from typing import Any

from voxome.models.imports.config import ModelImport


def described(**more: Any) -> ModelImport:
    """Description of a small network of volumes."""
    facts: dict[str, Any] = {
        "name": "small",
        "task": "cells",
        "licence": "CC0",
        "data": "noise",
        "attribution": "nobody",
        "voxel_size_nm": (8, 8, 8),
        "dtype": "uint8",
        "contrast": {"mean": 128, "std": 40, "percentile_1": 20, "percentile_99": 230},
        "channels": ["cell"],
        "context": (1, 2, 2),
        "normalization": {"statistics": "volume"},
        "dimensions": 3,
    }
    return ModelImport.model_validate(facts | more)
