"""Servers that tests talk to: DVID, BossDB, faulty proxies, nginx."""
