"""BossDB: cutouts, projects, labels, permissions of a server that speaks the Boss's REST interface, version 1."""
