"""Policies: files of a config repository that anybody with push rights may have written."""
