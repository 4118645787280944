"""The shared vocabulary of Perene: ids, states, commands, events, errors and ports. Standard library only, no I/O."""
