"""Rollback requests: from a file that a pull request adds to a request of the core, or to all of its faults."""
