"""Published results: `python -m unifiedlib.publish` copies the last runs' scores to docs/results and the pages' tables."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from unifiedlib import ablation_story, codes_story, figures, paths
from unifiedlib.contract import MERGED, load_collection
from unifiedlib.costs.story import manager_table, percent
from unifiedlib.decor import DecorSettings
from unifiedlib.figures import decor
from unifiedlib.files import atomic_path, write_json, write_table
from unifiedlib.params import COLLECTIONS, load_params
from unifiedlib.results import headlines, own_rows, result_table, table_markdown
from unifiedlib.retrieval import choose_queries, examples, load_variants, ranked_queries
from unifiedlib.scoring import OWN_GALLERY
from unifiedlib.show import result_folder
from unifiedlib.simulations import simulation_markdown, simulation_table
from unifiedlib.variants import UNIFIED
from unifiedlib.verdict_story import verdict_markdown

PUBLISHED = Path("docs/results")
SHOWN = ("decor", "photos")
ALL = "all"
COLOURS = 64
README, FINDINGS, ABLATIONS = "README.md", "docs/findings.md", "docs/ablations.md"
CODES, COSTS, REPLAY = "docs/codes.md", "docs/costs.md", "docs/replay.md"


def published_markdown(folder: Path, collection: str) -> str:
    """The README's table of one collection's scores, from the published ones alone."""
    scores = pd.read_csv(folder / f"{collection}-scores.csv")
    return table_markdown(own_rows(result_table(scores)))


def judged_markdown(folder: Path, collection: str) -> str:
    """How the claims that every run judges came out on one collection, a list, from the published claims alone."""
    claims = json.loads((folder / f"{collection}-claims.json").read_text(encoding="utf-8"))
    heads = [claim for claim in claims if "/" not in claim["id"]]
    return "".join(f"- **{claim['id']}, {claim['verdict']}.** {claim['how']}\n" for claim in heads)


def markers(collection: str, part: str = "") -> tuple[str, str]:
    """The lines between which a collection's results stand, or those of a part, such as `ablations`; `verdicts` are of `ALL`."""
    if part:
        return f"<!-- {part}:{collection} -->", f"<!-- end:{part}:{collection} -->"
    return f"<!-- results:{collection} -->", f"<!-- end:{collection} -->"


def with_section(page: str, collection: str, content: str, part: str = "") -> str:
    """The text of a page with what stands between two markers replaced; ValueError when a marker is missing."""
    start, end = markers(collection, part)
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page lacks the markers {start} and {end}: write them where the results belong")
    return pattern.sub(lambda _: f"{start}\n{content}{end}", page)


def _renew(page: str, collection: str, content: str, part: str = "") -> None:
    """Replace what stands between the markers of a part; a page without them stays as it is."""
    path = paths.resolve(page)
    text = path.read_text(encoding="utf-8")
    if markers(collection, part)[0] in text:
        with atomic_path(path) as aside:
            aside.write_text(with_section(text, collection, content, part), encoding="utf-8")


def ablation_markdown(folder: Path, collection: str) -> str:
    """The part of docs/ablations.md on a collection, from the published claims alone."""
    claims = json.loads((folder / f"{collection}-ablations-claims.json").read_text(encoding="utf-8"))
    return ablation_story.claims_markdown(claims)


def headline_rows(scores: pd.DataFrame, galleries: Sequence[str] = (OWN_GALLERY,)) -> pd.DataFrame:
    """The scores in each task's headline metric, in its own gallery or in those named."""
    wanted = scores["metric"] == scores["task"].map(headlines(scores))
    return scores[wanted & scores["gallery"].isin(galleries)].reset_index(drop=True)


def publish_queries(per_query: pd.DataFrame, scores: pd.DataFrame, target: Path) -> None:
    """Write each query's result in its task's headline metric, so that anyone can judge the claims again without training.

    per_query: columns as in per_query.parquet, and `bytes` in the study of codes; scores: those that it stands behind. A row
    takes about a byte.
    """
    wanted = per_query["metric"] == per_query["task"].map(headlines(scores))
    names = ("variant", "task", "gallery", "representation", "metric")
    sizes = [name for name in ("bytes",) if name in per_query]
    kinds = dict.fromkeys(names, "category") | dict.fromkeys(["item", "cluster", *sizes], "int32")
    order = ["variant", "seed", "task", "gallery", "representation", *sizes, "item"]
    rows = per_query.loc[wanted, [*names, "seed", *sizes, "item", "cluster", "value"]]
    rows = rows.sort_values(order, ignore_index=True).astype(kinds | {"value": "float32"})
    with atomic_path(target) as aside:
        rows.to_parquet(aside, compression="zstd", index=False)


