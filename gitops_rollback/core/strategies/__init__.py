"""Ways to roll back that are more than one commit: each a list of steps, checked one by one before the revert."""
