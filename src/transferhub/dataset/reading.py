"""Questions on a passage: SQuAD JSON (1.1, 2.0, CMRC2018, DRCD) or rows of a table → examples with checked answers."""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferhub.dataset import raw
from transferhub.dataset.cells import is_missing
from transferhub.dataset.encodings import encoding_of
from transferhub.dataset.examples import InputExample
from transferhub.dataset.json_rows import json_table
from transferhub.dataset.kinds import plain
from transferhub.dataset.table import Table
from transferhub.errors import DataError, did_you_mean
from transferhub.log import logger

FORM = '{"data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"id", "question", "answers"}]}]}]}'
COLUMNS = {
    "question": ("question", "query", "text_a", "query_text"),
    "context": ("context", "passage", "text_b", "paragraph", "document", "context_text"),
    "answers": ("answers", "answer", "label"),
    "id": ("id", "guid", "qid", "query_id"),
    "title": ("title",),
    "is_impossible": ("is_impossible",),
}
SHOWN = 3
NOWHERE = -1
Answer = tuple[str, int]  # the text and where it begins in the context; -1: nowhere


class ReadingExample(InputExample):
    """A question on a passage.

    Args:
        guid: The question's id.
        text_a: The question.
        text_b: The passage; questions on one passage share one string.
        answers: ``(text, start)`` for each answer, start in characters, -1 where the text is not in the passage. None:
            not known, as for rows to predict.
        is_impossible: Whether the passage holds no answer (SQuAD 2.0).
        title: Of the document.
        place: ``file: question ID``, for messages.
    """

    __slots__ = ("is_impossible", "place", "title")

    text_b: str

    def __init__(
        self,
        guid: Any = None,
        text_a: str = "",
        text_b: str = "",
        answers: Iterable[Answer] | None = None,
        is_impossible: bool = False,
        title: str = "",
        place: str = "",
    ) -> None:
        super().__init__(guid, text_a, text_b, None if answers is None else [(text, start) for text, start in answers])
        self.is_impossible, self.title, self.place = is_impossible, title, place

    @property
    def answers(self) -> list[Answer]:
        """``(text, start)`` for each answer; none for impossible questions and for rows to predict."""
        return self.label or []

    @property
    def span(self) -> Answer | None:
        """The first answer that is in the passage: what training learns; None: there is none."""
        return next((answer for answer in self.answers if answer[1] >= 0), None)

    @property
    def trainable(self) -> bool:
        """Whether there is something to learn from: an answer in the passage, or that there is none."""
        return self.is_impossible or self.span is not None

    def __repr__(self) -> str:
        return f"ReadingExample({self.guid!r}, {self.text_a!r}, {self.text_b[:40]!r} …, {self.label!r})"


@dataclasses.dataclass
class Counts:
    """What was found out about answers; each with the first rows of it."""

    unplaced: list[str] = dataclasses.field(default_factory=list)
    moved: list[str] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)
    untrainable: list[str] = dataclasses.field(default_factory=list)
    unanswered: list[str] = dataclasses.field(default_factory=list)
    contradicting: list[str] = dataclasses.field(default_factory=list)
    discarded: list[str] = dataclasses.field(default_factory=list)
    empty: list[str] = dataclasses.field(default_factory=list)
    unnamed: int = 0

    def say(self, source: str, questions: int) -> None:
        """Log what was counted."""
        for rows, said in (
            (self.unplaced, "answers come without an offset: the first place where they stand is taken"),
            (self.moved, "answers were not at their offset and were found near it"),
            (self.lost, "answers are not in their passage; they are kept for evaluation"),
            (self.untrainable, "questions have no answer in their passage; training leaves them out"),
            (self.unanswered, "questions have no answer and are not marked as impossible; training leaves them out"),
            (self.contradicting, "questions are marked as impossible and have answers: taken as impossible"),
            (self.empty, "questions have no text or no passage; they are kept"),
            (self.discarded, "questions without a text or a passage: [Discard Incorrect Data]"),
        ):
            if rows:
                different = list(dict.fromkeys(rows))
                some = ", ".join(different[:SHOWN]) + (" …" if len(different) > SHOWN else "")
                logger.warning("%s: %d %s (of %d questions: %s)", source, len(rows), said, questions, some)
        if self.unnamed:
            logger.warning("%s: %d questions have no id and are numbered", source, self.unnamed)


