"""ReadingComprehensionReader: questions on passages → windows of token ids that know their place in the passage."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferhub.dataset import BaseDataset, InputExample, ReadingExample
from transferhub.dataset.examples import where
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger
from transferhub.reader import windows
from transferhub.reader.alignment import aligned
from transferhub.reader.classify_reader import ClassifyReader
from transferhub.reader.columns import Chunk, Columns
from transferhub.reader.long_text import Cut
from transferhub.reader.text_reader import Row, chunks_of
from transferhub.reader.windows import positions_in, question_windows, tokens_of_span
from transferhub.reader.word_cut import WordCutTokenizer

PART = 100  # questions tokenised in one call: passages are long, and each token has its place
ELSEWHERE, NO_ANSWER, FIRST = 0, 1, 2  # in the column ``places``; FIRST + n is the passage's token n
UNKNOWN = -1  # in ``start_places``: what is right is not known, so that there is nothing to learn
FIRST_ID = 1_000_000_000  # of `data_generator`'s unique ids, as in 1.x

Ids = npt.NDArray[np.int64]
Span = tuple[str, int] | None  # the right answer's text and its place; None: there is none


class ReadingComprehensionReader(ClassifyReader):
    """Reads questions on passages: ``[CLS] question [SEP] passage [SEP]``, long passages in windows.

    A row is a question, its windows are its pieces. Beside ``input_ids`` and ``segment_ids`` there are three columns:
    ``places`` (1 for ``[CLS]``, which stands for "no answer here", 2 + n for token n of the passage, 0 for all else),
    and ``starts`` and ``stops``, the characters of the passage that a token begins with and ends before. Each window
    has ``start_places`` and ``end_places``, what of ``places`` is right: 1 where the window does not show the whole
    answer, -1 where the passage does not hold it. Of several right answers the first is learnt.

    Args:
        dataset: Rows are `ReadingExample`, such as of `hub.dataset.SQUAD`. None: for prediction only.
        vocab_path: ``module.get_vocab_path()``; the tokenizer beside it is used.
        do_lower_case: For a vocabulary that stands alone.
        max_seq_len: Tokens that are read at once, special ones included.
        doc_stride: Tokens of the passage between the starts of two windows.
        max_query_length: Tokens of the question that are read, from its beginning.
        label_map_config: Accepted for scripts of 1.x.
        random_seed: Accepted for scripts of 1.x; ``RunConfig(seed=…)`` orders the batches.
        use_task_id: Accepted for scripts of 1.x.
        sp_model_path: ``module.get_spm_path()``.
        word_dict_path: ``module.get_word_dict_path()``.
        in_tokens: In `data_generator`, batch sizes count padded tokens.
        max_seq_length: An older spelling of `max_seq_len`.

    Raises:
        ConfigError: No ``vocab_path``, or sizes that leave no room.
    """

    record_names: ClassVar[Mapping[str, str]] = {}  # a record does not say where words stand

    def __init__(
        self,
        dataset: BaseDataset | None = None,
        vocab_path: str | Path | None = None,
        do_lower_case: bool = True,
        max_seq_len: int = 512,
        doc_stride: int = 128,
        max_query_length: int = 64,
        label_map_config: Any = None,
        random_seed: int | None = None,
        use_task_id: bool = False,
        sp_model_path: str | None = None,
        word_dict_path: str | None = None,
        in_tokens: bool = False,
        max_seq_length: int | None = None,
    ) -> None:
        super().__init__(
            vocab_path,
            dataset,
            None,
            max_seq_len,
            do_lower_case,
            random_seed,
            use_task_id,
            sp_model_path,
            word_dict_path,
            in_tokens,
            max_seq_length,
            long_text="window",
        )
        self.doc_stride, self.max_query_length = doc_stride, max_query_length
        question_windows(0, 1, self.max_seq_len, doc_stride, max_query_length, self._special)  # or refuse the sizes
        self.types.update(dict.fromkeys(("places", "starts", "stops"), np.uint32))
        self.fingerprint += f" {doc_stride} {max_query_length} {windows.VERSION}"

    @property
    def _special(self) -> int:
        return int(self.tokenizer.num_special_tokens_to_add(pair=True))

    @classmethod
    def options_of(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The windows."""
        return {name: settings[name] for name in ("doc_stride", "max_query_length")}

    def settings(self) -> dict[str, Any]:
        """The base's, and the windows."""
        base = {name: value for name, value in super().settings().items() if name != "long_text"}
        return {**base, "doc_stride": self.doc_stride, "max_query_length": self.max_query_length}

    def shown(self, row: Row, place: int = 0) -> dict[str, Any]:
        """``id``, ``question`` and ``context``."""
        shown = super().shown(row, place)
        name = getattr(row, "guid", None)
        named = {"id": str(place if name is None else name), "question": shown["text"]}
        return {**named, "context": shown.get("text_pair", "")}

    def targets(self, dataset: BaseDataset, phase: str) -> None:
        """Nothing beside the columns; refuses rows whose answers are not known.

        Raises:
            DataError: Such a row, by its place.
        """
        examples = dataset.get_examples(phase)
        for row, example in enumerate(examples):
            if not isinstance(example, ReadingExample) or example.label is None:
                raise DataError(
                    f"{where(examples, row, f'{phase}_examples')}: no answers",
                    expected="questions with answers: ReadingExample(id, question, context, [(text, start)])",
                    fix="predict() is for questions without answers",
                )

    def chunks(self, examples: Sequence[InputExample], dataset: BaseDataset | None) -> Iterator[Chunk]:
        """Windows; with what is right of each where there is a `dataset` to learn from."""
        return self._read(examples, taught=dataset is not None)

    def read(self, rows: Sequence[Row]) -> Iterator[Chunk]:
        """Windows without what is right."""
        return self._read(rows, taught=False)

    def content(self, examples: Sequence[InputExample], dataset: BaseDataset | None) -> str:
        """A digest of the texts; and of the answers that are learnt, where there is a `dataset`."""
        texts = super().content(examples, dataset)
        if dataset is None:
            return texts
        spans = json.dumps([_span_of(example) for example in examples], ensure_ascii=False)
        return hashlib.sha256(f"{texts} {spans}".encode("utf-8", "surrogatepass")).hexdigest()

    def say_cut(self, name: str, columns: Columns) -> None:
        """Say how many passages have several windows, and how much of the questions is not read."""
        cut = columns.cut
        super().say_cut(name, Columns({}, columns.offsets, None, columns.pieces, replace(cut, tokens=0)))
        if cut.tokens:
            logger.info(
                "%s: %d of %d questions are longer than %d tokens: %s tokens of them are not read (max_query_length)",
                name,
                cut.rows,
                len(columns),
                self.max_query_length,
                f"{cut.tokens:,}",
            )

    def arrays(self, batch: Mapping[str, npt.NDArray[np.int64]], lengths: Ids) -> list[Any]:
        """1.x's four inputs, a line a window; ``unique_ids`` ``[P, 1]``, of a batch's questions, from 1000000000; where
        answers are known also the positions ``[P, 1]`` of their first and last token, 0 where there is none.
        """  # noqa: D205
        width = batch["input_ids"].shape[1]
        positions = np.broadcast_to(np.arange(width), batch["input_ids"].shape).copy()
        read: list[Any] = [batch["input_ids"], positions, batch["segment_ids"], batch["input_mask"].astype(np.float32)]
        right: list[Ids] = [batch[name] for name in ("start_places", "end_places") if name in batch]
        of_windows = [FIRST_ID + batch["row_of"]]
        of_windows += [(batch["places"] == places[:, None]).argmax(axis=1) for places in right]
        return [*(array[..., None] for array in read), *(array[:, None] for array in of_windows)]

    def _read(self, rows: Sequence[Any], *, taught: bool) -> Iterator[Chunk]:
        row = untouched = 0
        for chunk in chunks_of(rows):
            if chunk and chunk[0][1] is None:
                raise DataError(
                    f"row {row} has no passage: {chunk[0][0][:60]!r}", expected="a question and its passage"
                )
            for start in range(0, len(chunk), PART):
                part = chunk[start : start + PART]
                spans = [_span_of(rows[row + place]) for place in range(len(part))] if taught else None
                made, lost = self._chunk(part, spans)
                untouched += lost
                row += len(part)
                yield made
        if untouched:
            logger.warning("%d answers touch no token of their passage: nothing is learnt from them", untouched)

    def _chunk(self, pairs: list[Any], spans: list[Span | bool] | None) -> tuple[Chunk, int]:
        """The windows of some questions; and the number of answers that touch no token."""
        values: dict[str, list[list[int]]] = {name: [] for name in self.types}
        right: dict[str, list[int]] = {} if spans is None else {"start_places": [], "end_places": []}
        counts, cut, untouched = [], Cut(), 0
        for row, (ids, segments, texts, offsets) in enumerate(self._encoded(pairs)):
            is_question, context = texts == 0, np.flatnonzero(texts == 1)
            question = np.flatnonzero(is_question)
            special = np.flatnonzero(texts < 0)
            kept, chosen = question_windows(
                len(question), len(context), self.max_seq_len, self.doc_stride, self.max_query_length, len(special)
            )
            places, spread = np.zeros(len(ids), np.int64), np.zeros((len(ids), 2), np.int64)
            places[context], spread[context] = np.arange(len(context)) + FIRST, offsets
            nowhere = special[ids[special] == self.tokenizer.cls_token_id]
            places[(nowhere if len(nowhere) else np.append(special, 0))[:1]] = NO_ANSWER
            answer, target = None, UNKNOWN
            if spans is not None and spans[row] is not False:
                target = NO_ANSWER
                if isinstance(span := spans[row], tuple):
                    answer = tokens_of_span(offsets, span[1], span[1] + len(span[0]))
                    untouched, target = untouched + (answer is None), NO_ANSWER if answer else UNKNOWN
            columns = {"input_ids": ids, "segment_ids": segments, "places": places}
            columns.update(starts=spread[:, 0], stops=spread[:, 1])
            always = np.zeros(len(ids), bool)
            always[special] = always[question[:kept]] = True
            for start, stop in chosen:
                shown = always.copy()
                shown[context[start:stop]] = True
                for name, column in columns.items():
                    values[name].append(column[shown].tolist())
                if spans is not None:
                    ends = positions_in((start, stop), answer, start + FIRST, target)
                    right["start_places"].append(ends[0])
                    right["end_places"].append(ends[1])
            counts.append(len(chosen))
            lost = len(question) - kept
            cut += Cut(rows=int(lost > 0), tokens=lost, of=len(ids), windowed=int(len(chosen) > 1))
        return Chunk(values, counts, cut, right), untouched

    def _encoded(self, pairs: list[Any]) -> Iterator[tuple[Ids, Ids, Ids, Ids]]:
        """Of each pair: ids, segments, the text of each token (-1: special), and the offsets of the passage's."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None and not isinstance(self.tokenizer, WordCutTokenizer):
            backend.no_padding()
            backend.no_truncation()
            for row in backend.encode_batch(pairs):
                texts = np.array([-1 if text is None else text for text in row.sequence_ids], np.int64)
                offsets = np.array(row.offsets, np.int64).reshape(-1, 2)[texts == 1]
                yield np.array(row.ids, np.int64), np.array(row.type_ids, np.int64), texts, offsets
            return
        ids, segments, texts_of_tokens = self._tokens(pairs, True)
        for place, (_, context) in enumerate(pairs):
            texts = np.array([-1 if text is None else text for text in texts_of_tokens(place)], np.int64)
            unknown = None if isinstance(self.tokenizer, WordCutTokenizer) else self.tokenizer.unk_token
            tokens = self.tokenizer.tokenize(context)
            offsets_found = aligned(context, tokens, unknown)
            if offsets_found is None or len(tokens) != int((texts == 1).sum()):
                raise ConfigError(
                    f"{type(self.tokenizer).__name__} does not say where its tokens stand, and they were not found in "
                    f"{context[:60]!r}",
                    expected="a fast tokenizer (tokenizer.json), which does",
                )
            yield np.array(ids[place], np.int64), np.array(segments[place], np.int64), texts, offsets_found


def _span_of(example: Any) -> Span | bool:
    """The answer that is learnt, None where there is none; False where what is right is not known."""
    if not isinstance(example, ReadingExample) or not example.trainable:
        return False
    return None if example.is_impossible else example.span
