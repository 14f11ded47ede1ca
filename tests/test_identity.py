"""What tells the user's functions apart: their name, body and settings; not where they lie in memory."""

import functools
import subprocess
import sys

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from transferhub.identity import identity


class Turned:
    def __init__(self, angle):
        self.angle, self.around = angle, self

    def __call__(self, picture):
        return picture.rotate(self.angle)

    def twice(self, picture):
        return self(self(picture))


def turned(angle):
    return lambda picture: picture.rotate(angle)


def scaled(picture, by=2):
    return picture * by


def doubled(picture, by=3):
    return picture * by


APART = [
    (lambda p: p, lambda p: p.rotate(90)),
    (lambda p: p + 1, lambda p: p + 2),
    (lambda p: p in {"a", "b"}, lambda p: p in {"a", "c"}),
    (lambda p: [q + 1 for q in p], lambda p: [q + 2 for q in p]),
    (turned(10), turned(20)),
    (scaled, doubled),
    (Turned(10), Turned(20)),
    (Turned(10).twice, Turned(20).twice),
    (functools.partial(scaled, by=1), functools.partial(scaled, by=2)),
    (functools.partial(lambda p: p, 1), functools.partial(lambda p: -p, 1)),
    (v2.Compose([v2.RandomRotation(10)]), v2.Compose([v2.RandomRotation(20)])),
    (v2.RandomRotation(10, v2.InterpolationMode.NEAREST), v2.RandomRotation(10, v2.InterpolationMode.BILINEAR)),
    (v2.Compose([v2.Lambda(lambda p: p)]), v2.Compose([v2.Lambda(lambda p: -p)])),
    (functools.partial(scaled, by=np.ones(3)), functools.partial(scaled, by=np.zeros(3))),
    (functools.partial(scaled, by=torch.ones(2)), functools.partial(scaled, by=torch.zeros(2))),
    (len, print),
    (Turned, dict),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_does_something_else_is_something_else(one, other):
    assert identity(one) != identity(other)


def test_what_is_not_there_yet_and_what_is_deep_does_not_matter():
    def early(picture):
        return late(picture)

    told, deep = identity(early), []
    for _ in range(5000):
        deep = [deep]

    def late(picture):
        return picture

    assert told != identity(early)
    assert identity(deep) == identity([deep])


def test_what_is_shared_is_looked_at_once():
    def ladder(steps):
        top = Turned(1)
        for _ in range(steps):
            above = Turned(2)
            above.one = above.other = top
            top = above
        return top

    assert identity(ladder(16)) == identity(ladder(16)) != identity(ladder(15))
    assert identity(ladder(1000))
    known = [Turned(place) for place in range(12)]
    for each in known:
        each.friends = known
    assert identity(known[0]) == identity(known[0]) != identity(known[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64, torch.bool, torch.int8])
def test_tensors_of_any_type(dtype):
    ones, zeros = torch.ones(2, 3).to(dtype), torch.zeros(2, 3).to(dtype)
    assert identity(ones) == identity(ones.clone()) != identity(zeros)
    assert identity(ones.T) == identity(ones.T.contiguous()) != identity(ones)


@pytest.mark.parametrize("make", [lambda: Turned(10), lambda: turned(10), lambda: functools.partial(Turned(1), 2)])
def test_what_is_made_alike_is_the_same(make):
    assert identity(make()) == identity(make())


def test_the_next_process_finds_the_same():
    code = "from test_identity import APART, identity; print(*(identity(each) for pair in APART for each in pair))"
    here = [identity(each) for pair in APART for each in pair]
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="tests")
    assert there.stdout.split() == here
