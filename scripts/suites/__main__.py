"""Run a suite: all experiments of experiments/suites/<suite>.yaml, or some of them.

    python -m scripts.suites compare [--epochs N] [NAME ...]
    python -m scripts.suites protocols [--emobox FOLDER] [NAME ...]
    python -m scripts.suites trials --emobox FOLDER [--seeds N] [NAME ...]

Each runs as a DVC experiment of the current commit, once per seed; finished ones do not run again.
The figures are written after each experiment. Figures of experiments that do not run now are kept.
"""

import argparse
from pathlib import Path

from scripts import cli, experiments, tables
from scripts.suites import lists, recordings, results, runs
from scripts.workspace import at_least_one
from ser.core.errors import UserError


def main(options: argparse.Namespace) -> None:
    """Run the entries one after the other, and write the figures after each.

    Raises:
        UserError: the list, an option, an entry's params or a former result is not valid, and
            nothing was run; or a stage failed.
    """
    suite = lists.read_suite(options.suite)
    names = options.names or list(suite.entries)
    if unknown := [name for name in names if name not in suite.entries]:
        known = ", ".join(suite.entries)
        raise UserError(f"{options.suite} has no {', '.join(unknown)}: expected one of {known}")
    for read in results.READ[options.suite]:  # what is damaged shows before hours of work
        read()
    if options.emobox is not None and not options.emobox.is_dir():
        raise UserError(f"--emobox {str(options.emobox)!r} is not a folder: expected EmoBox's data")
    if options.seeds is not None:
        suite = suite.model_copy(update={"seeds": list(range(options.seeds))})
    if suite.without_test_clips_of:
        hidden = recordings.hide_test_clips(suite, options.emobox)
        suite = suite.model_copy(update={"params": experiments.merge(suite.params, hidden)})
    planned = {name: runs.plan(suite, name, options.epochs, options.emobox) for name in names}
    for number, (name, changes) in enumerate(planned.items(), start=1):
        print(f"\n== {name} ({number} of {len(planned)})", flush=True)
        figures = [results.collect(*run) for run in runs.run_all(changes, suite).items()]
        results.ADD[options.suite](suite, name, figures)
        print(f"{name}: accuracy", *(f"{run['accuracy']:.1%}" for run in figures), flush=True)
    if options.suite == "compare":
        print(f"\n{tables.differences()}")


def read_options() -> argparse.Namespace:
    """Read the command line; not every option applies to every suite."""
    parser = argparse.ArgumentParser(prog="python -m scripts.suites", description=__doc__)
    parser.set_defaults(epochs=None, seeds=None)
    suites = parser.add_subparsers(dest="suite", required=True)
    of = {name: suites.add_parser(name) for name in results.ADD}
    of["compare"].add_argument("--epochs", type=at_least_one, help="maximum number of epochs")
    of["trials"].add_argument("--seeds", type=at_least_one, help="number of repetitions")
    for each in of.values():
        each.add_argument("--emobox", type=Path, help="folder of EmoBox's lists")
        each.add_argument("names", nargs="*", metavar="NAME", help="entries (default: all)")
    return parser.parse_args()


if __name__ == "__main__":
    options = read_options()
    cli.run_script(lambda: main(options), cli.RESUMES)
