"""What was fetched of the Shop-the-Look pictures: `pictures.parquet`, made of the downloader's reports and checked anew.

The table has a row per picture that was tried: `signature`, `file` (below the folder), `sha256` (of the bytes, when they were
whole), `status` (`success` or `failed`) and `error` (why it failed). A picture succeeds only when its bytes have the
hash that was reported, and the hash that an earlier run recorded, and when it can be decoded to its last line.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from unifiedlib.files import sha256, write_table
from unifiedlib.loaders.stl_pairs import check_signature
from unifiedlib.pictures import PictureError, read_picture
from unifiedlib.progress import progress

TABLE = "pictures.parquet"
COLUMNS = ["signature", "file", "sha256", "status", "error"]
SUCCESS, FAILED = "success", "failed"
UNREPORTED = "the downloader did not report it"


@dataclass(frozen=True)
class Report:
    """What the downloader says of one picture. file: where it put the bytes; error: empty when it has them."""

    file: Path
    sha256: str
    error: str


def picture_file(signature: str) -> str:
    """Where a picture lies, below the folder, as in its address. Raises PairsError for anything but a signature.

    >>> picture_file("0027e30879ce3d87f82f699f148bff7e")
    'pictures/00/27/e3/0027e30879ce3d87f82f699f148bff7e.jpg'
    """
    check_signature(signature, "a picture")
    return f"pictures/{signature[:2]}/{signature[2:4]}/{signature[4:6]}/{signature}.jpg"


def read_fetched(folder: Path) -> pd.DataFrame:
    """The table of pictures, empty before the first run. Raises ValueError when it lacks a column or names no signature."""
    path = folder / TABLE
    if not path.is_file():
        return pd.DataFrame(columns=pd.Index(COLUMNS), dtype=str)
    table = pd.read_parquet(path)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ValueError(f"{path} has no column {missing[0]!r}: remove it and fetch the pictures again")
    for row, signature in enumerate(table["signature"]):
        check_signature(signature, f"{path} row {row}")
    return table[COLUMNS]


def merge_fetched(folder: Path, rows: pd.DataFrame) -> None:
    """Write the table anew: `rows` replace those of the same signatures."""
    older = read_fetched(folder)
    kept = older[~older["signature"].isin(rows["signature"])]
    merged = rows if kept.empty else pd.concat([kept, rows])
    write_table(folder / TABLE, merged[COLUMNS].sort_values("signature").reset_index(drop=True))


def fetched_files(folder: Path) -> dict[str, str]:
    """File, relative to `folder`, of each picture that was fetched whole and is still there."""
    table = read_fetched(folder)
    names = table.loc[table["status"] == SUCCESS, "signature"]
    files = {signature: picture_file(signature) for signature in names}
    return {signature: file for signature, file in files.items() if (folder / file).is_file()}


def finished_shards(out: Path) -> list[Path]:
    """Tables of the shards that the downloader has finished: only those have a file of statistics."""
    stats = sorted(out.glob("*_stats.json"))
    return [path.with_name(path.name.removesuffix("_stats.json") + ".parquet") for path in stats]


def read_reports(out: Path) -> dict[str, Report]:
    """The downloader's report by signature, from its finished shards in `out`."""
    reports = {}
    for shard in finished_shards(out):
        table = pd.read_parquet(shard, columns=["signature", "key", "status", "error_message", "sha256"])
        for signature, key, status, message, digest in table.itertuples(index=False):
            if not re.fullmatch("[0-9]+", key):
                raise ValueError(
                    f"{shard}: {key!r} is no key of the downloader: remove {out} and fetch again"
                )
            error = "" if status == SUCCESS else str(message or status)
            reports[signature] = Report(out / shard.stem / f"{key}.jpg", str(digest), error)
    return reports


def _fault(path: Path, expected: list[str]) -> tuple[str, str]:
    """Hash of the file, and why it is not whole; the reason is empty for a good picture."""
    if not path.is_file():
        return "", "the downloaded file is gone"
    digest = sha256(path)
    for wanted in expected:
        if wanted and digest != wanted:
            return digest, f"its SHA-256 is {digest[:12]}…, {wanted[:12]}… is expected"
    try:
        read_picture(path)
    except PictureError as error:
        return digest, str(error).removeprefix(f"{path}: ")
    return digest, ""


def accept(signature: str, folder: Path, reports: dict[str, Report], recorded: dict[str, str]) -> list[str]:
    """Check one downloaded picture and, when it is whole, move it to its place; its row of the table, as `COLUMNS`.

    recorded: SHA-256 by signature of pictures that earlier runs had whole.
    """
    file, before = picture_file(signature), recorded.get(signature, "")
    report = reports.get(signature, Report(folder, "", UNREPORTED))
    if report.error:
        return [signature, file, before, FAILED, report.error]
    target = folder / file
    # A run that was stopped here has moved some pictures already.
    found = report.file if report.file.is_file() else target
    digest, fault = _fault(found, [report.sha256, before])
    if fault:
        return [signature, file, before, FAILED, fault]
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(found, target)
    return [signature, file, digest, SUCCESS, ""]


def collect(folder: Path, signatures: list[str], out: Path) -> pd.DataFrame:
    """Check every listed picture of a finished download in `out`, move the good ones, and enter all in the table.

    Returns the new rows.
    """
    reports = read_reports(out)
    table = read_fetched(folder)
    recorded = dict(zip(table["signature"], table["sha256"], strict=True))
    work = partial(accept, folder=folder, reports=reports, recorded=recorded)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(progress(pool.map(work, signatures), len(signatures), "checking pictures"))
    fetched = pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    merge_fetched(folder, fetched)
    return fetched


def still_wanted(folder: Path, signatures: list[str]) -> list[str]:
    """Those of `signatures` that are not there, or whose bytes are no longer the recorded ones.

    A picture that lies in its place but not in the table is checked and entered.
    """
    table = read_fetched(folder)
    recorded = dict(zip(table["signature"], table["sha256"], strict=True))
    whole = set(table.loc[table["status"] == SUCCESS, "signature"])
    wanted, entered = [], []
    for signature in progress(signatures, len(signatures), "looking for pictures"):
        path = folder / picture_file(signature)
        if signature in whole and path.is_file() and sha256(path) == recorded[signature]:
            continue
        digest, fault = _fault(path, [recorded.get(signature, "")])
        if fault:
            wanted.append(signature)
        else:
            entered.append([signature, picture_file(signature), digest, SUCCESS, ""])
    if entered:
        merge_fetched(folder, pd.DataFrame(entered, columns=pd.Index(COLUMNS)))
    return wanted
