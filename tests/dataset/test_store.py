"""Rows on disk: written once, mapped, chosen without copying, kept under a cap."""

import os

import pytest

import transferhub as hub
from transferhub import cache, paths
from transferhub.dataset import Examples, InputExample, store
from transferhub.dataset.examples import fingerprint
from transferhub.dataset.files import read_examples
from transferhub.errors import ConfigError, DataError, HubError


@pytest.fixture(autouse=True)
def small_is_big(monkeypatch):
    """Files of any size go to disk, in batches of four rows."""
    monkeypatch.setattr(store, "BIG", 0)
    monkeypatch.setattr(store, "ROWS", 4)
    monkeypatch.setattr("transferhub.dataset.examples.ROWS", 4)
    monkeypatch.setattr("transferhub.dataset.examples.RELEASE", 8)
    monkeypatch.setattr(cache, "_used", set())


def rows(count):
    return [InputExample(row, f"text {row} ü", None, "ab"[row % 2]) for row in range(count)]


def written(path, count, pair=False):
    header = "text,text_pair,label\n" if pair else "text,label\n"
    lines = (f"{row.text_a},{f'second {row.guid},' if pair else ''}{row.label}\n" for row in rows(count))
    path.write_text(header + "".join(lines), encoding="utf-8")
    return path


def entries(kind="rows"):
    folder = paths.cache() / kind
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_rows_are_parsed_once_and_come_from_disk_the_second_time(tmp_path, monkeypatch, lines):
    path = written(tmp_path / "a.csv", 11)
    path.write_text(path.read_text() + "\n\n,a\n")
    first = hub.dataset.load(path).train_examples
    said = [line for line in lines if "a.csv" in line]
    assert len(entries()) == 1
    monkeypatch.setattr(store, "_write", None)
    lines.clear()
    second = hub.dataset.load(path).train_examples
    assert list(first) == list(second) == [*rows(11), InputExample(11, "", None, "a")]
    assert [line for line in lines if "a.csv" in line] == said, "what is said does not depend on the cache"
    assert any("2 blank lines" in line for line in said)
    assert any("1 of 12 texts are empty" in line for line in said)
    assert second.where(11).endswith("a.csv:15")


def test_other_bytes_or_columns_are_other_rows(tmp_path):
    path = written(tmp_path / "a.csv", 5)
    before = os.stat(path)
    hub.dataset.load(path)
    path.write_text(path.read_text().replace("text 3", "text 9"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hub.dataset.load(path).train_examples[3].text_a == "text 9 ü"
    path = written(tmp_path / "b.csv", 5, pair=True)
    assert hub.dataset.load(path).train_examples[1].text_b == "second 1"
    assert hub.dataset.load(path, text="text_pair").train_examples[1].text_a == "second 1"


@pytest.mark.parametrize("pair", [False, True])
def test_rows_across_batches_are_those_of_a_list(tmp_path, pair):
    examples = hub.dataset.load(written(tmp_path / "a.csv", 11, pair)).train_examples
    plain = list(examples)
    assert isinstance(examples, Examples)
    assert [row.guid for row in plain] == list(range(2, 13)), "the line in the file"
    chosen = [10, 0, 3, 4, 5, 5, -1 % 11]
    for mine, theirs in (
        (examples[2:9], plain[2:9]),
        (examples[::-2], plain[::-2]),
        (examples.take(chosen), [plain[row] for row in chosen]),
        (examples.take(chosen).take([6, 1, 0]), [plain[10], plain[0], plain[10]]),
        (examples[3:3], []),
    ):
        assert list(mine) == theirs
        assert [mine[place] for place in range(len(mine))] == theirs
        assert fingerprint(mine) == fingerprint(theirs)
    assert examples.take(chosen).where(0).endswith("a.csv:12")
    assert examples[0:1].found_labels == ["a"]


def test_rows_to_predict_leave_nothing_on_disk(tmp_path):
    path = written(tmp_path / "a.csv", 11)
    examples = read_examples(path, labelled=False)
    assert [row.text_a for row in examples] == [row.text_a for row in rows(11)]
    assert examples[0].label is None
    assert list(paths.cache().rglob("*")) == []


def test_paddlehubs_files_are_kept_alike(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("".join(f"{row.text_a}\t{row.label}\n" for row in rows(9)))
    for _ in range(2):
        assert list(hub.dataset.BaseNLPDataset(tmp_path, train_file="train.tsv").train_examples) == rows(9)
    assert len(entries()) == 1


def test_an_entry_that_is_not_as_it_was_written_is_made_again(tmp_path):
    path = written(tmp_path / "a.csv", 11)
    hub.dataset.load(path)
    (file,) = paths.cache().glob("rows/*/rows.arrow")
    file.write_bytes(file.read_bytes()[:-9])
    assert list(hub.dataset.load(path).train_examples) == rows(11)


def test_a_file_that_turns_out_bad_leaves_no_entry(tmp_path):
    path = written(tmp_path / "a.csv", 11)
    path.write_text(path.read_text() + "too,many,cells\n")
    with pytest.raises(DataError, match=r"a\.csv:13"):
        hub.dataset.load(path)
    assert entries() == []


def test_the_oldest_entries_go_when_the_cache_is_full(tmp_path, monkeypatch, lines):
    names = [written(tmp_path / f"{count}.csv", count) for count in (10, 20, 30)]
    for age, path in zip((300, 200, 100), names, strict=True):
        known = set(entries())
        hub.dataset.load(path)
        (new,) = set(entries()) - known
        os.utime(paths.cache() / "rows" / new, (1e9 - age, 1e9 - age))
    before = entries()
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", "0")
    hub.dataset.load(written(tmp_path / "40.csv", 40))
    assert len(entries()) == 4, "all are in use by this process"
    cache._used.clear()
    hub.dataset.load(names[0])  # used again: now the youngest
    size = sum(file.stat().st_size for file in paths.cache().rglob("*") if file.is_file())
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", f"{size / 1e9:.12f}")
    hub.dataset.load(written(tmp_path / "50.csv", 50))
    gone = set(before) - set(entries())
    assert 1 <= len(gone) <= 2
    assert any(f"{len(gone)} entries not used for longest were removed" in line for line in lines)
    monkeypatch.setattr(store, "_write", None)
    hub.dataset.load(names[0])


@pytest.mark.parametrize("value", ["much", "-1", "nan"])
def test_a_cap_that_is_no_number_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", value)
    with pytest.raises(ConfigError, match="TRANSFERHUB_CACHE_GB"):
        hub.dataset.load(written(tmp_path / "a.csv", 5))


def test_a_cache_that_cannot_be_written_says_so(tmp_path, home):
    (home / "cache").write_text("a file where the folder should be")
    with pytest.raises(HubError, match=r"cannot be written(?s:.)*TRANSFERHUB_HOME"):
        hub.dataset.load(written(tmp_path / "a.csv", 5))
    with pytest.raises(HubError, match="cannot be written"):
        read_examples(tmp_path / "a.csv", labelled=False)