def codes_markdown(folder: Path, collection: str) -> str:
    """The part of docs/codes.md on one collection: the figure, the claims, and everything that was stored, by its bytes."""
    claims = json.loads((folder / f"{collection}-codes-claims.json").read_text(encoding="utf-8"))
    scores = pd.read_csv(folder / f"{collection}-codes.csv")
    figure = f"![Precision against stored bytes](figures/{collection}-codes.png)"
    table = codes_story.bytes_markdown(codes_story.bytes_table(scores))
    return f"{figure}\n\n{ablation_story.claims_markdown(claims)}\n{table}"


def _small_copy(source: Path, target: Path) -> None:
    """A figure with few colours, for the repository."""
    picture = Image.open(source).convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with atomic_path(target) as aside:
        few.save(aside, "PNG", optimize=True)


def publish_overview() -> None:
    """Draw the README's picture from the last run on `decor`: per task, the queries at the first quarter and the middle."""
    data = load_collection(paths.resolve("data/decor"))
    seeds = sorted(pd.read_csv(paths.resolve("results/decor/scores.csv"))["seed"].unique().tolist())
    stored = load_variants(data, paths.resolve("embeddings/decor"), [UNIFIED], seeds)[UNIFIED]
    per_query = pd.read_parquet(paths.resolve("results/decor/per_query.parquet"))
    chosen = {}
    for task, about in data.tasks.items():
        ranked = ranked_queries(per_query, task, about.k, UNIFIED)
        chosen[task] = examples(data, stored, task, choose_queries(ranked, 5)[1:3], k=8)
    figures.save_figure(figures.overview_grid(data, chosen), paths.resolve("docs/figures/overview.png"))


def publish_world() -> None:
    """Draw the figures of docs/decor.md, which show what the parameters of `assemble.decor` do."""
    chosen = load_params(paths.resolve("params.yaml")).assemble.decor.model_dump(exclude={"size"})
    settings = DecorSettings(**chosen)
    drawn = {
        "nuisances": decor.nuisance_sheet(settings),
        "products": decor.product_sheet(settings),
        "clicks": decor.click_figure(settings),
    }
    for name, figure in drawn.items():
        figures.save_figure(figure, paths.resolve(f"docs/figures/decor-{name}.png"))


def publish(collection: str) -> None:
    """Copy one collection's results to docs/results and renew its parts of README and docs/findings.md."""
    results, published = result_folder(collection), paths.resolve(PUBLISHED)
    scores = pd.read_csv(results / "scores.csv")
    write_table(published / f"{collection}-scores.csv", scores)
    per_query = pd.read_parquet(results / "per_query.parquet")
    publish_queries(per_query, scores, published / f"{collection}-per-query.parquet")
    with atomic_path(published / f"{collection}-claims.json") as aside:
        aside.write_bytes((results / "claims.json").read_bytes())
    _renew(README, collection, published_markdown(published, collection))
    _renew(FINDINGS, collection, judged_markdown(published, collection), "claims")
    tables = {name: published / f"{name}-scores.csv" for name in SHOWN}
    shown = {name: pd.read_csv(table) for name, table in tables.items() if table.is_file()}
    if collection in shown:
        figures.save_figure(figures.headline_figure(shown), paths.resolve("docs/figures/results.png"))


def publish_ablations(collection: str) -> None:
    """Copy what the ablations gave to docs/results and docs/figures, and its table to a page; nothing where none were run."""
    results = paths.resolve(f"results/{collection}-ablations")
    if not (results / "claims.json").is_file():
        return
    published = paths.resolve(PUBLISHED)
    every = pd.read_parquet(results / "scores.parquet")
    scores = headline_rows(every)
    write_table(published / f"{collection}-ablations.csv", scores)
    folder = paths.resolve(f"ablations/{collection}/scores")
    tables = [folder / name / "per_query.parquet" for name in sorted(scores["variant"].unique())]
    per_query = pd.concat([pd.read_parquet(table) for table in tables if table.is_file()], ignore_index=True)
    own = per_query[per_query["gallery"] == OWN_GALLERY]
    publish_queries(own, every, published / f"{collection}-ablations-per-query.parquet")
    main_claims = json.loads((results.with_name(collection) / "claims.json").read_text(encoding="utf-8"))
    known = {claim["id"] for claim in main_claims}
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    own = [claim for claim in claims if claim["id"] not in known]
    write_json(published / f"{collection}-ablations-claims.json", own)
    for figure in sorted((results / "figures").glob("*.png")):
        _small_copy(figure, paths.resolve(f"docs/figures/{collection}-ablations-{figure.name}"))
    _renew(ABLATIONS, collection, ablation_markdown(published, collection), "ablations")


