"""Object stores with atomic conditional writes: S3, a local folder, and an in-memory twin of both."""

from lakeward.adapters.objects.local import LocalStore
from lakeward.adapters.objects.memory import MemoryStore
from lakeward.adapters.objects.s3 import S3Store

__all__ = ["LocalStore", "MemoryStore", "S3Store"]
