"""`make bench-distributed`: a forest and a search shared with workers; writes docs/results/distributed.md.

Every place has one thread, so that two places fill a machine of two cores. What more places would
do is shown by trees that only wait: then it is Dask alone that takes time. A measurement is a process
of its own. All are kept in docs/results/distributed.json, and what is there is not done again: delete
it to measure anew.

    python -m tests.bench.distributed
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Process
from pathlib import Path
from typing import Any

from housing_core.api.spec import Training
from housing_core.bundle import RecipeResult
from housing_training.models.candidates import Fitter
from housing_training.models.forest import grow_forest
from housing_training.selection.search import search
from housing_training.workers.crew import ALONE, Crew
from tests.bench.serving.load import Watch
from tests.bench.training_splits import (
    ROOT,
    kept_result,
    paired_split,
    take_over,
    write_results,
)
from tests.training_workers import NoStore, WorkerProcess, new_crewing, workers

CACHE = ROOT / "build" / "bench-distributed"
RESULTS = ROOT / "docs" / "results" / "distributed.json"
PAGE = ROOT / "docs" / "results" / "distributed.md"
TREES, WAITS, WAIT_SECONDS, TRIALS = 100, 80, 0.5, 4
KILLED_AFTER_SECONDS = 3

FREE = 0.2
"""Cores in use by others, on a machine that is free."""

MEASURED = (
    *(("wait", places, "unharmed") for places in ("0", "2", "4")),
    *(("grow", places, "unharmed") for places in ("0", "1", "2")),
    ("grow", "3", "killed"),
    ("grow twice", "0", "unharmed"),
    *(("search", places, "unharmed") for places in ("0", "2")),
)
"""The work, its places (the Job's own and workers; 0 is a training without Dask), and whether one
worker is killed in the middle."""

Result = dict[str, Any]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        what, places, killed = arguments.one
        print(json.dumps(measure(what, int(places), killed == "killed")))
        return
    # What joblib counts, and so the threads of every place.
    os.environ.update({"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1"})
    if not RESULTS.exists():
        shutil.rmtree(CACHE, ignore_errors=True)
    take_over(RESULTS, CACHE, "work", "places", "pods")
    for which in MEASURED:
        kept_result("tests.bench.distributed", CACHE, *which)
        kept = [CACHE / f"{'-'.join(each)}.json" for each in MEASURED]
        results = [json.loads(path.read_text("utf-8")) for path in kept if path.exists()]
        write_results(RESULTS, results)
        PAGE.write_text(page(results), "utf-8")
    print(PAGE.read_text("utf-8"))


def measure(what: str, places: int, killed: bool) -> Result:
    """Seconds of one piece of work on so many places, and a digest of what came out."""
    work = {
        "grow": growing,
        "grow twice": growing_twice,
        "search": searching,
        "wait": waiting,
    }[what]()
    with crew_of(places) as (crew, started):
        if killed:
            killing = threading.Timer(KILLED_AFTER_SECONDS, started[0].kill)
            killing.start()
        begun, watch = time.perf_counter(), Watch()
        made = work(crew)
        seconds = time.perf_counter() - begun
        if killed and killing.is_alive():
            raise SystemExit(f"the work took {seconds:.1f} s: no worker was killed in its middle")
        others = watch.others()
    return {
        "work": what,
        "places": str(places),
        "pods": "killed" if killed else "unharmed",
        "cores": os.cpu_count(),
        "seconds": round(seconds, 1),
        "others": round(others, 1),
        "digest": hashlib.sha256(made).hexdigest()[:12],
    }


@contextmanager
def crew_of(places: int) -> Iterator[tuple[Crew, list[WorkerProcess]]]:
    """A crew whose workers have all come."""
    if not places:
        yield ALONE, []
        return
    from housing_training.workers.dask_crew import DaskCrew

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        crewing = new_crewing(folder / "tls")
        with (
            DaskCrew(crewing, places - 1, lambda said: print(said, file=sys.stderr)) as crew,
            workers(crewing, folder, places - 1) as started,
        ):
            for worker in started:
                worker.wait_for("working for the training", seconds=300)
            yield crew, started


def growing() -> Callable[[Crew], bytes]:
    """The seed's forest on Istanbul, after SMOTE."""
    given = paired_split("istanbul", 0)
    training = Training.model_validate({"recipe": "seed", "forest": {"trees": TREES}})
    fitter = Fitter(given.columns, given.crosses, training, given.classes)
    encoded = fitter.encode("HashedForest", given.part)

    def grow(crew: Crew) -> bytes:
        forest = grow_forest(
            encoded.features,
            encoded.labels,
            training.forest,
            seed=training.seed,
            width=encoded.width,
            crew=crew,
        )
        return b"".join(tree.tree_.__getstate__()["nodes"].tobytes() for tree in forest.estimators_)

    return grow


def growing_twice() -> Callable[[Crew], bytes]:
    """Two such forests at once, by processes that know nothing of each other: the machine's limit."""
    grow = growing()

    def grow_twice(crew: Crew) -> bytes:
        processes = [Process(target=grow, args=(crew,)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            if process.exitcode:
                raise SystemExit(f"a forest was not grown: exit code {process.exitcode}")
        return b""

    return grow_twice


def searching() -> Callable[[Crew], bytes]:
    """One generation of settings of the forest on target encoding."""
    given = paired_split("istanbul", 0)
    training = Training.model_validate(
        {"forest": {"trees": 20}, "search": {"trials": TRIALS, "timeout": "1h"}}
    )
    fitter = Fitter(given.columns, given.crosses, training, given.classes)
    chosen = RecipeResult(recipe="auto", model="EncodedForest", digest="d")

    def find(crew: Crew) -> bytes:
        found = search(fitter, given.part, chosen, NoStore(), say=lambda _: None, crew=crew)
        return json.dumps([found.settings, found.search and found.search.macro_f1]).encode()

    return find


def waiting() -> Callable[[Crew], bytes]:
    """Trees that only take time."""

    def wait(crew: Crew) -> bytes:
        numbers = list(range(WAITS))
        return json.dumps(list(crew.map(wait_for_tree, crew.share(WAIT_SECONDS), numbers))).encode()

    return wait


def wait_for_tree(seconds: float, number: int) -> int:
    """What takes as long as a large tree and uses no processor."""
    time.sleep(seconds)
    return number


def page(results: Sequence[Result]) -> str:
    """Speed-up against places, for each piece of work."""
    lines = [
        "# A training shared with workers, measured",
        "",
        f"Written by `make bench-distributed` from [distributed.json](distributed.json), on a machine "
        f"with {results[0]['cores']} cores. A place "
        "is the Job's own process or a worker, each a process with one thread, speaking TLS over "
        "the loopback interface; workers are there before the clock starts. More places than cores "
        "cannot make anything faster that computes: the first two tables end at the machine's "
        "cores, and the third shows what Dask alone costs with more places. The last column says how "
        "many cores other programs had meanwhile, which these did not.",
        "",
        *_warning(results),
        f"## {TREES} trees of the seed's forest, Istanbul",
        "",
        *_table(results, "grow"),
        "",
        *_limit(results),
        f"## Search: {TRIALS} settings of a forest of 20 trees, five folds, Istanbul",
        "",
        *_table(results, "search"),
        "",
        f"## {WAITS} trees that wait for {WAIT_SECONDS:g} s each and compute nothing",
        "",
        *_table(results, "wait"),
    ]
    return "\n".join(lines) + "\n"


def _warning(results: Sequence[Result]) -> list[str]:
    if all(result["others"] < FREE for result in results):
        return []
    return [
        "**Other programs used the machine during this run. What the first two tables show is how "
        "cores were shared with them, no measure of the workers: delete distributed.json and run it "
        "again on a free machine.**",
        "",
    ]


def _limit(results: Sequence[Result]) -> list[str]:
    twice = _of(results, "grow twice")
    if not twice:
        return []
    one, two = _of(results, "grow")[0]["seconds"], twice[0]["seconds"]
    return [
        f"Two such forests grown at once, by processes that know nothing of each other, take "
        f"{two:.1f} s: {2 * one / two:.2f} times the "
        "work of one in its time is what two places could reach on this machine.",
        "",
    ]


def _table(results: Sequence[Result], work: str) -> list[str]:
    results = _of(results, work)
    if not results:
        return ["Not measured yet."]
    first = results[0]
    return [
        "| places | seconds | speed-up | same result | cores that others had |",
        "|---|---|---|---|---|",
        *(
            f"| {_places(result)} | {result['seconds']:.1f} "
            f"| {first['seconds'] / result['seconds']:.2f} "
            f"| {'yes' if result['digest'] == first['digest'] else 'NO'} | {result['others']:.1f} |"
            for result in results
        ),
    ]


def _of(results: Sequence[Result], work: str) -> list[Result]:
    return [result for result in results if result["work"] == work]


def _places(result: Result) -> str:
    if result["places"] == "0":
        return "1, without Dask"
    return f"{result['places']}" + (
        f", one killed after {KILLED_AFTER_SECONDS} s" if result["pods"] == "killed" else ""
    )


if __name__ == "__main__":
    main()
