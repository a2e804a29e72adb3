"""Generators: from a drive to pixels."""
