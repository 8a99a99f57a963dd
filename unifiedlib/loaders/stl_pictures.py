"""Fetch the Shop-the-Look pictures with img2dataset, which lives in an environment of its own (`tools/download.lock`).

    python -m unifiedlib.loaders.stl_pictures FOLDER --part home

`FOLDER` holds the JSON files. Each run fetches what is missing or failed; one that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from unifiedlib import paths
from unifiedlib.files import atomic_folder, write_json, write_table
from unifiedlib.loaders.stl_fetched import SUCCESS, collect, finished_shards, read_fetched, still_wanted
from unifiedlib.loaders.stl_pairs import PARTS, check_signature, read_pairs

if sys.platform != "win32":
    import fcntl

BASE_URL = "https://i.pinimg.com/400x"
ENVIRONMENT_VARIABLE = "UNIFIEDLIB_DOWNLOADER"
ENVIRONMENT = ".venv-download"
# img2dataset's own parts would ask the network for newer versions, and log in to a tracking service.
QUIET = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}


class FetchError(RuntimeError):
    """Pictures cannot be fetched; the message says why and what to do."""


def default_environment() -> Path:
    """Folder of the downloader's environment: what `UNIFIEDLIB_DOWNLOADER` names, else `.venv-download` of the repository."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or paths.resolve(ENVIRONMENT))