def read_answers(path: Path, *, encoding: str | None = None, labelled: bool = True) -> list[ReadingExample]:
    """Read a file in SQuAD's form (1.1, 2.0, CMRC2018's two, DRCD), or a JSON array of flat rows.

    Answers that are not at their offset are searched for: repaired where the text occurs, the occurrence nearest to the
    offset; else kept with start -1. Both are counted and said. `labelled` as for `checked`.

    Raises:
        DataError: No such file, no JSON, another form, no questions, or one id for two questions.
    """
    encoding = encoding_of(path, raw.survey(path), encoding)
    with raw.reading(path), raw.open_text(path, encoding) as file:
        text = file.read().removeprefix("\ufeff")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Extra data"):  # an object a line
            return table_answers(json_table(path, encoding=encoding), labelled=labelled)
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}", expected=FORM) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}", expected=FORM) from None
    articles = document.get("data") if isinstance(document, dict) else document
    if not isinstance(articles, list):
        if isinstance(document, dict) and "data" in document:
            raise _other_form(path, f'"data" is {articles!r:.60}, no list')
        keys = ", ".join(map(repr, document)) if isinstance(document, dict) else repr(document)
        raise _other_form(path, f'there is no list "data", but {keys or "nothing":.80}')
    return checked(_flattened(articles, path), str(path), labelled=labelled)


def table_answers(table: Table, *, labelled: bool = True) -> list[ReadingExample]:
    """The questions of a table with columns such as ``id title context question answers`` (as ``datasets`` has SQuAD).

    Args:
        table: The rows.
        labelled: Whether there must be answers.

    Raises:
        DataError: A column that is not there; and what `read_answers` raises.
    """
    lower = [str(name).lower() for name in table.names or []]
    found = {
        role: next(lower.index(name) for name in names if name in lower)
        for role, names in COLUMNS.items()
        if any(name in lower for name in names)
    }
    needed = ("question", "context", *(["answers"] if labelled else []))
    missing = [role for role in needed if role not in found]
    if missing:
        there = f"the columns are {', '.join(map(repr, table.names))}" if table.names else "there is no header line"
        raise DataError(
            f"{table.source}: no column {missing[0]!r}; {there}",
            expected="question, context, answers ({'text': […], 'answer_start': […]}), id",
            fix=did_you_mean(missing[0], lower) or None,
        )
    rows = (dict(zip(found, cells, strict=True)) for _, cells in table.read(list(found.values())))
    return checked(rows, table.source, labelled=labelled)


def _flattened(articles: list[Any], path: Path) -> Iterator[dict[str, Any]]:
    """The questions one by one; their passages are the strings of the document."""
    for number, article in enumerate(articles):
        if not isinstance(article, dict):
            raise _other_form(path, f"entry {number} is {article!r:.60}")
        if "paragraphs" in article:
            paragraphs, title = article["paragraphs"], article.get("title") or ""
        elif "qas" in article:  # CMRC2018's own form
            paragraphs, title = [article], article.get("title") or ""
        else:
            yield _row(article, article, path, number)
            continue
        for paragraph in paragraphs if isinstance(paragraphs, list) else [paragraphs]:
            questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
            if not isinstance(questions, list):
                raise _other_form(path, f"a paragraph of entry {number} is {paragraph!r:.60}")
            for question in questions:
                if not isinstance(question, dict):
                    raise _other_form(path, f"a question of entry {number} is {question!r:.60}")
                yield {"title": title, **_row(question, paragraph, path, number)}


