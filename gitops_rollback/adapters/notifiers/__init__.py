"""Tells people: one bounded sender in the background, and a small file for each kind of receiver."""
