"""The REST API v1 of BossDB."""
