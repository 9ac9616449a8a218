"""The pure domain: no I/O, no clock; SQL is compiled here and run elsewhere."""
