"""OpenVINO as a plug-in of ONNX Runtime, on Intel's processors.

The plug-in (1.8.1) offers itself on Intel's processors only, though OpenVINO itself runs on AMD's; its own Python
package is no way out, since importing that reports home.
"""

from __future__ import annotations

import importlib.util
import json
import threading
from typing import Any

from .engine import EngineFailed
from .ort import OrtEngine, default_threads, failure, session_options

NAME = "OpenVINOExecutionProvider"
_registering, _registered = threading.Lock(), list[str]()


def devices() -> list[Any]:
    """Return the CPU devices of OpenVINO that onnxruntime offers. Raises EngineFailed with the reason when none."""
    if importlib.util.find_spec("onnxruntime_ep_openvino") is None:
        raise EngineFailed('OpenVINO is not installed (pip install "didlive[openvino]")')
    import onnxruntime
    import onnxruntime_ep_openvino as plugin

    with _registering:
        # ONNX Runtime takes a library once per process, and cannot tell whether it has it.
        if not _registered:
            try:
                onnxruntime.register_execution_provider_library(NAME, plugin.get_library_path())
            except Exception as error:
                raise failure("OpenVINO", error) from error
            _registered.append(NAME)
    cpu = onnxruntime.OrtHardwareDeviceType.CPU
    found = [d for d in onnxruntime.get_ep_devices() if d.ep_name == NAME and d.device.type == cpu]
    if not found:
        raise EngineFailed("OpenVINO's plug-in offers nothing on this processor (it takes Intel's only)")
    return found


def open_openvino(name: str, precision: str, model: bytes, threads: int | None = None) -> OrtEngine:
    """Build a session that runs the whole network in OpenVINO on the CPU. Raises EngineFailed."""
    import onnxruntime

    found, count = devices(), threads or default_threads()
    options = session_options(count)
    # Without this a node that OpenVINO cannot run would go to the CPU provider silently.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # Left alone, OpenVINO takes bfloat16 where the processor has it; a float32 file is to be float32. The plug-in's
    # own option num_of_threads does nothing (1.8.1).
    settings = {"CPU": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": count}}
    options.add_provider_for_devices(found[:1], {"load_config": json.dumps(settings)})
    try:
        session = onnxruntime.InferenceSession(model, options)
    except Exception as error:
        raise failure(name, error) from error
    if session.get_providers()[0] != NAME:
        raise EngineFailed(f"onnxruntime took {session.get_providers()[0]} in place of OpenVINO")
    return OrtEngine(name, session, f"OpenVINO CPU, {precision}, {count} thread{'s' if count > 1 else ''}")
