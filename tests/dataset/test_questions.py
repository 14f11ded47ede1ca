"""Questions on passages: SQuAD's forms, answers that are where they should be, and those that are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import transferhub as hub
from transferhub.dataset import ReadingExample, load
from transferhub.dataset.examples import fingerprint, where
from transferhub.dataset.files import read_questions
from transferhub.dataset.reading import checked, nearest, read_answers
from transferhub.errors import DataError

CONTEXT = "Emma married Cnut. Emma was the sister of Richard."


def question(guid, *answers, **more):
    return {
        "id": guid,
        "question": f"Who is {guid}?",
        "answers": [{"text": text, "answer_start": start} for text, start in answers],
        **more,
    }


def squad(path, *questions, context=CONTEXT):
    paragraphs = [{"context": context, "qas": list(questions)}]
    path.write_text(json.dumps({"data": [{"title": "T", "paragraphs": paragraphs}]}), encoding="utf-8")
    return path


def test_questions_share_their_passage_and_know_their_place(tmp_path):
    path = squad(tmp_path / "q.json", question("a", ("Emma", 0), ("Emma", 19)), question("b", ("Cnut", 13)))
    rows = load(path, kind="answers").train_examples
    assert rows[0].text_b is rows[1].text_b
    assert (rows[0].guid, rows[0].text_a, rows[0].text_b, rows[0].title) == ("a", "Who is a?", CONTEXT, "T")
    assert rows[0].answers == [("Emma", 0), ("Emma", 19)]
    assert rows[0].span == ("Emma", 0)
    assert rows[1].trainable
    assert where(rows, 1) == f"{path}: question b"
    assert fingerprint(rows) != fingerprint([rows[0], rows[0]])


def test_answers_off_their_place_are_moved_or_kept_and_counted(tmp_path, lines):
    path = squad(
        tmp_path / "q.json",
        question("off", ("Emma", 20)),
        question("spaces", (" Cnut ", 12)),
        question("gone", ("Ethelred", 3)),
        question("none", ("Richard", -1)),
    )
    rows = {row.guid: row for row in read_answers(path)}
    assert rows["off"].answers == [("Emma", 19)], "the occurrence that is nearest"
    assert rows["spaces"].answers == [("Cnut", 13)]
    assert rows["none"].answers == [("Richard", 42)]
    assert rows["gone"].answers == [("Ethelred", -1)]
    assert not rows["gone"].trainable
    assert any("2 answers were not at their offset" in line and "off, spaces)" in line for line in lines)
    assert any("1 answers come without an offset" in line and "none)" in line for line in lines)
    assert any("1 answers are not in their passage" in line for line in lines)
    assert any("1 questions have no answer in their passage; training leaves them out" in line for line in lines)


@given(st.text("ab", max_size=30), st.text("ab", min_size=1, max_size=4), st.integers(0, 30))
def test_the_nearest_occurrence_is_found(context, text, start):
    places = [at for at in range(len(context)) if context.startswith(text, at)]
    found = nearest(context, text, start)
    if not places:
        assert found is None
    else:
        assert found in places
        assert abs(found - start) == min(abs(at - start) for at in places)


def test_impossible_questions_have_no_answer(tmp_path, lines):
    path = squad(
        tmp_path / "q.json",
        question("a", ("Emma", 0), is_impossible=False),
        question("b", is_impossible=True, plausible_answers=[{"text": "Cnut", "answer_start": 13}]),
        question("c", ("Cnut", 13), is_impossible=True),
        question("d"),
    )
    rows = load(path, kind="answers").train_examples
    assert [(row.is_impossible, row.answers) for row in rows[1:]] == [(True, [])] * 3
    assert all(row.trainable for row in rows)
    assert any("1 questions are marked as impossible and have answers" in line for line in lines)


def test_a_gap_is_no_impossible_question(tmp_path, lines):
    rows = read_answers(squad(tmp_path / "q.json", question("a", ("Emma", 0)), question("b")))
    assert not rows[1].trainable
    assert not rows[1].is_impossible
    assert any("1 questions have no answer and are not marked as impossible" in line for line in lines)


def test_empty_passages_and_questions_are_counted_and_ids_must_differ(tmp_path, lines):
    path = squad(tmp_path / "q.json", question("a", ("Emma", 0)), {**question("b", ("x", 0)), "question": " "})
    assert [row.guid for row in read_answers(path)] == ["a"]
    assert any("1 questions without a text or a passage" in line for line in lines)
    with pytest.raises(DataError, match="question a: the id is there twice"):
        read_answers(squad(tmp_path / "d.json", question("a", ("Emma", 0)), question("a", ("Cnut", 13))))
    with pytest.raises(DataError, match="has no questions"):
        read_answers(squad(tmp_path / "e.json", question("a", ("Emma", 0)), context="  "))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"data": [', r"q\.json:1: not JSON"),
        ("", r"not JSON"),
        ('{"rows": []}', 'there is no list "data"'),
        ('{"data": [{"title": "x"}]}', "has no context|has no question"),
        ('{"data": [{"paragraphs": [{"context": "x"}]}]}', "a paragraph of entry 0"),
        ('{"data": []}', "has no questions"),
        (
            '{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": 1, "question": "q", "answers": [3]}]}]}]}',
            "answer is 3",
        ),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, text, said):
    (tmp_path / "q.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        load(tmp_path / "q.json", kind="answers")


def test_cmrcs_own_form_and_flat_rows_are_read(tmp_path):
    path = tmp_path / "q.json"
    qas = [{"query_id": "D_0", "query_text": "谁？", "answers": ["艾玛", "艾玛"]}]
    path.write_text(json.dumps([{"context_id": "D", "context_text": "是艾玛。", "qas": qas, "title": "t"}]), "utf-8")
    (row,) = read_answers(path)
    assert (row.guid, row.text_a, row.text_b, row.answers) == ("D_0", "谁？", "是艾玛。", [("艾玛", 1), ("艾玛", 1)])
    path = tmp_path / "flat.jsonl"
    flat = {"id": 7, "question": "Who?", "context": CONTEXT, "answers": {"text": ["Cnut"], "answer_start": [13]}}
    path.write_text(json.dumps(flat) + "\n", "utf-8")
    assert load(path, kind="answers").train_examples[0].span == ("Cnut", 13)
    pandas = pytest.importorskip("pandas")
    rows = load(pandas.DataFrame([flat]), kind="answers").train_examples
    assert rows[0].guid == "7"
    with pytest.raises(DataError, match="no column 'context'"):
        load(pandas.DataFrame([{"question": "q", "answers": "a"}]), kind="answers")


def test_rows_to_predict_have_no_answers():
    (row,) = checked([{"question": "Who?", "context": CONTEXT}], "rows")
    assert row.label is None
    assert not row.trainable


def test_a_dev_set_takes_whole_passages():
    rows = [
        ReadingExample(f"{passage}-{number}", "q", f"passage {passage}", [("passage", 0)])
        for passage in range(20)
        for number in range(5)
    ]
    dataset = load(rows, kind="answers")
    split = dataset.with_dev(seed=1)
    assert (len(split.dev_examples), split.drawn) == (10, "whole passages")
    assert not {row.text_b for row in split.dev_examples} & {row.text_b for row in split.train_examples}
    assert [row.guid for row in dataset.with_dev(1).dev_examples] == [row.guid for row in split.dev_examples]
    one = load(rows[:5], kind="answers").with_dev(seed=1)
    assert (len(one.train_examples), len(one.dev_examples), one.drawn) == (4, 1, "at random")


def test_lists_must_hold_reading_examples():
    with pytest.raises(DataError, match=r"train\[0\].*InputExample(?s:.)*ReadingExample"):
        load([hub.dataset.InputExample(0, "q", "c", "a")], kind="answers")


def test_the_real_cmrc2018_has_the_faults_that_are_known(real_data, lines):
    real_data("cmrc2018")
    dataset = hub.dataset.CMRC2018()
    assert [len(dataset.get_examples(phase)) for phase in ("train", "dev")] == [1000, 3219]
    for split, said in (
        ("train", "5 answers were not at"),
        ("dev", "7 answers were not at"),
        ("dev", "193 answers are not in"),
    ):
        assert any(f"cmrc2018_{split}.json: {said}" in line for line in lines)
    for row in (*dataset.train_examples, *dataset.dev_examples):
        assert all(start < 0 or row.text_b[start : start + len(text)] == text for text, start in row.answers)
        assert row.trainable


@pytest.mark.parametrize(
    ("said", "impossible"), [("false", False), ("True", True), (0, False), ("", False), (None, False)]
)
def test_impossible_is_what_was_said_in_words_too(tmp_path, said, impossible):
    (row,) = read_answers(squad(tmp_path / "q.json", question("a", ("Emma", 0), is_impossible=said)))
    assert row.is_impossible is impossible
    assert row.answers == ([] if impossible else [("Emma", 0)])


def test_impossible_that_is_no_truth_value_is_named(tmp_path):
    path = squad(tmp_path / "q.json", question("a", ("Emma", 0), is_impossible="perhaps"))
    with pytest.raises(DataError, match=r"q\.json: question a: is_impossible is 'perhaps'"):
        read_answers(path)


def test_a_cell_of_a_table_may_hold_answers_as_json(tmp_path):
    cell = '"{""text"": [""Cnut""], ""answer_start"": [13]}"'
    path = tmp_path / "q.csv"
    path.write_text(f"question,context,answers\nwho,{CONTEXT},{cell}\nwho,see [1],[1]\n", encoding="utf-8")
    rows = load(path, kind="answers").train_examples
    assert rows[0].answers == [("Cnut", 13)]
    assert rows[1].answers == [("[1]", 4)], "what stands in the passage is a text"


@pytest.mark.parametrize(("text", "said"), [("{}", "but nothing"), ('{"data": {}}', '"data" is {}, no list')])
def test_a_document_without_a_list_is_told_what_it_has(tmp_path, text, said):
    (tmp_path / "q.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_answers(tmp_path / "q.json")


def test_questions_to_predict_are_all_kept_those_without_a_passage_too(tmp_path, lines):
    path = squad(tmp_path / "q.json", question("a"), question("b"), context="")
    assert [(row.guid, row.text_b) for row in read_answers(path, labelled=False)] == [("a", ""), ("b", "")]
    assert any("2 questions have no text or no passage; they are kept" in line for line in lines)
    table = tmp_path / "q.csv"
    table.write_text(f"question,context\nwho,\nwho,{CONTEXT}\n", encoding="utf-8")
    assert [row.text_b for row in read_questions(table, labelled=False)] == ["", CONTEXT]


def test_a_table_without_a_header_is_told_so(tmp_path):
    (tmp_path / "q.txt").write_text("so it is\nand so on\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column 'question'; there is no header line"):
        read_questions(tmp_path / "q.txt", labelled=False)
