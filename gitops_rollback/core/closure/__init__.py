"""Which files of a repository does an application render from, at one revision? From git objects alone, no network."""
