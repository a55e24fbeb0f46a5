"""Compares the journal of the training in reports/ with the curves of its run in the tracking server."""

import sys
from collections import Counter

from pipeline import paths, publish
from pipeline.tracking import connection, registry, runs
from pipeline.tracking.journal import read_journal


def main() -> int:
    """Prints the counts; 1 if a point was lost, doubled or changed, or if there is more than one run or version."""
    client, results = connection.connect(may_create=True), publish.read_results()
    run_id = runs.find_or_make_run(client, results.train_key)
    run = client.get_run(run_id)
    key = f"tags.{runs.TRAIN_KEY_TAG} = '{results.train_key}'"
    num_runs = len(client.search_runs([run.info.experiment_id], key))
    num_versions = sum(one.run_id == run_id for one in registry.versions(client))
    written = Counter(read_journal(paths.JOURNAL))
    arrived = Counter(
        (name, metric.step, metric.value)
        for name in {point.key for point in written}
        for metric in client.get_metric_history(run_id, name)
    )
    lost, more = written - arrived, arrived - written
    print(
        f"{written.total()} points in the journal, {arrived.total()} on the server; lost {lost.total()}, "
        f"doubled or changed {more.total()}; {num_runs} run, {run.info.status}; {num_versions} version"
    )
    return 1 if lost or more or (num_runs, num_versions, run.info.status) != (1, 1, "FINISHED") else 0


if __name__ == "__main__":
    sys.exit(main())
