"""didlive: one still portrait becomes a live performer."""

__version__ = "0.1.0"
