"""Read the experiments of a suite from experiments/suites/<suite>.yaml."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from scripts import experiments
from ser.core.errors import UserError
from ser.core.sections import Section, Seed
from ser.core.validation import check_settings
from ser.core.yaml_reader import read_yaml

Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]  # also of a git reference


class Entry(Section):
    """An experiment of a suite."""

    experiment: str = ""  # of experiments/; default: the suite's
    params: experiments.Changes = Field(default_factory=dict)  # differences from it
    description: str = ""
    kept: bool = False  # whether params.yaml or an experiment now has these params
    reported: str = ""  # by its own project: accuracy, choice of the epoch, corpus and split


class Suite(Section):
    """Experiments that are run and measured in the same way."""

    entries: Annotated[dict[Name, Entry], Field(min_length=1)]  # in the order of the results
    experiment: str = ""  # of entries without one; default: the entry's name
    params: experiments.Changes = Field(default_factory=dict)  # override an entry's own
    without_test_clips_of: list[str] = Field(default_factory=list)  # experiments
    prefix: str = ""  # of the names of the DVC experiments
    seeds: list[Seed] = Field(default_factory=list)  # empty: each runs once, with its own seed
    seeded: list[str] = Field(default_factory=lambda: ["model.seed"])  # the keys set to the seed
    parallel: bool = False  # whether the seeds of an entry run at the same time
    resumes: bool = True  # whether a stopped training continues, or starts again

    @model_validator(mode="after")
    def _names_experiments(self) -> Self:
        known = experiments.names()
        named = [*self.without_test_clips_of, *map(self.experiment_of, self.entries)]
        if unknown := [name for name in named if name not in known]:
            raise ValueError(
                f"no experiment {', '.join(unknown)}: expected one of {', '.join(known)}"
            )
        return self

    def experiment_of(self, name: str) -> str:
        """Return the experiment that an entry differs from."""
        return self.entries[name].experiment or self.experiment or name

    def changes(self, name: str) -> experiments.Changes:
        """Return the params of an entry that differ from params.yaml, except the seed."""
        base = experiments.read_file(self.experiment_of(name))
        return experiments.merge(experiments.merge(base, self.entries[name].params), self.params)


def read_suite(suite: str) -> Suite:
    """Read and check the list of a suite.

    Raises:
        UserError: it is missing or not valid; the message lists every mistake and its place.
    """
    path = experiments.FOLDER / f"suites/{suite}.yaml"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    return check_settings(Suite, read_yaml(text, str(path)), str(path))
