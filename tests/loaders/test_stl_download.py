"""The real downloader against a real server on this machine, which answers well, badly, late or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from stl_world import BOXES, signature, write_categories, write_pairs

from unifiedlib.loaders.stl import UNFETCHED, StlSettings, stl_counts
from unifiedlib.loaders.stl_fetched import picture_file
from unifiedlib.loaders.stl_pictures import (
    FetchError,
    FetchSettings,
    default_environment,
    downloader,
    fetch_pictures,
)
from unifiedlib.pictures import read_picture

try:
    downloader(default_environment())
    absent = ""
except FetchError as error:
    absent = str(error)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(absent), reason=absent)]

BAD = {
    "absent": "HTTP Error 404",
    "refused": "HTTP Error 403",
    "short": "IncompleteRead",
    "cut": "corrupt or truncated",
    "html": "not a picture",
    "empty": "not a picture",
    "slow": "timed out",
    "dead-end": "HTTP Error 404",
    "circle": "infinite loop",
    "closed": "Use of image disallowed",
}
GOOD = ("plain", "progressive", "bare", "png", "moved", *(f"room-{n}" for n in range(20)))
LATER = "later"


def picture_bytes(name: str) -> bytes:
    pixels = np.random.default_rng(list(name.encode())).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    stream = io.BytesIO()
    if name == "png":
        Image.fromarray(pixels).save(stream, "PNG")
    else:
        Image.fromarray(pixels).save(stream, "JPEG", quality=90, progressive=name == "progressive")
    whole = stream.getvalue()
    # Without its first segment a JPEG is still whole, but readers that look for "JFIF" no longer know it.
    return whole[:2] + whole[20:] if name == "bare" else whole


class Server(ThreadingHTTPServer):
    """Serves pictures by signature; counts the requests for each name."""

    daemon_threads = True

    def __init__(self, names: dict[str, str], pause_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.names, self.pause_s = names, pause_s
        self.requests: Counter[str] = Counter()
        self.lock = Lock()
        self.open_at_last = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/400x"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news here."""


