"""Sources that DuckDB queries where they lie: its own files, and whatever else it reads. What is common to them is here, once."""
