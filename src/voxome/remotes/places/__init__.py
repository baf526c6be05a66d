"""Places: the folders that chunked volumes lie in, on this machine or behind http(s), s3 or gs, all used alike."""
