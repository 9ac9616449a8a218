"""The data plane beside its peers, on the same rows and the same machine, in one run: ``make bench``."""
