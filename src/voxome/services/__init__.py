"""Things done to resources: by the store's own server where it offers them, by our tools otherwise."""
