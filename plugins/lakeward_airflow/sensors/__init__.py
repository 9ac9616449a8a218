"""Sensors, named after what they wait for; waiting holds no slot."""
