"""Thin: decode, call a port, map errors. Adapters arrive by constructor."""
