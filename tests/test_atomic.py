import os

import pytest

from transferhub import atomic


def fill(final, text):
    with atomic.whole_folder(final) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.bin").write_bytes(bytes(100))


def test_a_folder_replaces_the_one_before_and_knows_its_bytes(tmp_path):
    fill(tmp_path / "x", "one")
    fill(tmp_path / "x", "two")
    assert (tmp_path / "x" / "a.txt").read_text() == "two"
    assert atomic.damage(tmp_path / "x") is None
    assert [path.name for path in tmp_path.iterdir()] == ["x"], "nothing temporary is left"


def test_an_error_inside_leaves_the_old_folder_whole(tmp_path):
    fill(tmp_path / "x", "one")

    def fail():
        with atomic.whole_folder(tmp_path / "x") as folder:
            (folder / "a.txt").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "x" / "a.txt").read_text() == "one"
    assert atomic.damage(tmp_path / "x") is None
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_crash_between_the_two_renames_is_recovered_from(tmp_path):
    fill(tmp_path / "x", "one")
    (tmp_path / "x").rename(tmp_path / ".x.old")
    (tmp_path / ".x.7-7.part").mkdir()
    atomic.recover(tmp_path / "x")
    atomic.clear_parts(tmp_path)
    assert (tmp_path / "x" / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "sub" / "b.bin").unlink(), "is missing"),
        (lambda folder: (folder / "sub" / "b.bin").write_bytes(bytes(99)), "99 bytes, 100 were written"),
        (lambda folder: (folder / "sub" / "b.bin").write_bytes(b"\1" + bytes(99)), "sha256 differs"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
    ],
)
def test_damage_is_named(tmp_path, spoil, said):
    fill(tmp_path / "x", "one")
    spoil(tmp_path / "x")
    assert said in atomic.damage(tmp_path / "x")


def test_two_writers_of_one_folder_do_not_meet(tmp_path):
    with atomic.whole_folder(tmp_path / "x", replace=False) as first:
        (first / "a.txt").write_text("first")
        (tmp_path / f".x.{os.getpid() + 1}-1.part").mkdir()  # another process is at it
        fill(tmp_path / "y", "other")
        (tmp_path / "y").rename(tmp_path / "x")  # and is done before
    assert (tmp_path / "x" / "a.txt").read_text() == "other"
    assert (tmp_path / f".x.{os.getpid() + 1}-1.part").is_dir()


def test_only_files_with_the_given_ending_are_looked_at(tmp_path):
    fill(tmp_path / "x", "one")
    (tmp_path / "x" / "a.txt").write_text("edited")
    assert atomic.damage(tmp_path / "x", only=".bin") is None


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    atomic.write_text(tmp_path / "t", "old")
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(tmp_path / "t", "\ud800")
    assert (tmp_path / "t").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_files_are_for_all_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic.whole_folder(tmp_path / "folder") as folder:
            (folder / "a").touch(mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "folder" / "a").stat().st_mode & 0o777 == 0o640
