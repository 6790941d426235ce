"""The forge of a simulated world: pull requests over the simulated remote, and each replica's way to it."""
