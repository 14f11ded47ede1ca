import sys

import pytest

from transferhub.engine import heap


class Library:
    def __init__(self):
        self.options, self.trims = {}, 0

    def mallopt(self, option, value):
        self.options[option] = value

    def malloc_trim(self, pad):
        self.trims += 1


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(heap, "_glibc", lambda: library)
    return library


def steps(kept, tmp_path, monkeypatch, *held):
    monkeypatch.setattr(heap, "STATM", tmp_path / "statm")
    for pages in held:
        (tmp_path / "statm").write_text(f"999 {pages} 1 1 0 1 0\n")
        kept.after_step()


def test_a_heap_that_grows_is_trimmed_and_what_a_step_needs_is_learnt_on_a_trimmed_one(library, tmp_path, monkeypatch):
    kept = heap.Heap()
    assert library.options == {heap.M_MMAP_THRESHOLD: 1 << 30, heap.M_TRIM_THRESHOLD: (1 << 31) - 1}
    steps(kept, tmp_path, monkeypatch, 100, 110, 114)
    assert library.trims == 0
    steps(kept, tmp_path, monkeypatch, 120)
    assert library.trims == 1
    steps(kept, tmp_path, monkeypatch, 200, 229)  # a larger step: 200 is what one needs
    assert library.trims == 1
    steps(kept, tmp_path, monkeypatch, 235)
    assert library.trims == 2
    steps(kept, tmp_path, monkeypatch, 90, 225)  # a smaller step on a trimmed heap teaches nothing less
    assert library.trims == 2


def test_without_glibc_nothing_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    monkeypatch.setattr(heap, "STATM", tmp_path / "none")
    heap.Heap().after_step()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_library_is_found_where_it_is_glibc():
    library = heap._glibc()
    if library is not None:
        assert library.malloc_trim(0) in (0, 1)
