import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferhub.errors import ConfigError, DataError
from transferhub.tune.hparams import Hyperparameter, check_extra, read_param_file
from transferhub.tune.populations import STRATEGIES

ITEM = "- {name: %s, init_value: %s, type: %s, greater_than: %s, lower_than: %s}\n"


def read(tmp_path, text):
    path = tmp_path / "hparam.yaml"
    path.write_text(text, encoding="utf-8")
    return read_param_file(path)


def test_the_form_of_1x_is_read_and_numbers_that_yaml_leaves_as_text_too(tmp_path):
    items = ITEM % ("lr", "1e-4", "float", "1e-5", "0.01") + ITEM % ("n", 3, "int", 1, 8)
    found = read(tmp_path, "param_list:\n" + items)
    assert found == [Hyperparameter("lr", 1e-5, 0.01, 1e-4, False), Hyperparameter("n", 1, 8, 3, True)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("param_list: [", r"hparam.yaml:\d+"),
        ("just words", "no param_list"),
        ("param_list: []", "no param_list"),
        ("\tparam_list: 3", r"hparam.yaml:\d+"),
        ("param_list:\n- {name: a, name: b}", "'name' is there twice"),
        ("param_list:\n" + 2 * (ITEM % ("a", 1, "float", 0, 2)), "'a' is there twice"),
        ("param_list:\n" + ITEM % ("a", 1, "float", 2, 0), "a: greater_than 2 is not below lower_than 0"),
        ("param_list:\n" + ITEM % ("a", 1, "int", 1.2, 1.8), "a: no int lies between 1.2 and 1.8"),
        ("param_list:\n" + ITEM % ("a", 7, "float", 0, 2), "a: init_value 7 is not between 0 and 2"),
        ("param_list:\n" + ITEM % ("a", 1.5, "int", 0, 2), "init_value 1.5 is no int"),
        ("param_list:\n" + ITEM % ("a", ".nan", "float", 0, 2), "a: init_value is nan, expected a number"),
        ("param_list:\n" + ITEM % ("a", 1, "text", 0, 2), "type is 'text', expected int or float"),
        ("param_list:\n" + ITEM % ("epochs", 1, "int", 0, 2), "the search itself gives this flag"),
        ("param_list:\n- {name: a, init_value: 1, type: int, lower_then: 3}", "did you mean 'lower_than'"),
        ("param_list:\n- learning_rate", "item 1 is 'learning_rate'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text)


def test_all_faults_come_at_once_and_a_missing_file_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"a: greater_than 2.*b: no int"):
        read(tmp_path, "param_list:\n" + ITEM % ("a", 1, "float", 2, 0) + ITEM % ("b", 1, "int", 1.2, 1.8))
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_param_file(tmp_path / "nowhere.yaml")


@given(st.integers(-50, 50), st.integers(1, 60), st.floats(-3, 3))
def test_ints_stay_between_their_bounds_and_come_back_from_their_place(low, width, place):
    parameter = Hyperparameter("n", low, low + width, low, True)
    value = parameter.value(place)
    assert isinstance(value, int)
    assert low <= value <= low + width
    assert parameter.value(parameter.place(value)) == value


def test_other_flags_are_pairs_and_none_of_those_that_are_searched(tmp_path):
    parameters = [Hyperparameter("lr", 0, 1, 0, False)]
    assert check_extra(["max_seq_len", "64", "--mode", "a"], parameters) == {"max_seq_len": "64", "mode": "a"}
    for extra, said in ((["mode"], "no value"), (["lr", "1"], "is searched"), (["a", "1", "a", "2"], "given twice")):
        with pytest.raises(ConfigError, match=said):
            check_extra(extra, parameters)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("popsize", [1, 3, 6])
def test_a_population_begins_at_the_initial_values_and_finds_a_minimum(name, popsize):
    goal, initial = (0.5, -0.25), [-0.8, 0.9]

    def loss(place):
        return sum((value - wanted) ** 2 for value, wanted in zip(place, goal, strict=True))

    population, losses = STRATEGIES[name](list(initial), popsize, 7), []
    for _ in range(240 // popsize):
        places = population.propose()
        if not losses:
            assert places[0] == initial
        assert all(-1 <= value <= 1 for place in places for value in place)
        losses += [loss(place) for place in places]
        population.tell(places, losses[-popsize:])
    assert min(losses) < 0.05 * losses[0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_population_that_is_told_the_same_again_goes_on_the_same(name):
    def rounds(population, count):
        for _ in range(count):
            places = population.propose()
            population.tell(places, [abs(place[0]) for place in places])
        return population.propose()

    first = STRATEGIES[name]([0.0, 0.0], 4, 3)
    assert rounds(first, 3) == rounds(STRATEGIES[name]([0.0, 0.0], 4, 3), 3)


def test_hazero_needs_two_parameters():
    with pytest.raises(ConfigError, match="at least two"):
        STRATEGIES["hazero"]([0.0], 4, 3)
