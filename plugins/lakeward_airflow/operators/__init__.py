"""Operators: each opens the run, calls one step of the core and returns a small dict."""
