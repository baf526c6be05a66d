"""The caching server: other stores' dialects over any store of ours."""
