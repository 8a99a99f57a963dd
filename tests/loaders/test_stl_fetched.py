from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from stl_world import save_picture, signature

from unifiedlib.loaders.stl_fetched import (
    UNREPORTED,
    collect,
    fetched_files,
    picture_file,
    read_fetched,
    read_reports,
    still_wanted,
)
from unifiedlib.loaders.stl_pairs import PairsError

NAMES = ("a", "b", "c")
SIGNATURES = sorted(signature(name) for name in NAMES)


def write_shard(out: Path, rows: list[dict[str, str | None]], number: int = 0, finished: bool = True) -> None:
    """A shard in img2dataset's layout: table, folder of pictures, and statistics once it is finished."""
    (out / f"{number:05d}").mkdir(parents=True)
    empty = {"status": "success", "error_message": None, "sha256": None}
    pd.DataFrame([{**empty, **row} for row in rows]).to_parquet(out / f"{number:05d}.parquet")
    if finished:
        (out / f"{number:05d}_stats.json").write_text("{}")


def downloaded(out: Path, name: str, key: int, shard: int = 0) -> dict[str, str | None]:
    path = out / f"{shard:05d}" / f"{key:08d}.jpg"
    save_picture(path, name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(out.parent / f"{name}.jpg")
    return {"signature": signature(name), "key": f"{key:08d}", "sha256": digest}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A finished shard: a is whole, b is not there, c is cut short."""
    out = tmp_path / "fetching" / "out"
    rows = [downloaded(out, "a", 0), downloaded(out, "c", 2)]
    missing = {"status": "failed_to_download", "error_message": "HTTP Error 404: Not Found"}
    rows.append({"signature": signature("b"), "key": "00000001", **missing})
    (out / "00000").rmdir()
    write_shard(out, rows)
    (out.parent / "a.jpg").rename(out / "00000" / "00000000.jpg")
    short = (out.parent / "c.jpg").read_bytes()[:-200]
    (out / "00000" / "00000002.jpg").write_bytes(short)
    return out


def status(folder: Path) -> pd.DataFrame:
    return read_fetched(folder).set_index("signature")


def test_whole_picture_is_moved_to_its_place_with_its_hash(out: Path, tmp_path: Path) -> None:
    collect(tmp_path, SIGNATURES, out)
    row = status(tmp_path).loc[signature("a")]
    assert (row["status"], row["error"]) == ("success", "")
    assert hashlib.sha256((tmp_path / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert fetched_files(tmp_path) == {signature("a"): picture_file(signature("a"))}
    assert not (out / "00000" / "00000000.jpg").exists()


def test_failed_picture_keeps_the_downloaders_reason(out: Path, tmp_path: Path) -> None:
    row = collect(tmp_path, SIGNATURES, out).set_index("signature").loc[signature("b")]
    assert (row["status"], row["error"]) == ("failed", "HTTP Error 404: Not Found")


def test_bytes_that_lack_the_reported_hash_fail(out: Path, tmp_path: Path) -> None:
    collect(tmp_path, SIGNATURES, out)
    row = status(tmp_path).loc[signature("c")]
    assert row["status"] == "failed"
    assert "its SHA-256 is" in row["error"]
    assert not (tmp_path / row["file"]).exists()


def test_truncated_picture_fails_though_its_hash_is_the_reported_one(out: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(out / "00000.parquet")
    short = hashlib.sha256((out / "00000" / "00000002.jpg").read_bytes()).hexdigest()
    table.loc[table["signature"] == signature("c"), "sha256"] = short
    table.to_parquet(out / "00000.parquet")
    collect(tmp_path, SIGNATURES, out)
    assert "corrupt or truncated" in status(tmp_path).loc[signature("c"), "error"]
    assert list(fetched_files(tmp_path)) == [signature("a")]


def test_picture_without_a_report_fails(out: Path, tmp_path: Path) -> None:
    collect(tmp_path, [*SIGNATURES, signature("d")], out)
    assert status(tmp_path).loc[signature("d"), "error"] == UNREPORTED


def test_shard_without_statistics_is_not_read(tmp_path: Path) -> None:
    write_shard(tmp_path, [{"signature": signature("a"), "key": "00000000"}], finished=False)
    assert read_reports(tmp_path) == {}


def test_collecting_again_after_a_stop_gives_the_same_table(out: Path, tmp_path: Path) -> None:
    first = collect(tmp_path, SIGNATURES, out)
    (tmp_path / "pictures.parquet").unlink()
    assert collect(tmp_path, SIGNATURES, out).equals(first)


def test_key_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, [{"signature": signature("a"), "key": "../../secret"}])
    with pytest.raises(ValueError, match=r"'../../secret' is no key of the downloader"):
        read_reports(tmp_path)


def test_name_that_is_no_signature_gives_no_path(tmp_path: Path) -> None:
    with pytest.raises(PairsError, match="is no signature"):
        picture_file("../../../../../../etc/passwd")
    pd.DataFrame([["../x", "x", "", "success", ""]], columns=read_fetched(tmp_path).columns).to_parquet(
        tmp_path / "pictures.parquet"
    )
    with pytest.raises(PairsError, match=r"pictures\.parquet row 0: '../x' is no signature"):
        fetched_files(tmp_path)


def test_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"signature": SIGNATURES}).to_parquet(tmp_path / "pictures.parquet")
    with pytest.raises(ValueError, match="has no column 'file': remove it and fetch the pictures again"):
        read_fetched(tmp_path)


def test_pictures_put_in_place_by_hand_are_checked_and_entered(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_picture(tmp_path / picture_file(signature(name)), name)
    broken = tmp_path / picture_file(signature("b"))
    broken.write_bytes(broken.read_bytes()[:-200])
    assert set(still_wanted(tmp_path, SIGNATURES)) == {signature("b"), signature("c")}
    assert list(fetched_files(tmp_path)) == [signature("a")]


def test_changed_or_lost_picture_is_wanted_again(tmp_path: Path) -> None:
    for name in NAMES:
        save_picture(tmp_path / picture_file(signature(name)), name)
    assert still_wanted(tmp_path, SIGNATURES) == []
    save_picture(tmp_path / picture_file(signature("a")), "another")
    (tmp_path / picture_file(signature("b"))).unlink()
    assert set(still_wanted(tmp_path, SIGNATURES)) == {signature("a"), signature("b")}


def test_other_bytes_under_a_known_name_fail_against_the_recorded_hash(out: Path, tmp_path: Path) -> None:
    place = tmp_path / picture_file(signature("a"))
    save_picture(place, "earlier")
    assert still_wanted(tmp_path, [signature("a")]) == []
    before = status(tmp_path).loc[signature("a"), "sha256"]
    place.unlink()
    collect(tmp_path, [signature("a")], out)
    row = status(tmp_path).loc[signature("a")]
    assert (row["status"], row["sha256"]) == ("failed", before)
    assert f"{before[:12]}… is expected" in row["error"]
