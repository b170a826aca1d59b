"""Vigil's Python side: the command `vigil`, what it runs, records and watches, and the demo."""

__version__ = "0.1.0"
