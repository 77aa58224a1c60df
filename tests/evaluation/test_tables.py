"""The printed tables."""

import numpy as np

from objdisc.evaluation.metrics import ClusterMetrics, cluster_metrics
from objdisc.evaluation.tables import format_table

NAMES = {24: "person", 26: "car"}


def metrics(clusters: list[int], num_clusters: int) -> ClusterMetrics:
    return cluster_metrics(np.array([24, 24, 24, 26, 26]), np.array(clusters), num_clusters, NAMES)


METHOD, BASELINE = metrics([0, 0, 1, 1, 1], 3), metrics([0, 0, 0, 0, 1], 2)


def test_method_and_baseline_stand_side_by_side_as_in_table_3() -> None:
    table = format_table(METHOD, BASELINE).split("\n\n")[0]
    assert table.splitlines() == [
        "           |            Our method           |       Baseline",
        "Class      | cluster 0  cluster 1  cluster 2 | cluster 0  cluster 1",
        "-----------+---------------------------------+---------------------",
        "person     |         2          1          0 |         3          0",
        "car        |         0          2          0 |         1          1",
        "-----------+---------------------------------+---------------------",
        "majority   |    person        car          - |    person        car",
        "one to one |    person        car          - |    person        car",
    ]


def test_the_summary_holds_floor_and_scores_of_both() -> None:
    summary = format_table(METHOD, BASELINE).split("\n\n")[1].splitlines()
    rows = {line[:34].strip(): line[34:].split() for line in summary[1:]}
    assert summary[0].split() == ["Our", "method", "Baseline"]
    assert rows["accuracy floor (largest class)"] == ["0.600", "0.600"]
    assert rows["accuracy, majority"] == ["0.800", "0.800"]
    assert rows["clusters"] == ["3", "2"]
    assert rows["NMI, arithmetic"] == [f"{METHOD.nmi:.3f}", f"{BASELINE.nmi:.3f}"]


def test_without_a_baseline_there_is_one_column_of_scores() -> None:
    text = format_table(METHOD)
    assert "Baseline" not in text
    assert text.splitlines()[-1].split() == ["effective", "clusters", f"{METHOD.effective_clusters:.3f}"]


def test_many_clusters_are_broken_into_tables_that_fit() -> None:
    rng = np.random.default_rng(0)
    wide = cluster_metrics(rng.choice([24, 26], 500), rng.integers(0, 40, 500), 40, NAMES)
    text = format_table(wide, wide, max_width=100)
    assert max(map(len, text.splitlines())) <= 100
    headers = [line.split("|")[1] for line in text.splitlines() if line.startswith("Class")]
    assert [int(k) for k in "".join(headers).replace("cluster", "").split()] == [*range(40), *range(40)]
    counts = [line.split("|")[1].split() for line in text.splitlines() if line.startswith("person")]
    assert [int(count) for row in counts for count in row] == wide.counts["person"] * 2
    assert text.count("Baseline") > 1


def test_long_names_keep_the_columns_apart() -> None:
    names = {24: "a very long name of a class", 26: "x"}
    text = format_table(cluster_metrics(np.array([24, 26]), np.array([0, 1]), 2, names))
    lines = [line for line in text.split("\n\n")[0].splitlines() if "|" in line]
    assert len({line.index("|") for line in lines}) == 1
