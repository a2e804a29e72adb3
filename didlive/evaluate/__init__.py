"""Judging a reenactment."""