class Answer(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """The test's output stays clean."""

    def send(
        self, status: int, body: bytes = b"", length: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def send_late(self, body: bytes) -> None:
        time.sleep(4)
        self.send(200, body, len(body))

    def do_GET(self) -> None:
        name = self.server.names.get(Path(self.path).stem, "unknown")
        with self.server.lock:
            self.server.requests[name] += 1
        time.sleep(self.server.pause_s)
        body = picture_bytes(name)
        answers: dict[str, Callable[[], None]] = {
            "absent": lambda: self.send(404, b"gone", 4),
            "refused": lambda: self.send(403, b"no", 2),
            "short": lambda: self.send(200, body[:-300], len(body)),
            "cut": lambda: self.send(200, body[:-300]),
            "html": lambda: self.send(200, b"<html>sorry</html>", 18, {"Content-Type": "image/jpeg"}),
            "empty": lambda: self.send(200, b"", 0),
            "slow": lambda: self.send_late(body),
            "dead-end": lambda: self.send(302, b"", 0, {"Location": "/nowhere.jpg"}),
            "circle": lambda: self.send(302, b"", 0, {"Location": self.path}),
            "closed": lambda: self.send(200, body, len(body), {"X-Robots-Tag": "noai"}),
            "moved": lambda: self.send(302, b"", 0, {"Location": "/other/place.jpg"}),
            "unknown": lambda: self.send(404, b"", 0),
        }
        if self.path == "/other/place.jpg":
            moved = picture_bytes("moved")
            self.send(200, moved, len(moved))
        elif name == LATER and not self.server.open_at_last:
            self.send(503, b"", 0)
        else:
            answers.get(name, lambda: self.send(200, body, len(body)))()


def serve(names: list[str], pause_s: float = 0.0) -> Server:
    server = Server({signature(name): name for name in names}, pause_s)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module", autouse=True)
def no_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        yield


def settings(folder: Path, server: Server, **changes: int) -> FetchSettings:
    quick = {"timeout_s": 1, "retries": 1, "per_shard": 10, "processes": 2, "threads": 4} | changes
    return FetchSettings(folder, base_url=server.url, **quick)


class Download:
    """A first run, what the server was asked, and a second run after it mended one picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        products = [*BAD, *(name for name in GOOD if not name.startswith("room")), LATER]
        write_pairs(folder, [(f"room-{n}", name, BOXES[0]) for n, name in enumerate(products)])
        write_categories(folder, {})
        rooms = [f"room-{n}" for n in range(len(products))]
        self.names = [*products, *rooms]
        self.server = serve(self.names)
        self.first, self.asked = self.run()
        self.server.open_at_last = True
        self.second, self.asked_again = self.run()
        self.server.shutdown()

    def run(self) -> tuple[pd.DataFrame, Counter[str]]:
        self.server.requests.clear()
        table = fetch_pictures(settings(self.folder, self.server))
        by_signature = {signature(name): name for name in self.names}
        table.index = table["signature"].map(by_signature)
        return table, Counter(self.server.requests)


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Download:
    return Download(tmp_path_factory.mktemp("download") / "stl")


@pytest.mark.parametrize("name", ["plain", "progressive", "bare", "png", "moved", "room-3"])
def test_good_picture_arrives_byte_by_byte(download: Download, name: str) -> None:
    row = download.first.loc[name]
    arrived = (download.folder / picture_file(signature(name))).read_bytes()
    assert arrived == picture_bytes(name)
    assert row["sha256"] == hashlib.sha256(arrived).hexdigest()
    assert (row["status"], row["error"]) == ("success", "")
    assert read_picture(download.folder / row["file"]).size == (80, 60)


@pytest.mark.parametrize(("name", "reason"), BAD.items())
def test_bad_picture_is_listed_with_its_reason(download: Download, name: str, reason: str) -> None:
    row = download.first.loc[name]
    assert row["status"] == "failed"
    assert reason in row["error"]
    assert not (download.folder / row["file"]).exists()


def test_every_picture_is_in_the_table_once(download: Download) -> None:
    assert sorted(download.first.index) == sorted(download.names)
    n_bad = len(BAD) + 1
    assert download.first["status"].value_counts().to_dict() == {
        "success": len(download.names) - n_bad,
        "failed": n_bad,
    }


def test_failing_picture_is_tried_again_within_a_run(download: Download) -> None:
    assert download.asked["absent"] == 2
    assert download.asked["plain"] == 1


def test_second_run_asks_only_for_what_failed(download: Download) -> None:
    assert set(download.asked_again) == {*BAD, LATER, "unknown"}
    assert download.first.loc[LATER, "error"] == "HTTP Error 503: Service Unavailable"
    assert download.second.loc[LATER, "status"] == "success"
    whole = download.first["status"] == "success"
    assert download.second[whole].equals(download.first[whole])


def test_nothing_is_left_but_pictures_and_their_table(download: Download) -> None:
    assert sorted(path.name for path in download.folder.iterdir()) == [
        "home-cat.json",
        "home.json",
        "pictures",
        "pictures.parquet",
    ]
    files = [path for path in (download.folder / "pictures").rglob("*") if path.is_file()]
    assert len(files) == (download.second["status"] == "success").sum()


def test_loader_leaves_out_the_pairs_of_failed_pictures(download: Download) -> None:
    counts = stl_counts(StlSettings(download.folder, test_share=0.4))
    assert counts[UNFETCHED] == len(BAD)
    assert counts["scene train"] + counts["scene query"] == 6


def test_download_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    n_pairs = 12
    write_pairs(tmp_path, [(f"scene-{n}", f"product-{n}", BOXES[0]) for n in range(n_pairs)])
    names = [f"{kind}-{n}" for kind in ("scene", "product") for n in range(n_pairs)]
    server = serve(names, pause_s=0.3)
    fetching = settings(tmp_path, server, per_shard=4, processes=1, threads=1, timeout_s=5)
    code = (
        "from pathlib import Path\n"
        "from unifiedlib.loaders.stl_pictures import FetchSettings, fetch_pictures\n"
        f"fetch_pictures(FetchSettings(Path({str(tmp_path)!r}), base_url={server.url!r}, per_shard=4, "
        "processes=1, threads=1, timeout_s=5))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    give_up = time.monotonic() + 60
    while not list((fetching.round / "out").glob("*_stats.json")) and time.monotonic() < give_up:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = pd.concat(
        pd.read_parquet(path.with_name(path.name.replace("_stats.json", ".parquet")))
        for path in (fetching.round / "out").glob("*_stats.json")
    )
    assert 0 < len(finished) < 2 * n_pairs
    time.sleep(0.5)
    server.pause_s = 0.0
    server.requests.clear()
    table = fetch_pictures(fetching)
    server.shutdown()
    assert (table["status"] == "success").all()
    assert len(table) == 2 * n_pairs
    by_signature = {signature(name): name for name in names}
    done = {by_signature[name] for name in finished["signature"]}
    assert set(server.requests) == set(names) - done
