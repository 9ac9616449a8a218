"""One contract, kept by all three stores: the bucket of the lab, a folder, and the in-memory twin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from lakeward.adapters.connections import Connection, from_environment
from lakeward.adapters.objects import LocalStore, MemoryStore, S3Store
from lakeward.errors import LakeError
from lakeward.lab import Lab
from lakeward.ports import ObjectStore

RACERS = 8


@pytest.fixture(params=["s3", "local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "local":
        yield LocalStore(tmp_path / "store")
    else:
        request.getfixturevalue("lab")
        s3 = S3Store(f"s3://landing/objects/{uuid4().hex}", from_environment("landing"))
        yield s3
        s3.close()


def race(run: Callable[[int], bool]) -> list[int]:
    """Numbers of the racers that won."""
    start, won = threading.Barrier(RACERS), []

    def one(number: int) -> None:
        start.wait()
        if run(number):
            won.append(number)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def content(store: ObjectStore, key: str) -> bytes:
    found = store.get(key)
    assert found is not None
    return found[0]


def test_an_absent_object_is_none(store: ObjectStore) -> None:
    assert store.get("a/b.json") is None
    assert store.etag("a/b.json") is None


def test_put_replaces_and_its_etag_is_the_one_that_get_gives(store: ObjectStore) -> None:
    first = store.put("a/b.json", b"one")
    assert store.get("a/b.json") == (b"one", first)
    assert store.etag("a/b.json") == first
    second = store.put("a/b.json", b"two")
    assert store.get("a/b.json") == (b"two", second)
    assert first != second


def test_put_new_writes_once(store: ObjectStore) -> None:
    assert store.put_new("a/b.json", b"one")
    assert not store.put_new("a/b.json", b"two")
    assert not store.put_new("a/b.json", b"one"), "the same content is there already too"
    assert content(store, "a/b.json") == b"one"


def test_put_if_wants_the_etag_that_is_there(store: ObjectStore) -> None:
    etag = store.put("a", b"one")
    assert store.put_if("a", b"two", etag)
    assert not store.put_if("a", b"three", etag)
    assert content(store, "a") == b"two"


def test_put_if_on_an_absent_object_is_false(store: ObjectStore) -> None:
    etag = store.put("a", b"one")
    store.delete(["a"])
    assert not store.put_if("a", b"two", etag)
    assert store.get("a") is None


def test_list_gives_keys_below_a_prefix_sorted_with_sizes(store: ObjectStore) -> None:
    for key in ("m/b/2", "m/b/1", "m/c", "n/x", "m/bb/3"):
        store.put(key, key.encode() * 2)
    assert list(store.list("m/b/")) == [("m/b/1", 10), ("m/b/2", 10)]
    assert [key for key, _ in store.list("m/b")] == ["m/b/1", "m/b/2", "m/bb/3"]
    assert [key for key, _ in store.list("")] == ["m/b/1", "m/b/2", "m/bb/3", "m/c", "n/x"]
    assert list(store.list("nothing/")) == []


def test_entries_tell_when_each_was_written(store: ObjectStore) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)  # a store may tell whole seconds only
    for key in ("m/b", "m/a", "n"):
        store.put(key, b"12")
    assert store.put_new("m/c", b"3")
    found = store.entries("m/")
    assert (
        [(entry.key, entry.bytes) for entry in found] == list(store.list("m/")) == [("m/a", 2), ("m/b", 2), ("m/c", 1)]
    )
    assert all(began < entry.modified <= datetime.now(UTC) for entry in found)
    assert store.entries("nothing/") == ()


def test_delete_takes_absent_ones_too(store: ObjectStore) -> None:
    store.put("a", b"1")
    store.put("b", b"2")
    store.delete(["a", "absent", "deep/absent"])
    store.delete([])
    assert [key for key, _ in store.list("")] == ["b"]


def test_names_of_the_field_are_keys(store: ObjectStore) -> None:
    key = "m/evidence/g ü%20+='\"&/täglich.json"
    store.put(key, b"x")
    assert content(store, key) == b"x"
    assert [k for k, _ in store.list("m/evidence/g ü")] == [key]


def test_empty_and_large_content(store: ObjectStore) -> None:
    large = os.urandom(1_000_000) * 5
    store.put("empty", b"")
    assert store.put_new("large", large)
    assert content(store, "empty") == b""
    assert content(store, "large") == large


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\x00"])
def test_a_key_never_leaves_the_root(store: ObjectStore, key: str) -> None:
    for act in (store.get, store.url, lambda k: store.put(k, b"")):
        with pytest.raises(LakeError, match="is no key"):
            act(key)


def test_of_eight_racers_for_a_new_object_one_wins(store: ObjectStore) -> None:
    for number in range(5):
        won = race(lambda racer, key=f"new/{number}": store.put_new(key, f"racer {racer}".encode()))
        assert len(won) == 1
        assert content(store, f"new/{number}") == f"racer {won[0]}".encode()


def test_of_eight_racers_for_a_version_one_wins(store: ObjectStore) -> None:
    etag = store.put("pointer", b"start")
    for _ in range(5):
        won = race(lambda racer, seen=etag: store.put_if("pointer", os.urandom(8) + b"%d" % racer, seen))
        assert len(won) == 1
        found = store.get("pointer")
        assert found is not None
        assert found[0].endswith(b"%d" % won[0])
        etag = found[1]


def test_eight_writers_that_try_again_lose_no_update(store: ObjectStore) -> None:
    store.put("count", b"0")

    def add_five(_: int) -> bool:
        added = 0
        while added < 5:
            found = store.get("count")
            assert found is not None
            added += store.put_if("count", b"%d" % (int(found[0]) + 1), found[1])
        return True

    race(add_five)
    assert content(store, "count") == b"40"


# --- a folder ---------------------------------------------------------------------------------------------------------

WRITER = """
import os, sys
from lakeward.adapters.objects import LocalStore
store = LocalStore(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    data = bytes([number % 251]) * 2_000_000
    store.put("replaced", data)
    store.put_new(f"new/{number}", data)
    found = store.get("replaced")
    store.put_if("replaced", data[::-1], found[1])
    number += 1
"""


def test_a_killed_writer_leaves_whole_objects_and_no_lock(tmp_path: Path) -> None:
    for pause in (0.03, 0.11, 0.2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": "include"},
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(pause)
            writer.send_signal(signal.SIGKILL)
        store = LocalStore(tmp_path)
        for key, size in store.list(""):
            data = content(store, key)
            assert size == len(data) == 2_000_000
            assert len(set(data)) == 1, "never a mixture of two writes"
        assert store.put_if("replaced", b"z" * 2_000_000, store.put("replaced", b"y" * 2_000_000))


def test_two_processes_exclude_each_other(tmp_path: Path) -> None:
    code = (
        "import sys; from lakeward.adapters.objects import LocalStore; s = LocalStore(sys.argv[1]); n = 0\n"
        "while n < 50:\n  d, e = s.get('count'); n += s.put_if('count', b'%d' % (int(d) + 1), e)"
    )
    LocalStore(tmp_path).put("count", b"0")
    env = {**os.environ, "PYTHONPATH": "include"}
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=env) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert content(LocalStore(tmp_path), "count") == b"150"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"(?s)file/store.*What to do") as said:
        LocalStore(tmp_path / "file" / "store")
    assert "landing.path" in str(said.value)


def test_the_store_own_folder_is_no_key(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"")
    with pytest.raises(LakeError, match="store's own"):
        store.put(".store/lock", b"")
    assert [key for key, _ in store.list("")] == ["a"]


def test_url_is_the_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a/b", b"c")
    assert Path(store.url("a/b")).read_bytes() == b"c"


# --- a bucket ---------------------------------------------------------------------------------------------------------


def aws(endpoint: str, login: str = "who", password: str = "s3cr3t-of-test") -> Connection:
    return Connection(
        conn_id="landing",
        conn_type="aws",
        login=login,
        password=password,
        extra={"endpoint_url": endpoint, "region_name": "us-east-1"},
    )


def test_keys_in_the_extra_do_as_well(lab: Lab) -> None:
    given = from_environment("landing")
    keys = {"aws_access_key_id": given.login, "aws_secret_access_key": given.password}
    store = S3Store("s3://landing/extra/", Connection(conn_id="x", conn_type="aws", extra={**given.extra, **keys}))
    store.put("a", b"1")
    assert content(store, "a") == b"1"
    assert store.url("a") == "s3://landing/extra/a"
    assert store.access.endpoint == given.extra["endpoint_url"]
    assert str(given.password) not in repr(store.access)


def test_an_unreachable_store_is_told_with_what_to_do() -> None:
    store = S3Store("s3://landing/x", aws("http://127.0.0.1:9"))
    with pytest.raises(LakeError, match=r"(?s)127.0.0.1:9.*`landing`.*not reachable.*endpoint_url"):
        store.check()


def test_wrong_keys_are_told_without_showing_them(lab: Lab) -> None:
    given = from_environment("landing")
    for login in (str(given.login), "nobody"):
        store = S3Store("s3://landing/x", aws(str(given.extra["endpoint_url"]), login=login))
        for act in (store.check, lambda s=store: s.get("a"), lambda s=store: s.put_new("a", b"")):
            with pytest.raises(LakeError, match=r"(?s)refused.*Check the connection's keys") as said:
                act()
            assert "s3cr3t-of-test" not in str(said.value)
            assert said.value.__cause__ is None


def test_a_missing_bucket_is_named(lab: Lab) -> None:
    store = S3Store("s3://no-such-bucket/x", from_environment("landing"))
    with pytest.raises(LakeError, match=r"(?s)no-such-bucket.*no such bucket.*Create the bucket"):
        store.check()


def test_a_location_that_is_none_is_refused() -> None:
    with pytest.raises(LakeError, match="no S3 location"):
        S3Store("s3:///prefix", aws("http://127.0.0.1:9"))
