"""Cameras and what stands in for them."""

import os

# OpenCV reads these once, when it is first loaded. The first lets a stalled V4L2 camera give up after 2 s instead of
# 10 s, the second keeps its warnings off the terminal (our own messages say what to do), the third halves the time
# that Windows cameras take to open.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
