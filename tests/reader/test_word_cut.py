"""ernie_tiny's cut: dictionary words, lower case, sentencepiece, vocabulary."""

import contextlib
import os

import pytest

import transferhub as hub
from architectures import write_architecture
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError
from transferhub.module.files import SENTENCEPIECE
from transferhub.module.files import WORDS as WORD_DICTIONARY
from transferhub.reader import ClassifyReader

TEXTS = ["房间很干净", "房间太脏了", "服务很好", "服务太差了", "早餐很好", "Wi-Fi 很好", "早餐太差了", "房间很好"]


@pytest.fixture(scope="module")
def ernie_tiny(tmp_path_factory):
    """A module folder: sentencepiece model, word dictionary, vocabulary of pieces, an ERNIE with random weights."""
    import sentencepiece

    folder = write_architecture("ernie", tmp_path_factory.mktemp("ernie_tiny") / "module")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    words = ["房间", "干净", "服务", "早餐", "太差", "很好", "很干净"]
    (folder / WORD_DICTIONARY).write_text("".join(f"{word}\t{10}\n" for word in words), encoding="utf-8")
    corpus = folder / "corpus.txt"
    corpus.write_text("房间 很干净\n服务 很好\n早餐 太差 了\nwi - fi 很好\n房间 太 脏 了\n" * 20, encoding="utf-8")
    silent = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(2)
    os.dup2(silent, 2)  # the trainer writes its log there
    try:
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=str(folder / "spm"), vocab_size=40, hard_vocab_limit=False
        )
    finally:
        os.dup2(kept, 2)
        os.close(silent)
        os.close(kept)
    (folder / "spm.model").rename(folder / SENTENCEPIECE)
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / SENTENCEPIECE))
    pieces = [model.id_to_piece(number) for number in range(3, model.get_piece_size())]
    known = [piece for piece in pieces if piece != "脏"]
    vocabulary = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *known]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    with contextlib.suppress(FileNotFoundError):
        corpus.unlink()
        (folder / "spm.vocab").unlink()
    return folder


@pytest.fixture
def reader(ernie_tiny):
    module = hub.Module(directory=ernie_tiny)
    return ClassifyReader(
        vocab_path=module.get_vocab_path(),
        max_seq_len=16,
        sp_model_path=module.get_spm_path(),
        word_dict_path=module.get_word_dict_path(),
    )


def test_the_paths_are_those_of_the_folder_and_none_elsewhere(ernie_tiny, tiny):
    module = hub.Module(directory=ernie_tiny)
    assert module.get_spm_path() == str(ernie_tiny / SENTENCEPIECE)
    assert module.get_word_dict_path() == str(ernie_tiny / WORD_DICTIONARY)
    assert hub.Module(directory=tiny).get_spm_path() is None
    assert hub.Module(directory=tiny).get_word_dict_path() is None


def test_the_longest_word_from_the_left_is_cut_first_and_unknown_characters_stand_alone(reader):
    assert reader.tokenizer.cut("房间很干净") == ["房间", "很干净"]
    assert reader.tokenizer.cut("太差了 Wi") == ["太差", "了", " ", "W", "i"]


def test_pieces_are_lower_cased_and_those_without_an_id_are_unknown(reader, ernie_tiny):
    vocabulary = (ernie_tiny / "vocab.txt").read_text(encoding="utf-8").split("\n")
    columns = reader.encode(["房间 W", "脏"])
    first, second = (
        [vocabulary[number] for number in columns.ragged["input_ids"][start:end]]
        for start, end in zip(columns.offsets, columns.offsets[1:], strict=False)
    )
    assert first[0] == "[CLS]"
    assert first[-1] == "[SEP]"
    assert "".join(first[1:-1]).replace("▁", "") == "房间w"
    assert "[UNK]" in second


