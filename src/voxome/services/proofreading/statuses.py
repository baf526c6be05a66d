"""What becomes of suggested edits."""

from __future__ import annotations

from typing import Literal

Status = Literal["open", "accepted", "rejected"]
"""What has become of a suggestion."""
