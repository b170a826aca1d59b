"""Vigil's Python side: the demo, and the words in which a measurement is reported."""

__version__ = "0.1.0"
