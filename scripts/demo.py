"""Run the whole workflow on the synthetic corpus in demo/: offline, in a minute or two."""

from scripts import cli, experiments
from scripts.workspace import ROOT, dvc, make_workspace
from ser.core.errors import UserError
from ser.core.figures import read_figures


def main() -> None:
    """Run the pipeline in demo/ and print the results.

    Raises:
        UserError: a stage failed.
    """
    folder = ROOT / "demo"
    make_workspace(folder, experiments.read_experiment("demo"))
    if dvc(folder, "repro").returncode:
        raise UserError(f"the demo failed: see above; its files are in {folder}")
    figures = read_figures(folder / "metrics/evaluate.json")
    low, high = figures.accuracy_interval
    print(
        f"\nSynthetic speech, {figures.n_test} clips of speakers not in the training set: "
        f"accuracy {figures.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"guessing {figures.majority_accuracy:.1%}. These figures say nothing about real speech."
    )
    for name, value in figures:
        if isinstance(value, int | float):
            print(f"  {name}: {value:g}")
    print("All metrics: demo/metrics/*.json. Pictures:")
    for picture in sorted((folder / "plots").glob("*.png")):
        print(f"  {picture.relative_to(ROOT)}")


if __name__ == "__main__":
    cli.run_script(main)