def publish_codes(collection: str) -> None:
    """Copy what the study of codes gave to docs, and renew docs/codes.md; nothing where it was not run."""
    results = paths.resolve(f"results/{collection}-codes")
    if not (results / "claims.json").is_file():
        return
    published = paths.resolve(PUBLISHED)
    every = pd.read_parquet(results / "scores.parquet")
    write_table(published / f"{collection}-codes.csv", headline_rows(every, (OWN_GALLERY, MERGED)))
    per_query = pd.read_parquet(results / "per_query.parquet")
    publish_queries(per_query, every, published / f"{collection}-codes-per-query.parquet")
    write_table(published / f"{collection}-codes-bits.csv", pd.read_csv(results / "bits.csv"))
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    write_json(published / f"{collection}-codes-claims.json", claims)
    figure = results / "figures/precision_against_bytes.png"
    _small_copy(figure, paths.resolve(f"docs/figures/{collection}-codes.png"))
    _renew(CODES, collection, codes_markdown(published, collection), "codes")


def costs_markdown(folder: Path, collection: str) -> str:
    """What operating one embedding or one per task costs: the manager's table, and C8 with its parts."""
    claims = json.loads((folder / f"{collection}-costs-claims.json").read_text(encoding="utf-8"))
    lines = []
    for claim in claims:
        saved, low, high = (percent(float(claim[key])) for key in ("effect", "low", "high"))
        lines.append(f"| {claim['id']} | {claim['verdict']} | {saved} ({low} to {high}) |")
    table = manager_table(pd.read_csv(folder / f"{collection}-costs.csv"))
    return (
        "\n".join([table, "| claim | verdict | share saved, 95 % interval |", "|---|---|---|", *lines]) + "\n"
    )


def publish_costs(collection: str) -> None:
    """Copy what costs came out to docs/results, and renew docs/costs.md; nothing where they were not measured."""
    results = paths.resolve(f"results/{collection}-costs")
    if not (results / "claims.json").is_file():
        return
    published = paths.resolve(PUBLISHED)
    for name, target in (("costs", "costs"), ("measured", "costs-measured")):
        write_table(published / f"{collection}-{target}.csv", pd.read_csv(results / f"{name}.csv"))
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    write_json(published / f"{collection}-costs-claims.json", claims)
    _renew(COSTS, collection, costs_markdown(published, collection), "costs")


def simulations_markdown(folder: Path, collection: str) -> str:
    """The table of the simulated user study and A/B tests."""
    study, replay = (folder / f"{collection}-{name}.json" for name in ("study", "replay"))
    return simulation_markdown(simulation_table(study, replay))


def publish_simulations(collection: str) -> None:
    """Copy the summaries of the simulated user study and A/B tests to docs/results, and renew docs/replay.md."""
    published, found = paths.resolve(PUBLISHED), False
    for name in ("study", "replay"):
        summary = paths.resolve(f"results/{collection}-{name}/summary.json")
        if summary.is_file():
            found = True
            write_json(
                published / f"{collection}-{name}.json", json.loads(summary.read_text(encoding="utf-8"))
            )
    if found:
        _renew(REPLAY, collection, simulations_markdown(published, collection), "simulations")


def verdicts_markdown(folder: Path) -> str:
    """The README's table of verdicts, from the published ones alone."""
    return verdict_markdown(pd.read_csv(folder / "verdicts.csv"))


def publish_verdicts() -> None:
    """Copy the verdicts to docs/results and docs/figures, and the README's table; nothing where they were not gathered."""
    gathered = paths.resolve("verdicts")
    if not (gathered / "verdicts.csv").is_file():
        return
    published = paths.resolve(PUBLISHED)
    for name in ("verdicts.csv", "effects.csv"):
        write_table(published / name, pd.read_csv(gathered / name))
    _small_copy(gathered / "forest.png", paths.resolve("docs/figures/verdicts.png"))
    _renew(README, ALL, verdicts_markdown(published), "verdicts")


def chosen(named: Sequence[str]) -> list[str]:
    """The collections to publish, each of which has results. named: on the command line; none: those shown that were run.

    Raises ValueError for an unknown name, FileNotFoundError where there is nothing to publish.
    """
    for name in named:
        if name not in COLLECTIONS:
            raise ValueError(f"there is no collection '{name}'; choose one of {', '.join(COLLECTIONS)}")
    if named:
        return [result_folder(name).name for name in named]
    run = [name for name in SHOWN if (paths.resolve("results") / name / "scores.csv").is_file()]
    for name in set(SHOWN) - set(run):
        print(f"'{name}' has no results here: what is published of it stays")
    return run or [result_folder(SHOWN[0]).name]


def main() -> int:
    """Publish the collections named on the command line, or of those that the pages show all that were run.

    Returns the exit status.
    """
    try:
        named = chosen(sys.argv[1:])
        for collection in named:
            publish(collection)
            publish_ablations(collection)
            publish_codes(collection)
            publish_costs(collection)
            publish_simulations(collection)
        publish_verdicts()
        if "decor" in named:
            publish_overview()
            publish_world()
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
