"""``hub cache`` shows what is kept and clears it."""

import json

import pytest

import transferhub as hub
from transferhub import cache
from transferhub.commands import main
from transferhub.errors import ConfigError


@pytest.fixture
def filled(tiny, home):
    module = hub.Module(directory=tiny)
    module.features(["good room", "bad food"])
    cache.entry("columns", "a" * 64, lambda part: (part / "x").write_bytes(b"x" * 1000))
    return home / "cache"


def hub_command(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["cache", *words])
    return stop.value.code or 0, capsys.readouterr()


def test_it_shows_kinds_and_entries(filled, capsys):
    code, said = hub_command(capsys)
    assert code == 0
    assert "at most 20 GB" in said.out
    counts = dict(line.split()[:2] for line in said.out.splitlines()[1 : 1 + len(cache.KINDS)])
    assert counts == {**dict.fromkeys(cache.KINDS, "0"), "columns": "1", "features": "1"}
    assert "columns/aaaaaaaaaaaa" in said.out
    _, said = hub_command(capsys, "--json")
    kinds = json.loads(said.out)["kinds"]
    assert kinds["columns"]["entries"] == kinds["features"]["entries"] == 1
    assert kinds["columns"]["bytes"] > 1000


def test_it_clears_one_kind_or_all(filled, capsys):
    code, said = hub_command(capsys, "features", "--clear")
    assert code == 0
    assert "MB freed" in said.out
    assert not list(filled.glob("features/*"))
    assert list(filled.glob("columns/*"))
    hub_command(capsys, "--clear")
    assert cache.entries() == []


def test_a_kind_that_does_not_exist(filled, capsys):
    code, said = hub_command(capsys, "fetures", "--clear")
    assert code == 2
    assert ", ".join(cache.KINDS) in said.err
    assert len(cache.entries()) == 2
    with pytest.raises(ConfigError):
        cache.clear("fetures")
