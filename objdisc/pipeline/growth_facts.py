"""Facts about a grown run's categories: which known ones it met, which are new, and which have vanished."""

from pathlib import Path

import numpy as np

from objdisc.imaging.colors import cluster_colors
from objdisc.io.files import read_json, write_json
from objdisc.io.run import Run
from objdisc.methods.grown import Grown
from objdisc.naming.categories import Names, former_identities, run_identity
from objdisc.naming.names_file import FORMAT, read_names
from objdisc.patches.store import PatchStore
from objdisc.pipeline.loading import LoadedRun, open_results
from objdisc.pipeline.summary import GrowthFacts
from objdisc.retrieval import Centers

_EXPECTED, _LEFT = 10, 0.1  # objects, and the share of these that a category may still have that vanished


def growth_of(method: Grown, run: Run, before: Run) -> GrowthFacts:
    """Count the objects of a grown run by category, and find the known categories that have vanished.

    A category has vanished if it holds at most a tenth of the objects expected from its share in the previous run, and
    at least ten were expected: if nothing has changed, fewer than one category in a thousand looks vanished by chance
    (Poisson). No category has vanished if the previous run did not record its objects' categories.

    Args:
        method: The grown one.
        run: The grown run, which has recorded the categories of its training objects.
        before: The run that it grew from.
    """
    now, then = Centers.read(run.centers), Centers.read(before.centers)
    assert now is not None  # written just before
    counts = np.bincount(now.clusters, minlength=method.num_clusters)
    known, new = counts[: method.num_known], counts[method.num_known :]
    vanished: list[int] = []
    if then is not None and len(then.clusters):
        share = np.bincount(then.clusters, minlength=method.num_known) / len(then.clusters)
        expected = share[: method.num_known] * known.sum()
        vanished = np.flatnonzero((expected >= _EXPECTED) & (known <= _LEFT * expected)).tolist()
    numbers = {method.num_known + place: int(count) for place, count in enumerate(new)}
    return GrowthFacts(str(before.path), dict(enumerate(known.tolist())), numbers, tuple(vanished))


def in_words(found: GrowthFacts) -> str:
    """Describe known, new and vanished categories in whole sentences."""
    known, new = sum(found.known.values()), sum(found.new.values())
    said = [f"Of {known + new} objects, {known} belong to the {len(found.known)} known categories of {found.run}."]
    if found.new:
        what = "category" if len(found.new) == 1 else "categories"
        each = ", ".join(f"{cluster} ({_objects(count)})" for cluster, count in found.new.items())
        said.append(f"New: {what} {each}.")
    else:
        said.append("No category is new.")
    if found.vanished:
        subject, verb = ("category", "has") if len(found.vanished) == 1 else ("categories", "have")
        gone = ", ".join(map(str, found.vanished))
        said.append(f"Vanished: {subject} {gone}, which {verb} hardly any object here; no id moves up.")
    if found.new and found.vanished:
        said.append(
            "Where one is new and another has vanished, look whether they are the same objects in another light."
        )
    return " ".join(said)


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def check_names(path: Path, loaded: LoadedRun) -> None:
    """Check that a names.json belongs to the run that is grown.

    Raises:
        UsageError: It is damaged, or another run's.
    """
    _, store = open_results(loaded.run)
    identities = (run_identity(loaded.run, store), *former_identities(loaded.run, store))
    read_names(path, identities, store.foreground, Names.default(cluster_colors(loaded.options.k)))


def carry_names(path: Path, folder: Run, run: Run, store: PatchStore, num_clusters: int) -> None:
    """Write the names of known categories as a names.json of the grown run, without patches that were moved.

    Args:
        path: That of the run before.
        folder: Where results are written.
        run: The grown run.
        store: The patches of its evaluation split.
        num_clusters: K, new categories included, which keep their numbers as names.

    Raises:
        UsageError: The file cannot be read.
    """
    named = read_json(path).get("clusters", [])
    head = {"format": FORMAT, "version": 1, "run": run_identity(run, store), "num_clusters": num_clusters}
    write_json(folder.known_names, head | {"clusters": named, "moved": []})
