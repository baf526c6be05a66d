"""Servers for tests: DVID, BossDB, faulty proxies, nginx."""
