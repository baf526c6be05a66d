"""Contract suites and strategies for authors of plug-ins; only tests import it."""