def _row(question: dict[str, Any], paragraph: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    row = {
        role: next(question[name] for name in names if name in question)
        for role, names in COLUMNS.items()
        if role != "context" and any(name in question for name in names)
    }
    context = [paragraph[name] for name in COLUMNS["context"] if name in paragraph]
    if "question" not in row or not context:
        keys = ", ".join(map(repr, [*question, *paragraph][:12]))
        raise _other_form(path, f"entry {number} has no {'question' if context else 'context'}: {keys}")
    return {**row, "context": context[0]}


def checked(rows: Iterable[Mapping[str, Any]], source: str, *, labelled: bool = True) -> list[ReadingExample]:
    """Make examples of rows with ``question context answers id title is_impossible``; what is wrong is counted, said.

    Questions without a text or a passage are left out; not `labelled`, to be predicted, all are kept.

    Raises:
        DataError: No questions, one id for two questions, an answer that is no text.
    """
    counts, contexts = Counts(), dict[str, str]()
    found: list[ReadingExample] = []
    seen: dict[str, str] = {}
    for number, row in enumerate(rows):
        counts.unnamed += row.get("id") is None
        guid = str(number if row.get("id") is None else row["id"])
        place = f"{source}: question {guid}"
        question, context = row["question"], row["context"]
        if not all(isinstance(text, str) and text.strip() for text in (question, context)):
            (counts.discarded if labelled else counts.empty).append(guid)
            if labelled:
                continue
            question, context = ("" if is_missing(text) else str(text) for text in (question, context))
        if guid in seen:
            raise DataError(
                f"{place}: the id is there twice: {seen[guid][:40]!r} and {question[:40]!r}",
                expected="an id of its own for each question: answers are given by id",
                fix="give one of them another id, or remove it",
            )
        seen[guid] = question
        context = contexts.setdefault(context, context)
        impossible = _impossible(row.get("is_impossible"), place)
        answers = _answers(row["answers"], context, guid, place, counts) if "answers" in row else None
        if answers and impossible:
            counts.contradicting.append(guid)
            answers = []
        example = ReadingExample(guid, question, context, answers, impossible, str(row.get("title") or ""), place)
        found.append(example)
    _mark_impossible(found, counts)
    counts.say(source, len(found))
    if not found:
        raise DataError(f"{source} has no questions", expected=FORM)
    logger.info("%s: %d questions on %d passages", source, len(found), len(contexts))
    return found


def _mark_impossible(examples: Sequence[ReadingExample], counts: Counts) -> None:
    """In a set that knows impossible questions an empty list of answers is one; elsewhere it is a gap."""
    known = any(example.is_impossible for example in examples)
    for example in examples:
        if example.label == [] and not example.is_impossible:
            if known:
                example.is_impossible = True
            else:
                counts.unanswered.append(example.guid)
        elif example.label and example.span is None:
            counts.untrainable.append(example.guid)


def _answers(given: Any, context: str, guid: str, place: str, counts: Counts) -> list[Answer] | None:
    answers = []
    given = _of_json(plain(given), context)
    if is_missing(given):
        return None
    for text, start in _pairs(given, place):
        if not text.strip():
            continue
        if start >= 0 and context.startswith(text, start):
            answers.append((text, start))
            continue
        at = nearest(context, text, start)
        if at is None and text.strip() != text:
            text = text.strip()
            at = nearest(context, text, start)
        found = counts.unplaced if start == NOWHERE else counts.moved
        (counts.lost if at is None else found).append(guid)
        answers.append((text, -1 if at is None else at))
    return answers


def _impossible(value: Any, place: str) -> bool:
    value = plain(value)
    if is_missing(value):
        return False
    said = str(value).strip().lower()
    if said in ("", "0", "0.0", "false"):
        return False
    if said in ("1", "1.0", "true"):
        return True
    raise DataError(f"{place}: is_impossible is {value!r:.60}", expected="true or false", fix="correct the question")


def _of_json(given: Any, context: str) -> Any:
    """Answers that a cell of a table holds as JSON; a text of the passage is a text, whatever it looks like."""
    if not isinstance(given, str) or not given.lstrip().startswith(("{", "[")) or given in context:
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given


def nearest(context: str, text: str, start: int) -> int | None:
    """Where `text` occurs in `context`, nearest to `start` (the first one where `start` is negative); None: nowhere."""
    if start < 0:
        at = context.find(text)
        return None if at < 0 else at
    before = context.rfind(text, 0, start + len(text))
    after = context.find(text, start)
    found = [at for at in (before, after) if at >= 0]
    return min(found, key=lambda at: abs(at - start)) if found else None


def _pairs(given: Any, place: str) -> Iterator[Answer]:
    """Answers as they are written: objects, an object of lists, texts alone."""
    if isinstance(given, Mapping):
        texts, starts = plain(given.get("text")), plain(given.get("answer_start"))
        texts = [texts] if isinstance(texts, str) else texts
        starts = [starts] if isinstance(starts, int) else starts
        given = [
            {"text": text, "answer_start": start}
            for text, start in zip(texts or [], starts or [None] * len(texts or []), strict=False)
        ]
    for answer in [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else [given]:
        text, start = answer, None
        if isinstance(answer, Mapping):
            text, start = answer.get("text"), answer.get("answer_start")
        elif isinstance(answer, list | tuple) and len(answer) == 2:
            text, start = answer
        if isinstance(start, float) and math.isfinite(start):
            start = int(start)
        if not isinstance(text, str) or not isinstance(start, int | None):
            raise DataError(f"{place}: an answer is {answer!r:.80}", expected='{"text": …, "answer_start": a number}')
        yield text, NOWHERE if start is None else start


def _other_form(path: Path, found: str) -> DataError:
    return DataError(f"{path}: not in SQuAD's form: {found}", expected=FORM)