def test_pairs_are_two_segments(reader):
    columns = reader.encode([("房间", "服务")])
    segments = columns.ragged["segment_ids"].tolist()
    ends = [place for place, number in enumerate(columns.ragged["input_ids"].tolist()) if number == 2]
    assert segments == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0])


def test_a_task_trained_with_this_cut_predicts_with_it_when_it_is_opened_again(ernie_tiny, reader, in_tmp):
    dataset = BaseDataset(label_list=["0", "1"])
    rows = [InputExample(None, text, None, str(int("好" in text or "干净" in text))) for text in TEXTS * 3]
    dataset.train_examples, dataset.dev_examples = rows, rows[:8]
    task = hub.TextClassifierTask(
        module=hub.Module(directory=ernie_tiny),
        dataset=dataset,
        max_seq_len=16,
        config=hub.RunConfig(num_epoch=1, batch_size=8, precision="fp32", checkpoint_dir="run"),
    )
    best = task.finetune_and_eval().best_model
    opened = hub.load(best)
    assert opened.reader.encode(TEXTS).ragged["input_ids"].tolist() == reader.encode(TEXTS).ragged["input_ids"].tolist()
    assert opened.predict(TEXTS).probabilities.tolist() == task.predict(TEXTS).probabilities.tolist()


@pytest.mark.parametrize("given", ["sp_model_path", "word_dict_path"])
def test_one_path_without_the_other_is_refused(ernie_tiny, given):
    module = hub.Module(directory=ernie_tiny)
    path = module.get_spm_path() if given == "sp_model_path" else module.get_word_dict_path()
    with pytest.raises(ConfigError, match="both \\(ernie_tiny\\) or neither"):
        ClassifyReader(vocab_path=module.get_vocab_path(), **{given: path})


def test_files_that_are_not_what_they_should_be_are_named(ernie_tiny, tmp_path):
    module = hub.Module(directory=ernie_tiny)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x80\x04\x95 no text")
    paths = {"sp_model_path": module.get_spm_path(), "word_dict_path": module.get_word_dict_path()}
    for name, said in (("sp_model_path", "is no sentencepiece model"), ("word_dict_path", "is not UTF-8 text")):
        with pytest.raises(ConfigError, match=f"broken {said}"):
            ClassifyReader(vocab_path=module.get_vocab_path(), **{**paths, name: broken})
    with pytest.raises(ConfigError, match="there is no word dictionary"):
        ClassifyReader(vocab_path=module.get_vocab_path(), **{**paths, "word_dict_path": tmp_path / "nothing"})


def test_a_vocabulary_may_give_ids_after_a_tab(tmp_path):
    (tmp_path / "words.txt").write_text(
        "[PAD]\t0\n[UNK]\t4\n[CLS]\t1\n[SEP]\t2\n[MASK]\t3\nroom\t9\n", encoding="utf-8"
    )
    reader = ClassifyReader(vocab_path=tmp_path / "words.txt", max_seq_len=8)
    assert reader.encode(["room xyz"]).ragged["input_ids"].tolist() == [1, 9, 4, 2]


def test_passages_are_read_with_the_place_of_each_piece(ernie_tiny):
    module = hub.Module(directory=ernie_tiny)
    reader = hub.reader.ReadingComprehensionReader(
        vocab_path=module.get_vocab_path(),
        max_seq_len=32,
        sp_model_path=module.get_spm_path(),
        word_dict_path=module.get_word_dict_path(),
    )
    passage = "房间 很干净，Wi-Fi 很好。"
    columns = reader.encode([("服务 很好", passage)])
    shown = columns.ragged["places"] > 1
    spans = zip(columns.ragged["starts"][shown].tolist(), columns.ragged["stops"][shown].tolist(), strict=True)
    found = [passage[start:stop] for start, stop in spans]
    assert "".join(found).replace(" ", "") == passage.replace(" ", "")
    assert [piece for piece in found if piece][:4] == ["房", "间", "很", "干"]
