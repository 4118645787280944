"""Deterministic decisions. A workflow decides and never does I/O."""