@dataclass(frozen=True)
class FetchSettings:
    """What a run of the downloader needs to know.

    folder: holds the JSON files; pictures and their table come below it. part: one of `PARTS`.
    environment: folder of the downloader's virtual environment. base_url: what stands before the picture's own path.
    processes: how many; threads: of each; per_shard: pictures that one process handles at a time.
    timeout_s: longest silence of a server, seconds, at least 1. retries: of a picture, within one run.
    """

    folder: Path
    part: str = "home"
    environment: Path = field(default_factory=default_environment)
    base_url: str = BASE_URL
    processes: int = 2
    threads: int = 32
    per_shard: int = 1000
    timeout_s: int = 10
    retries: int = 2

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise ValueError(f"part is {self.part!r}; choose one of {', '.join(PARTS)}")
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url is {self.base_url!r}; it must start with http:// or https://")
        least = {"processes": 1, "threads": 1, "per_shard": 1, "timeout_s": 1, "retries": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {smallest}")

    @property
    def round(self) -> Path:
        """Folder of the download under way: its list of addresses, the downloader's output, its log."""
        return self.folder.absolute() / "fetching"


def picture_url(signature: str, base_url: str = BASE_URL) -> str:
    """Address of a picture. Raises PairsError for anything but a signature.

    >>> picture_url("0027e30879ce3d87f82f699f148bff7e")
    'https://i.pinimg.com/400x/00/27/e3/0027e30879ce3d87f82f699f148bff7e.jpg'
    """
    check_signature(signature, "a picture")
    return f"{base_url.rstrip('/')}/{signature[:2]}/{signature[2:4]}/{signature[4:6]}/{signature}.jpg"


def part_signatures(folder: Path, part: str) -> list[str]:
    """Every picture that the part's usable boxes need, scenes and products, ascending. Raises as `read_pairs` does."""
    pairs = read_pairs(folder, part)
    pairs = pairs[pairs["fault"] == ""]
    return sorted(set(pairs["scene"]) | set(pairs["product"]))


def downloader(environment: Path) -> Path:
    """The downloader's program. Raises FetchError with the remedy when it is not installed."""
    for place in ("bin/img2dataset", "Scripts/img2dataset.exe"):
        if (environment / place).is_file():
            return environment / place
    raise FetchError(
        f"no img2dataset in {environment}: run `python3.11 -m venv {environment}` and "
        f"`{environment}/bin/pip install -r tools/download.lock`, or name its environment in {ENVIRONMENT_VARIABLE}"
    )


def command(program: Path, settings: FetchSettings, per_shard: int) -> list[str]:
    """The command line of the download in `settings.round`, word by word: bytes are kept as they come, none is re-encoded.

    per_shard: as the list was made for; a resumed download must keep it, or its shards would hold other pictures.
    """
    options: dict[str, object] = {
        "url_list": settings.round / "urls.parquet",
        "input_format": "parquet",
        "url_col": "url",
        "save_additional_columns": '["signature"]',
        "output_folder": settings.round / "out",
        "output_format": "files",
        "encode_format": "jpg",
        "resize_mode": "no",
        "disable_all_reencoding": True,
        "extract_exif": False,
        "compute_hash": "sha256",
        "number_sample_per_shard": per_shard,
        "processes_count": settings.processes,
        "thread_count": settings.threads,
        "timeout": settings.timeout_s,
        "retries": settings.retries,
        "max_shard_retry": 1,
        "incremental_mode": "incremental",
        "distributor": "multiprocessing",
        "user_agent_token": "unifiedlib",
        "enable_wandb": False,
    }
    return [str(program), *(f"--{name}={value}" for name, value in options.items())]


@contextmanager
def _alone(folder: Path) -> Iterator[tuple[int, ...]]:
    """Hold the folder's lock, where the system has such locks; yields the descriptor that holds it.

    The downloader inherits it: one that outlives the run that started it keeps the folder to itself until it ends.
    """
    if sys.platform == "win32":
        yield ()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError(
                f"another download is at work in {folder}: wait for its end, or stop it"
            ) from None
        yield (descriptor,)
    finally:
        os.close(descriptor)


def write_round(settings: FetchSettings, signatures: Sequence[str]) -> None:
    """Write the list of addresses of a new download, whole or not at all."""
    table = pd.DataFrame(
        {"url": [picture_url(name, settings.base_url) for name in signatures], "signature": list(signatures)}
    )
    with atomic_folder(settings.round) as aside:
        write_table(aside / "urls.parquet", table)
        write_json(aside / "plan.json", {"per_shard": settings.per_shard})


def run_round(settings: FetchSettings, inherited: tuple[int, ...] = ()) -> list[str]:
    """Run the downloader on the list in `settings.round`, check and enter what came, and remove the round.

    inherited: descriptors that the downloader keeps open. Returns the signatures that were tried.
    Raises FetchError when the downloader fails or leaves shards unfinished; the round then stays, and the next run goes
    on with it.
    """
    program = downloader(settings.environment)
    per_shard = json.loads((settings.round / "plan.json").read_text(encoding="utf-8"))["per_shard"]
    signatures: list[str] = pd.read_parquet(settings.round / "urls.parquet")["signature"].tolist()
    log = settings.round / "log.txt"
    print(
        f"fetching {len(signatures):,} pictures; the downloader writes to {paths.relative(log)}", flush=True
    )
    with log.open("ab") as stream:
        done = subprocess.run(
            command(program, settings, per_shard),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=os.environ | QUIET,
            pass_fds=inherited,
            check=False,
        )
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
        raise FetchError(
            f"img2dataset stopped with status {done.returncode} ({lines[-1]}); see {log} and run again"
        )
    n_shards, n_done = math.ceil(len(signatures) / per_shard), len(finished_shards(settings.round / "out"))
    if n_done < n_shards:
        raise FetchError(
            f"img2dataset finished {n_done} of {n_shards} shards; see {log}, then run again to go on"
        )
    collect(settings.folder, signatures, settings.round / "out")
    # Without its plan a half-removed round is none.
    (settings.round / "plan.json").unlink()
    shutil.rmtree(settings.round)
    return signatures


def fetch_pictures(settings: FetchSettings) -> pd.DataFrame:
    """Fetch the part's pictures that are missing or failed; returns the part's rows of `pictures.parquet`.

    A download that was stopped is finished first. Raises FetchError when the downloader is missing or fails, or another
    run is at work in the folder; PairsError for a broken list, FileNotFoundError without one.
    """
    signatures = part_signatures(settings.folder, settings.part)
    with _alone(settings.folder) as lock:
        stopped = (settings.round / "plan.json").is_file()
        tried = set(run_round(settings, lock)) if stopped else set()
        wanted = [name for name in still_wanted(settings.folder, signatures) if name not in tried]
        if wanted:
            downloader(settings.environment)
            write_round(settings, wanted)
            run_round(settings, lock)
        table = read_fetched(settings.folder)
    return table[table["signature"].isin(signatures)].reset_index(drop=True)


def summary(table: pd.DataFrame) -> str:
    """How many pictures are there, how many failed, and the commonest reasons, as text of a few lines."""
    failed = table[table["status"] != SUCCESS]
    lines = [f"{len(table) - len(failed):,} pictures are there, {len(failed):,} failed"]
    lines += [f"  {count:,} × {reason}" for reason, count in failed["error"].value_counts().head(5).items()]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0 also when single pictures failed, since some are gone for good."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.loaders.stl_pictures", description="Fetch the Shop-the-Look pictures."
    )
    parser.add_argument("folder", type=Path, help="holds home.json or fashion.json; pictures come below it")
    parser.add_argument("--part", choices=PARTS, default="home")
    parser.add_argument("--environment", type=Path, default=default_environment(), metavar="FOLDER")
    parser.add_argument("--base-url", default=BASE_URL, metavar="URL")
    for name in ("processes", "threads", "timeout-s", "retries"):
        default = getattr(FetchSettings, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"(default {default})")
    try:
        print(summary(fetch_pictures(FetchSettings(**vars(parser.parse_args(argv))))))
    except (FetchError, FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
