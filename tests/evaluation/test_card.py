import copy
import json
import re

import pytest
import yaml
from settings import CLEAN
from small_model import CORPUS, EMOTIONS, METRICS, RATE, encoded, make, ser, speech

from ser.corpora import CORPORA
from ser.evaluation import card
from ser.evaluation.unheard import training_id
from ser.nets import model_folder
from ser.nets.description import parse_description
from ser.use.page.figures import render_html


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return make(folder, folds=(1, 2), metrics=METRICS, temperatures=[0.617, 1.0])[0]


@pytest.fixture(scope="module")
def text(description):
    return card.write_card(description)


def tables(text):
    """Rows of cells of every table, by its first heading."""
    found = {}
    for part in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in part.splitlines()]
        rows = [[cell.strip() for cell in row] for row in rows]
        assert len({len(row) for row in rows}) == 1
        assert set(rows[1]) == {"---"}
        found[rows[0][0]] = rows[2:]
    return found


def front_matter(text):
    start, matter, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(matter)


def test_the_front_matter_has_the_keys_of_the_hub(text):
    matter = front_matter(text)
    assert list(matter) == [
        *("license", "language", "library_name", "pipeline_tag", "tags", "metrics", "model-index")
    ]
    assert matter["pipeline_tag"] == "audio-classification"
    assert "speech-emotion-recognition" in matter["tags"]
    ((result,),) = (entry["results"] for entry in matter["model-index"])
    assert result["task"]["type"] == "audio-classification"
    assert set(result["dataset"]) == {"name", "type"}
    figures = {m.get("name", m["type"]): m["value"] for m in result["metrics"]}
    assert figures == {"accuracy": 0.6123, "UAR": 0.5988}


def test_the_figures_are_those_of_the_evaluation(text):
    assert "Accuracy 61.2% (95% interval 51.0% to 71.0%)" in text
    assert "emotions) 59.9% (50.1% to 70.3%);" in text
    assert "commonest emotion: 36.1%" in text
    found = tables(text)
    for row, (name, figures) in zip(found["emotion"], METRICS["per_class"].items(), strict=True):
        shown = [f"{figures[key]:.2f}" for key in ("precision", "recall", "f1")]
        assert row == [name, *shown, str(figures["support"])]
    assert found["speaker"] == [["demo/1", "50.0%", "10"], ["demo/2", "71.4%", "14"]]


def test_the_figures_of_groups_have_intervals_and_gaps(text, description, tmp_path):
    assert tables(text)["group"] == [
        ["gender: female", "50.0% (25.0% to 75.0%)", "45.0% (20.0% to 70.0%)", "12"],
        ["gender: male", "72.7% (45.5% to 100.0%)", "75.0% (50.0% to 100.0%)", "11"],
        ["gender: unknown", *["100.0% (one clip: no interval)"] * 2, "1"],
        ["language: unknown", "61.2% (51.0% to 71.0%)", "59.9% (50.1% to 70.3%)", "24"],
    ]
    gap = "largest gap of the accuracy 22.7 points (95% interval -15.0 to +59.1) from "
    for shown in (text, render_html(description, [])):
        assert gap in shown
        assert "language: not known of any test clip." in shown
    former = {key: value for key, value in METRICS.items() if key != "by_group"}
    older = make(tmp_path, metrics=former)[0]
    assert "group" not in tables(card.write_card(older))
    assert "By group" not in render_html(older, [])


def test_the_card_says_how_far_to_trust_the_probabilities(text, tmp_path):
    assert "fold 1: 0.62; fold 2: none, with fewer than 20 val clips." in text
    assert "answers, is 0.088 (0.215 before scaling)." in text
    assert tables(text)["confidence"] == [
        ["at least 0.5", "75.0%", "18", "66.7%"],
        ["at least 0.9", "0.0%", "0", ""],
    ]
    older = {k: v for k, v in METRICS.items() if k not in ("ece_unscaled", "by_confidence")}
    written = card.write_card(make(tmp_path, metrics=older)[0])
    assert "answers, is 0.088." in written
    assert "confidence" not in tables(written)


def test_the_training_data_are_named_with_their_licence(text):
    ((name, title, _, clips, speakers, terms, _),) = tables(text)["corpus"]
    assert (name, clips, speakers) == ("demo", "30", "5")
    licence = CORPORA["demo"].licence
    assert (title, terms) == (licence.title, licence.terms)
    assert "10 angry, 10 happy, 10 sad" in text
    assert "clips of 1.0 to 2.0 s" in text


def test_the_card_says_what_answers_and_what_it_is_not_for(text):
    for emotion in EMOTIONS:
        assert emotion in text
    assert "It averages the answers of 2 nets, one for each fold." in text
    assert "## What it must not be used for" in text
    assert "article 5(1)(f)" in text


