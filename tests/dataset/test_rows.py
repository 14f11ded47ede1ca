import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferhub.dataset.rows import delimiter_of, read_rows
from transferhub.errors import DataError

TSV_CELL = st.text(st.characters(exclude_characters="\t\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
CSV_CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(TSV_CELL, TSV_CELL), min_size=1, max_size=8))
def test_tsv_cells_come_back_as_they_were_quotes_included(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "x.tsv"
    path.write_bytes("".join(f"{a}\t{b}\n" for a, b in rows).encode("utf-8"))
    first_is_bom = rows[0][0].startswith("\ufeff")
    read = [tuple(row.cells) for row in read_rows(path, delimiter="\t", quoted=False)]
    if first_is_bom:
        rows = [(rows[0][0][1:], rows[0][1]), *rows[1:]]
    assert read == rows


@given(st.lists(st.tuples(CSV_CELL, CSV_CELL), min_size=1, max_size=8))
def test_csv_cells_may_hold_commas_quotes_and_line_breaks(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    assert [tuple(row.cells) for row in read_rows(path, delimiter=",", quoted=True)] == rows


def test_each_row_knows_the_line_it_starts_on(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('text,label\n"two\nlines",1\n\nthird,0\n')
    assert [row.line for row in read_rows(path, delimiter=",", quoted=True)] == [1, 2, 5]


def test_a_ragged_row_is_named_by_file_and_line(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("a\tb\nc\td\ne\tf\tg\n")
    with pytest.raises(DataError, match=r"x\.tsv:3: 3 columns, the first row has 2: 'e \| f \| g'"):
        list(read_rows(path, delimiter="\t", quoted=False))


def test_bytes_that_are_no_utf8_are_named_by_line(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes("好\t1\n".encode() + "好\t0\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"not UTF-8 at line 2 .*0xba"):
        list(read_rows(path, delimiter="\t", quoted=False))


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        list(read_rows(tmp_path / "none", delimiter="\t", quoted=False))
    with pytest.raises(DataError, match="is a folder"):
        list(read_rows(tmp_path, delimiter="\t", quoted=False))


@pytest.mark.parametrize(
    ("name", "text", "delimiter"),
    [("a.csv", "x,y", ","), ("a.csv", "x\ty", "\t"), ("a.tsv", "x,y", ","), ("a.tsv", "x\ty,z", "\t")],
)
def test_the_delimiter_is_the_one_the_name_promises_unless_only_the_other_is_there(tmp_path, name, text, delimiter):
    (tmp_path / name).write_text(text)
    assert delimiter_of(tmp_path / name) == delimiter
