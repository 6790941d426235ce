"""Has the rate of bad events risen since a deployment, by more than chance, habit and the neighbours explain?

A capped sequential test on counts, with a ladder of severities. It gathers log evidence that the rate lies above what
is normal here, since a change whose time is known, and bounds the chance of a false alarm for each deployment.
`counts` what goes in; `counters`, `latency` and `gauges` where it can come from; `baseline` what is normal; `evidence`
how it adds up; `detector` the verdict of each tick; `peers` what the neighbours excuse; `told` a verdict's sentence.
Source: detection.md section 4; Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection" (2022).
"""
