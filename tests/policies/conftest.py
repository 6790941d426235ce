"""The plain policy, for all tests of this folder."""

from plain_policy import plain, read, read_spec, read_with

__all__ = ["plain", "read", "read_spec", "read_with"]
