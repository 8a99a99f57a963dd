from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from stl_world import looks, signature, write_pairs, write_world

from unifiedlib.loaders.stl_pairs import PairsError
from unifiedlib.loaders.stl_pictures import (
    FetchError,
    FetchSettings,
    command,
    downloader,
    fetch_pictures,
    main,
    part_signatures,
    picture_url,
    summary,
    write_round,
)


def environment_with(folder: Path, program: str) -> Path:
    """An environment whose img2dataset is a program of the system, such as `true` or `false`."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "img2dataset").symlink_to(program)
    return folder


def settings(tmp_path: Path, program: str = "/bin/true") -> FetchSettings:
    write_pairs(tmp_path / "stl", looks(2))
    environment = tmp_path / "environment"
    if not environment.exists():
        environment_with(environment, program)
    return FetchSettings(tmp_path / "stl", environment=environment, per_shard=4)


def test_address_is_the_one_that_the_source_documents() -> None:
    name = "0027e30879ce3d87f82f699f148bff7e"
    assert picture_url(name) == f"https://i.pinimg.com/400x/00/27/e3/{name}.jpg"
    assert picture_url(name, "http://127.0.0.1:8000/").startswith("http://127.0.0.1:8000/00/27/e3/")


@pytest.mark.parametrize(
    "name", ["", "0" * 33, "../../../../../../../../etc/passwd", "0" * 30 + "/a", "0" * 31 + "\n"]
)
def test_no_address_is_made_of_anything_but_a_signature(name: str) -> None:
    with pytest.raises(PairsError, match="is no signature"):
        picture_url(name)


def test_pictures_of_a_part_are_those_of_its_usable_boxes(tmp_path: Path) -> None:
    write_pairs(tmp_path, [*looks(1), ("elsewhere", "thing", [0.5, 0.5, 0.5, 0.5])])
    names = {f"scene-0-{n}" for n in range(2)} | {f"product-0-{n}" for n in range(3)}
    assert part_signatures(tmp_path, "home") == sorted(signature(name) for name in names)


def test_command_line_keeps_bytes_and_asks_for_hashes(tmp_path: Path) -> None:
    fetching = FetchSettings(tmp_path, environment=tmp_path, processes=3, threads=16, timeout_s=5, retries=1)
    words = command(Path("bin/img2dataset"), fetching, per_shard=500)
    assert words == [
        "bin/img2dataset",
        f"--url_list={tmp_path}/fetching/urls.parquet",
        "--input_format=parquet",
        "--url_col=url",
        '--save_additional_columns=["signature"]',
        f"--output_folder={tmp_path}/fetching/out",
        "--output_format=files",
        "--encode_format=jpg",
        "--resize_mode=no",
        "--disable_all_reencoding=True",
        "--extract_exif=False",
        "--compute_hash=sha256",
        "--number_sample_per_shard=500",
        "--processes_count=3",
        "--thread_count=16",
        "--timeout=5",
        "--retries=1",
        "--max_shard_retry=1",
        "--incremental_mode=incremental",
        "--distributor=multiprocessing",
        "--user_agent_token=unifiedlib",
        "--enable_wandb=False",
    ]


def test_list_of_addresses_is_parquet_with_the_signatures(tmp_path: Path) -> None:
    names = [signature("a"), signature("b")]
    fetching = settings(tmp_path)
    write_round(fetching, names)
    table = pd.read_parquet(tmp_path / "stl" / "fetching" / "urls.parquet")
    assert table["signature"].tolist() == names
    assert table["url"].tolist() == [picture_url(name) for name in names]


def test_list_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    fetching = settings(tmp_path)
    with pytest.raises(PairsError):
        write_round(fetching, [signature("a"), "no signature"])
    assert [path.name for path in (tmp_path / "stl").iterdir()] == ["home.json"]


def test_missing_downloader_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        FetchError, match=r"no img2dataset in .*: run `python3.11 -m venv .* tools/download.lock`"
    ):
        downloader(tmp_path)


def test_without_downloader_nothing_is_begun(tmp_path: Path) -> None:
    write_pairs(tmp_path / "stl", looks(2))
    with pytest.raises(FetchError, match="no img2dataset in"):
        fetch_pictures(FetchSettings(tmp_path / "stl", environment=tmp_path))
    assert not (tmp_path / "stl" / "fetching").exists()


def test_pictures_that_are_there_need_no_downloader(tmp_path: Path) -> None:
    write_world(tmp_path / "stl", looks(2))
    (tmp_path / "stl" / "pictures.parquet").unlink()
    table = fetch_pictures(FetchSettings(tmp_path / "stl", environment=tmp_path))
    assert table["status"].tolist() == ["success"] * 10


def test_failing_downloader_is_named_with_its_log(tmp_path: Path) -> None:
    fetching = settings(tmp_path, "/bin/false")
    with pytest.raises(
        FetchError, match=r"stopped with status 1 \(it said nothing\); see .*log\.txt and run again"
    ):
        fetch_pictures(fetching)
    assert (fetching.round / "plan.json").is_file()


def test_unfinished_shards_stop_the_run_and_are_kept(tmp_path: Path) -> None:
    fetching = settings(tmp_path)
    with pytest.raises(FetchError, match=r"finished 0 of 3 shards; see .* then run again to go on"):
        fetch_pictures(fetching)
    assert (fetching.round / "urls.parquet").is_file()
    assert not (fetching.folder / "pictures.parquet").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no locks of folders")
def test_downloader_that_outlives_its_run_keeps_the_folder(tmp_path: Path) -> None:
    fetching = settings(tmp_path)
    program = fetching.environment / "bin" / "img2dataset"
    program.unlink()
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/started\nexec sleep 60\n")
    program.chmod(0o755)
    arguments = [str(fetching.folder), "--environment", str(fetching.environment)]
    run = subprocess.Popen([sys.executable, "-m", "unifiedlib.loaders.stl_pictures", *arguments])
    started, give_up = tmp_path / "started", time.monotonic() + 60
    while not (started.is_file() and started.read_text().strip()) and time.monotonic() < give_up:
        time.sleep(0.05)
    run.kill()
    run.wait()
    try:
        with pytest.raises(
            FetchError, match=r"another download is at work in .*: wait for its end, or stop it"
        ):
            fetch_pictures(fetching)
    finally:
        os.kill(int(started.read_text()), signal.SIGKILL)
    assert (fetching.round / "plan.json").is_file()


def test_summary_counts_the_commonest_reasons() -> None:
    rows = [("success", "")] * 3 + [("failed", "HTTP Error 404: Not Found")] * 2 + [("failed", "timed out")]
    assert summary(pd.DataFrame(rows, columns=["status", "error"])).splitlines() == [
        "3 pictures are there, 3 failed",
        "  2 × HTTP Error 404: Not Found",
        "  1 × timed out",
    ]


def test_command_line_says_what_is_wrong_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--environment", str(tmp_path)]) == 1
    assert "home.json is missing" in capsys.readouterr().err
    assert main([str(tmp_path), "--threads", "0"]) == 1
    assert "threads is 0; it must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": "garden"}, "part is 'garden'; choose one of home, fashion"),
        ({"base_url": "file:///etc"}, "base_url is 'file:///etc'; it must start with http:// or https://"),
        ({"per_shard": 0}, "per_shard is 0; it must be at least 1"),
        ({"timeout_s": 0}, "timeout_s is 0; it must be at least 1"),
        ({"retries": -1}, "retries is -1; it must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FetchSettings(Path("stl"), **change)  # type: ignore[arg-type]
