"""Many trainings: sweeps and searches, on the workers of a cluster."""
