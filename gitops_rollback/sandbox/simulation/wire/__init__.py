"""Worlds on the wire: the real controller with its real adapters, real git and real HTTP, under a stepped clock."""
