"""The threads that decode: in order, a few rows ahead, and anew in a process that was forked."""

import os
import subprocess
import sys

import pytest

from transferhub.dataset.picture_checks import broken
from transferhub.image.threads import in_order, workers

CHILD = """
import os, signal, sys
from PIL import Image
from transferhub.image import decode
from transferhub.image.threads import in_order
Image.new("RGB", (5, 4)).save(sys.argv[1])
sizes = lambda: [picture.size for picture in in_order(lambda row: decode(sys.argv[1]), range(3))]
assert sizes() == 3 * [(5, 4)]
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(sizes() != 3 * [(5, 4)])
assert os.waitpid(child, 0)[1] == 0, "the child waited for its parent's threads"
assert sizes() == 3 * [(5, 4)]
"""


def test_rows_come_in_order_and_few_are_begun_ahead():
    begun = []

    def work(row):
        begun.append(row)
        return row

    found = in_order(work, iter(range(10_000)))
    assert [next(found) for _ in range(100)] == list(range(100))
    assert len(begun) <= 101 + 8 * workers()
    assert list(found) == list(range(100, 10_000))


def test_broken_pictures_are_looked_for_a_few_at_a_time(tmp_path, monkeypatch):
    waiting = []
    monkeypatch.setattr("transferhub.image.decode", lambda path, least: waiting.append(path))
    monkeypatch.setattr("transferhub.image.threads.workers", lambda: 1)
    submitted = []
    whole = in_order.__globals__["pool"]

    class Counted:
        def submit(self, work, row):
            submitted.append(row - len(waiting))
            return whole().submit(work, row)

    monkeypatch.setattr("transferhub.image.threads.pool", Counted)
    assert broken([(f"{row}.png", 0) for row in range(1000)]) == {}
    assert len(waiting) == 1000
    assert max(submitted) <= 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork on this system")
def test_a_forked_process_has_threads_of_its_own(tmp_path):
    subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "a.png")],
        check=True,
        timeout=60,
    )
