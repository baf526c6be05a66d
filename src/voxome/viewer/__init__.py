"""Views of volumes in Neuroglancer: links, and the layers behind them."""
