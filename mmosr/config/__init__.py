"""Reading a config, checking it, and fitting it to the machine."""
