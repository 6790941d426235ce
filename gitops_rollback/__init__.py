"""Finds the commit behind a failing sync, reverts it in the config repository, and verifies that it helped."""

__version__ = "0.1.0"
