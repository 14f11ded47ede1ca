import optuna
import pytest

from transferhub.errors import ConfigError, DataError
from transferhub.tune.space import Space, default_space


def test_forms_of_python_and_yaml_say_the_same(tmp_path):
    text = """
learning_rate: {low: 1e-5, high: 1e-3, log: true, init: 5e-5}
num_epoch: {low: 2, high: 5}
dropout: {low: 0, high: 1, type: float}
batch_size: [8, 16]
rank: {choices: [4, 8], only: {strategy: lora}}
strategy: [adamw, lora]
"""
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    read = Space.read(tmp_path / "space.yaml")
    same = {
        "learning_rate": (1e-5, 1e-3, "log"),
        "num_epoch": (2, 5),
        "dropout": (0.0, 1.0),
        "batch_size": [8, 16],
        "rank": {"choices": [4, 8], "only": {"strategy": ["lora"]}},
        "strategy": ["adamw", "lora"],
    }
    assert read.described() == Space.of(same).described()
    assert read.initial() == {"learning_rate": 5e-5}
    assert read.initial({"batch_size": 16, "num_epoch": 9}) == {"learning_rate": 5e-5, "batch_size": 16}


def test_paddlehubs_file_is_a_space_too(tmp_path):
    text = "param_list:\n- {name: n, init_value: 3, type: int, greater_than: 1.5, lower_than: 8}"
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    space = Space.read(tmp_path / "space.yaml")
    assert space.described() == {"n": {"low": 2, "high": 8, "log": False, "whole": True}}
    assert space.initial() == {"n": 3}


def test_values_are_suggested_only_where_they_mean_something():
    space = Space.of({"rank": {"choices": [4], "only": {"strategy": ["lora"]}}, "strategy": ["adamw", "lora"]})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [space.suggest(study.ask()) for _ in range(20)]
    assert {tuple(sorted(values)) for values in found} == {("strategy",), ("rank", "strategy")}
    assert all(("rank" in values) == (values["strategy"] == "lora") for values in found)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to search"),
        ({"a": 3}, "a: 3, expected choices"),
        ({"a": []}, "at least one choice"),
        ({"a": [1, 1]}, "1 is there twice"),
        ({"a": [[1]]}, "cannot be a choice"),
        ({"a": (2, 1)}, "2 is not below 1"),
        ({"a": {"low": 1.2, "high": 1.8, "type": "int"}}, "no int lies between 1.2 and 1.8"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "log needs a range above 0"),
        ({"a": {"low": "few", "high": 1}}, "not of two numbers"),
        ({"a": {"low": 0, "hihg": 1}}, "did you mean 'high'"),
        ({"a": {"low": 0, "high": 1, "init": 2}}, "init is not between"),
        ({"a": {"low": 0, "high": 1, "type": "real"}}, "type 'real'"),
        ({"a": {"choices": [1], "init": 2}}, "init 2 is not one of the choices"),
        ({"a": {"choices": [1], "only": {"b": 1}}}, "'b' is not searched"),
        ({"a": {"choices": [1], "only": {"b": 1}}, "b": [2]}, "b is never 1"),
        ([1], "expected: names and ranges"),
    ],
)
def test_what_is_wrong_with_a_space_is_said(given, said):
    with pytest.raises(ConfigError, match=said):
        Space.of(given)


def test_files_that_are_none_are_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        Space.read(tmp_path / "nowhere.yaml")
    (tmp_path / "space.yaml").write_text("a: [1]\na: [2]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"space.yaml:2: 'a' is there twice"):
        Space.read(tmp_path / "space.yaml")


def test_the_houses_rates_fall_as_networks_grow_and_few_rows_are_seen_more_often():
    def at(parameters, rows, family="transformer"):
        space = default_space(family=family, parameters=parameters, rows=rows, classes=True)
        return {each.name: each for each in space.dimensions}

    small, base, large = (at(count, 500) for count in (22e6, 110e6, 330e6))
    assert small["learning_rate"].high > base["learning_rate"].high > large["learning_rate"].high
    assert at(22e6, 500)["num_epoch"].low > at(22e6, 100_000)["num_epoch"].low
    for space in (small, base, large):
        assert all(each.has(each.initial) for each in space.values() if each.initial is not None)
    assert "layerwise_decay" not in at(0, 500, "word_vectors")
