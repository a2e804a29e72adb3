"""Trackers: from a frame to a face."""
