"""Whether the output is still the same person: dlib's face descriptors (optional packages)."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..types import F32, U8

HINT = "install didlive[evaluate] (dlib-bin and face_recognition_models)"


class Identity:
    """128-dimensional face descriptors (dlib's ResNet, trained on 3 M faces); `missing` tells why there are none."""

    def __init__(self) -> None:
        self.missing = ""
        self._dlib: Any = None
        models = find_spec("face_recognition_models")
        if find_spec("dlib") is None or models is None or models.origin is None:
            self.missing = f"identity needs dlib: {HINT}"
            return
        # The models' package is only located: importing it needs setuptools' old pkg_resources.
        folder = Path(models.origin).parent / "models"
        try:
            dlib: Any = import_module("dlib")
            self._shape = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
            self._net = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))
            self._dlib = dlib
        except (ImportError, RuntimeError) as error:
            self.missing = f"identity cannot be measured ({error}): {HINT}"

    def describe(self, image: U8, landmarks: F32) -> np.ndarray | None:
        """Return the unit descriptor (128,) of the face with `landmarks` px in an RGB picture."""
        if self._dlib is None:
            return None
        low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
        box = self._dlib.rectangle(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        rgb = np.ascontiguousarray(image[:, :, :3])
        vector = np.array(self._net.compute_face_descriptor(rgb, self._shape(rgb, box)))
        return vector / np.linalg.norm(vector)