def test_the_card_says_what_is_done_to_recordings(tmp_path, text):
    assert (
        f"resampled to {RATE} Hz, filtered by a high-pass at 60 Hz and scaled to a peak"
        in text.replace("\n", " ")
    )
    description, _ = make(tmp_path, metrics=METRICS)
    made = description.preprocessing
    unfiltered = made.form.model_copy(update={"highpass": 0.0})
    changed = made.model_copy(update={"form": unfiltered})
    description = description.model_copy(update={"preprocessing": changed})
    assert f"resampled to {RATE} Hz and scaled to a peak of 1" in card.write_card(
        description
    ).replace("\n", " ")


def test_bars_and_line_ends_in_names_do_not_break_the_tables(tmp_path):
    corpus, metrics = copy.deepcopy(CORPUS), copy.deepcopy(METRICS)
    strange = 'my|corpus: "x"\n# y'
    corpus["corpora"][strange] = {"clips": 2, "speakers": 1, "languages": ["el", "fr"]}
    metrics["per_speaker"]["my|corpus/a|b"] = {"accuracy": 1.0, "n": 1}
    written = card.write_card(make(tmp_path, metrics=metrics, corpus=corpus)[0])
    found = tables(written)
    assert found["corpus"][1][0] == r'my\|corpus: "x" # y'
    assert found["corpus"][1][1] == "a corpus of one's own"
    assert found["speaker"][-1] == [r"my\|corpus/a\|b", "100.0%", "1"]
    matter = front_matter(written)
    assert matter["license"] == "other"
    assert matter["language"] == ["el", "fr"]
    assert strange in matter["model-index"][0]["results"][0]["dataset"]["name"]


@pytest.mark.parametrize("uses", [False, True])
def test_it_is_said_if_the_tested_speakers_own_recordings_were_used(tmp_path, uses):
    metrics = METRICS | {"uses_test_speakers_audio": uses}
    written = card.write_card(make(tmp_path, metrics=metrics)[0])
    assert ("normalised with the test speakers' own recordings" in written) == uses


def test_corpora_that_were_trained_on_only_are_named_and_not_those_of_the_figures(tmp_path):
    corpus = copy.deepcopy(CORPUS)
    for name in ("ravdess", "tess"):
        corpus["corpora"][name] = {"clips": 9, "speakers": 3, "languages": ["en"]}
    plain, _ = make(tmp_path, metrics=METRICS, corpus=corpus)
    written = card.write_card(plain)
    assert "Every net was trained on all clips of" not in written
    assert front_matter(written)["model-index"][0]["results"][0]["dataset"]["name"] == (
        "demo, ravdess, tess"
    )
    added = plain.model_copy(update={"train_corpora": {"tess": 0.5, "ravdess": 1.0}})
    written = card.write_card(added)
    assert "Every net was trained on all clips of tess (weight 0.5), ravdess (weight 1)." in written
    assert front_matter(written)["model-index"][0]["results"][0]["dataset"]["name"] == "demo"
    assert parse_description(added.to_json(), "m").train_corpora == added.train_corpora
    assert "train_corpora" not in json.loads(plain.to_json())
    assert training_id(added) != training_id(plain)


def test_a_model_of_format_3_has_the_same_card_page_and_answers_as_one_without_a_filter(tmp_path):
    """Its intervals are lists, it has no figures of each fold and knows no high-pass."""
    make(tmp_path, metrics=METRICS)
    described = json.loads((tmp_path / "model.json").read_text())
    described["preprocessing"]["form"]["highpass"] = 0.0
    (tmp_path / "model.json").write_text(json.dumps(described))
    description, _ = model_folder.load(tmp_path)
    (tmp_path / "clip.wav").write_bytes(encoded(speech(3), RATE, ".wav"))
    answer = ser("predict", "clip.wav", "--model", ".", "--json", cwd=tmp_path)
    assert answer.returncode == 0
    del described["preprocessing"]["form"]
    described["preprocessing"]["clean"] = {k: v for k, v in CLEAN.items() if k != "highpass"}
    metrics = described["metrics"]
    del metrics["per_fold"]
    for name in ("accuracy", "uar"):
        metrics[f"{name}_ci95"] = [metrics.pop(f"{name}_low"), metrics.pop(f"{name}_high")]
    (tmp_path / "model.json").write_text(json.dumps(described | {"format": 3}))
    former, _ = model_folder.load(tmp_path)
    assert card.write_card(former) == card.write_card(description)
    assert render_html(former, []) == render_html(description, [])
    again = ser("predict", "clip.wav", "--model", ".", "--json", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, answer.stdout)


def test_a_model_that_was_not_evaluated_has_no_card(tmp_path):
    with pytest.raises(ValueError, match="not evaluated"):
        card.write_card(make(tmp_path)[0])
