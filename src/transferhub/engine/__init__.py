"""Batches, precision, steps, events, checkpoints. The engine knows no task."""
