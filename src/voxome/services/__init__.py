"""Operations on resources: by the store's own server where it offers them, otherwise by our tools."""
