"""BossDB: cutouts, projects, labels, permissions of a server with the Boss REST API, version 1."""
