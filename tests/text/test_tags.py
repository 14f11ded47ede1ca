import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, IOBES, Tokens

from transferhub.errors import ConfigError
from transferhub.text.tags import TagSet

BIO = ["B-PER", "I-PER", "B-LOC", "I-LOC", "O"]
IOBES_TAGS = ["O", *(f"{letter}-{kind}" for kind in ("PER", "LOC") for letter in "BIES")]
SCHEMES = [(BIO, IOB2), (IOBES_TAGS, IOBES)]


def chunks(labels, tags, strict=True):
    known = TagSet(labels)
    ids = np.array([labels.index(tag) for tag in tags], np.int64)
    found = known.chunks(ids, np.array([len(ids)]), strict)
    return [
        (known.types[kind], start, stop)
        for kind, start, stop in zip(found.types, found.starts.tolist(), found.stops.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("labels", "scheme"), SCHEMES)
@given(data=st.data())
def test_legal_is_what_seqeval_makes_the_same_chunks_of_strictly_and_not(labels, scheme, data):
    """A sequence is legal by our tables exactly if no run in it is illegal."""
    tags = data.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=8))
    known, ids = TagSet(labels), np.array([labels.index(tag) for tag in tags])
    steps = all(known.legal_steps[one, two] for one, two in itertools.pairwise(ids))
    legal = bool(known.legal_starts[ids[0]] and known.legal_ends[ids[-1]] and steps)
    assert legal == (known.chunks(ids, np.array([len(ids)])).illegal == 0)
    reference = {(entity.tag, entity.start, entity.end) for entity in Tokens(tags, scheme).entities}
    assert set(chunks(labels, tags)) == reference


@pytest.mark.parametrize(("labels", "scheme"), SCHEMES)
@given(data=st.data())
def test_a_repaired_sequence_is_legal_and_marks_the_chunks_that_were_meant(labels, scheme, data):
    tags = data.draw(st.lists(st.sampled_from(labels), max_size=8))
    repaired = TagSet(labels).repaired(tags)
    assert chunks(labels, repaired) == chunks(labels, tags, strict=False)
    assert TagSet(labels).repaired(repaired) == repaired


def test_a_repair_that_the_tags_have_no_name_for_is_left():
    assert TagSet(["B-A", "E-A", "O"]).repaired(["E-A", "O"]) == ["E-A", "O"]
    assert TagSet(BIO).repaired(["O", "I-PER", "I-PER", "I-LOC"]) == ["O", "B-PER", "I-PER", "B-LOC"]


def test_other_letters_and_letters_behind_the_type_mean_the_same():
    assert chunks(["B-A", "I-A", "L-A", "U-A", "O"], ["B-A", "I-A", "L-A", "U-A"]) == [("A", 0, 3), ("A", 3, 4)]
    assert chunks(["B-A", "M-A", "E-A", "S-A"], ["B-A", "M-A", "E-A", "S-A"]) == [("A", 0, 3), ("A", 3, 4)]
    assert chunks(["n-B", "n-I", "O"], ["n-B", "n-I", "O"]) == [("n", 0, 2)]
    assert chunks(["B", "I", "O"], ["B", "I", "O"]) == [("_", 0, 2)]
    assert chunks(["B-S", "I-S", "O"], ["B-S", "I-S", "O"]) == [("S", 0, 2)]  # a type called S


def test_rows_do_not_run_into_each_other():
    found = TagSet(BIO).chunks(np.array([0, 1, 1, 1]), np.array([2, 0, 2, 0]), strict=False)
    assert found.starts.tolist() == [0, 2]
    assert found.stops.tolist() == [2, 4]
    assert found.illegal == 1


def test_tags_that_mark_no_chunk_are_refused():
    with pytest.raises(ConfigError, match="'NN' marks no chunk"):
        TagSet(["NN", "VB"])
    assert TagSet(["O"]).types == []
