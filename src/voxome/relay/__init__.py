"""A server of sources: anything that voxome opens, in the APIs of other stores."""

from voxome.extras import require

require("relay", "starlette", "uvicorn")
