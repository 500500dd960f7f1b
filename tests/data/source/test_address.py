"""Addresses: what is fetched equals what is there, once, and again when it changes."""

import http.server
import threading
from functools import partial

import fsspec
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import quasistatic as qs
from quasistatic.data.source.address import Web, cache, fetched
from quasistatic.recipes import recipe

ROWS = pd.DataFrame({"age": np.arange(40) % 7, "town": [f"t{place % 3}" for place in range(40)]})


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    return system


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        asked.append(self.path)


asked: list[str] = []


@pytest.fixture
def server(tmp_path):
    """Serve a folder; yield it and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def same(one, other):
    rows = torch.arange(len(other))
    assert len(one) == len(other)
    assert one.codec == other.codec
    np.testing.assert_array_equal(one.batch(rows), other.batch(rows))


def test_a_file_on_a_server_is_fetched_once_and_read_as_the_file(server):
    folder, address = server
    ROWS.to_csv(folder / "people.csv", index=False)
    same(qs.load(f"{address}/people.csv"), qs.load(folder / "people.csv"))
    assert len(asked) == 2  # what the server says of the file, and the file
    same(qs.load(f"{address}/people.csv"), qs.load(folder / "people.csv"))
    assert len(asked) == 3
    signed = f"{address}/people.csv?token=1/2"
    assert qs.load(signed).name == "people.csv"
    assert recipe(None, qs.load(signed), signed).data.source == f"{address}/people.csv"  # a model keeps no keys


def test_what_has_changed_is_fetched_again(memory):
    with memory.open("/set/a.npy", "wb") as file:
        np.save(file, np.zeros((9, 2), np.float32))
    assert len(qs.load("memory://set/a.npy")) == 9
    with memory.open("/set/a.npy", "wb") as file:
        np.save(file, np.ones((11, 2), np.float32))
    assert len(qs.load("memory://set/a.npy")) == 11


@pytest.mark.parametrize("address", ["memory://parts", "memory://parts/", "memory://parts/part-*.parquet"])
def test_shards_at_an_address_are_one_set(memory, address, tmp_path):
    for number in range(4):
        with memory.open(f"/parts/part-{number}.parquet", "wb") as file:
            ROWS[10 * number : 10 * number + 10].to_parquet(file, index=False)
    ROWS.to_parquet(tmp_path / "whole.parquet", index=False)
    found = qs.load(address)
    same(found, qs.load(tmp_path / "whole.parquet"))
    assert found.notes[-1] == "4 Parquet files are read as one set"


def test_a_folder_of_images_keeps_its_classes(memory):
    for place, name in enumerate(("cats/1.png", "cats/2.png", "dogs/1.png")):
        with memory.open(f"/pets/{name}", "wb") as file:
            Image.fromarray(np.full((4, 4), place, np.uint8)).save(file, "png")
    found = qs.load("memory://pets")
    assert (found.name, found.classes, found.labels.tolist()) == ("pets", ("cats", "dogs"), [0, 0, 1])


def test_a_file_that_breaks_off_is_not_kept(server, monkeypatch):
    folder, address = server
    ROWS.to_csv(folder / "people.csv", index=False)
    whole = Web.info
    monkeypatch.setattr(Web, "info", lambda self, path: whole(self, path) | {"size": 10**6})
    with pytest.raises(OSError, match=r"people.csv has 1,000,000 bytes, and .* came; fetch it again"):
        qs.load(f"{address}/people.csv")
    assert not [path for path in cache().rglob("*") if path.suffix != ".lock"]


def test_progress_counts_bytes_to_the_end(memory):
    with memory.open("/set/a.bin", "wb") as file:
        file.write(b"x" * 1000)
    seen = []
    fetched("memory://set/a.bin", lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1000, 1000)


def test_a_fetch_that_fails_leaves_nothing_behind(memory, monkeypatch):
    with memory.open("/set/a.csv", "wb") as file:
        file.write(b"a,b\n1,2\n")

    def broken(*_, **__):
        raise RuntimeError("the line\nbroke")

    monkeypatch.setattr(memory, "open", broken)
    monkeypatch.setattr(type(memory), "open", broken)
    with pytest.raises(FileNotFoundError, match=r"^/set/a.csv cannot be fetched: the line$"):
        qs.load("memory://set/a.csv")
    assert not [path for path in cache().rglob("*") if path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("memory://nothing/here.csv", "memory://nothing/here.csv should give data"),
        ("memory://nothing/*.parquet", "and there are no files"),
        ("s3://bucket/b.csv", "s3fs"),
        ("nowhere://a/b.csv", "a package with which fsspec opens nowhere:// is needed"),
        ("http://127.0.0.1:9/a.csv", "http://127.0.0.1:9/a.csv should give data"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_one_sentence(memory, address, said):
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        qs.load(address)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_do_not_leave_the_cache(memory):
    for name in ("/set/a.csv", "/set/../../../out.csv"):
        memory.store[name] = fsspec.implementations.memory.MemoryFile(memory, name, b"a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"got one with \.\."):
        qs.load("memory://set")


def test_file_addresses_are_paths(tmp_path):
    ROWS.to_csv(tmp_path / "people.csv", index=False)
    assert fetched(f"file://{tmp_path}/people.csv") == tmp_path / "people.csv"
    assert not cache().exists()
