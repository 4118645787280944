"""The tests. This file is here because an installed library brings a package `tests` of its own, which would win."""
