"""The verbs of a migration; each can be repeated, and reads what the step before it stored."""
