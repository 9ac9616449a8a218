"""Zones whose clocks are moved in every odd way."""

from __future__ import annotations

ZONES = [
    "Europe/Zurich",
    "America/Sao_Paulo",  # a clock that is moved at midnight
    "Africa/Cairo",
    "America/St_Johns",  # a minute after midnight
    "Pacific/Apia",  # a day that never was
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",
    "Asia/Kathmandu",
]
