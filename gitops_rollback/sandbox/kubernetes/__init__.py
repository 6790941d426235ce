"""A small Kubernetes API for `demo`, `drill` and tests: versioned objects, watches, and what goes wrong with them."""
