"""Migration files: what people write, and how it is refused."""
