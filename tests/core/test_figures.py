import json

import pytest
from small_model import METRICS

from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.figures import Figures, OverallFigures, read_figures
from ser.core.tables import write_report

BASELINE = {"kind": "svm", "accuracy": 0.5, "uar": 0.25}
ORACLE = {"accuracy": 0.75, "per_fold": {"1": {"accuracy": 0.75, "epoch": 2}}}


def test_a_file_is_written_as_it_was_read(tmp_path):
    committed = ROOT / "metrics/evaluate.json"
    write_report(tmp_path / "again.json", read_figures(committed).for_report())
    assert (tmp_path / "again.json").read_bytes() == committed.read_bytes()


@pytest.mark.parametrize("more", [{}, {"baseline": BASELINE}, {"oracle": ORACLE}])
def test_the_report_has_neither_nulls_nor_the_confusion_matrix(more):
    figures = Figures.from_values(METRICS | more)
    expected = {key: value for key, value in (METRICS | more).items() if key != "confusion"}
    assert figures.for_report() == expected
    assert figures.for_model() == expected | {"confusion": METRICS["confusion"]}


def test_all_levels_are_rounded():
    exact = METRICS | {"uar": 1 / 3, "baseline": BASELINE | {"uar": 2 / 3}}
    figures = Figures.from_values(exact).rounded()
    assert (figures.uar, figures.baseline.uar) == (0.333333, 0.666667)
    assert figures.confusion == METRICS["confusion"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accuracy": 1.5}, "accuracy = 1.5: input should be less than or equal to 1"),
        ({"accuracy": float("nan")}, "accuracy = nan"),
        ({"uar": "0.5"}, "uar = '0.5'"),
        ({"n_test": 24.0}, "n_test = 24.0"),
        ({"n_test": 0}, "n_test = 0"),
        ({"per_class": None}, "per_class = None: a mapping expected"),
        ({"per_speaker": {"a/1": 3}}, "per_speaker.a/1 = 3: a mapping of keys"),
        ({"per_fold": {"1": {"accuracy": 0.5}}}, "per_fold.1.uar: missing"),
        ({"baseline": {"kind": "svm"}}, "baseline.accuracy: missing"),
        ({"confusion": [[1]]}, "confusion is not 3 rows of 3"),
        ({"confusion": [[1] * 3] * 2}, "confusion is not 3 rows of 3"),
        ({"acuracy": 0.5}, "acuracy: unknown key"),
        ({"accuracy_ci95": [0.1, 0.2, 0.3]}, "accuracy_ci95: unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, change, said):
    path = tmp_path / "evaluate.json"
    path.write_text(json.dumps(METRICS | change))
    with pytest.raises(UserError) as error:
        read_figures(path)
    assert str(error.value).startswith(f"{path} is damaged ({said}")
    assert len(str(error.value).splitlines()) == 1


OPTIONAL = ("per_fold", "confusion", "ece_unscaled", "by_confidence", "by_group")


@pytest.mark.parametrize("key", OPTIONAL)
def test_figures_that_older_versions_did_not_write_may_be_missing(key):
    figures = Figures.from_values({k: v for k, v in METRICS.items() if k != key})
    assert getattr(figures, key) is None


@pytest.mark.parametrize("key", [key for key in METRICS if key not in OPTIONAL])
def test_a_missing_key_is_named(key):
    values = {name: value for name, value in METRICS.items() if name != key}
    with pytest.raises(ValueError, match=f"^{key}: missing$"):
        Figures.from_values(values)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "<<<<<<< HEAD\n{}", '"text"'])
def test_a_file_that_holds_no_figures_is_damaged(tmp_path, text):
    (tmp_path / "evaluate.json").write_text(text)
    with pytest.raises(UserError, match=r"evaluate.json is damaged .*`dvc repro`"):
        read_figures(tmp_path / "evaluate.json")


def test_a_file_of_bytes_is_damaged_and_a_missing_one_is_named(tmp_path):
    with pytest.raises(UserError, match=r"evaluate.json: No such file.*`dvc repro`"):
        read_figures(tmp_path / "evaluate.json")
    (tmp_path / "evaluate.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"evaluate.json is damaged"):
        read_figures(tmp_path / "evaluate.json")


def test_lists_of_both_ends_are_named():
    listed = {k: v for k, v in METRICS.items() if not k.startswith(("accuracy_", "uar_"))}
    listed |= {"accuracy_ci95": [0.51, 0.71], "uar_ci95": [0.5012, 0.7034]}
    assert Figures.from_values(listed) == Figures.from_values(METRICS)
    assert Figures.from_values(METRICS).accuracy_interval == (0.51, 0.71)


def test_of_another_version_only_the_overall_figures_are_read():
    keys = ("accuracy", "accuracy_low", "accuracy_high", "uar", "uar_low", "uar_high")
    means = ("precision_macro", "recall_macro", "f1_macro")
    older = {key: METRICS[key] for key in (*keys, *means)}
    figures = OverallFigures.from_values(older | {"unknown": 1, "per_class": None})
    assert figures.model_dump() == older
    assert figures.headline == "Accuracy 61.2% (95% interval 51.0% to 71.0%)"
