"""Cameras: sources of frames."""
