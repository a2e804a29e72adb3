"""didlive: one still portrait becomes a live performer."""

import os

# See `engines`: here too, for child processes that import ONNX Runtime alone.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
