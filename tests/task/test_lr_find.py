"""The learning-rate finder."""

import math

import pytest
import torch

import transferhub as hub
from transferhub.commands import main
from transferhub.errors import ConfigError
from transferhub.task.lr_find import FoundRate, GrowingRate, _judge, find_rate


def test_rates_grow_geometrically_and_groups_keep_their_proportion():
    from transferhub.graph import Parameter
    from transferhub.strategy import Steps

    parameters = [Parameter(f"w{depth}", 1, "backbone" if depth else "head", depth, True) for depth in range(6)]
    inner = hub.ULMFiTStrategy(1e-3, dis_blocks=3, factor=2.0)
    plan = GrowingRate(inner, 1e-6, 1e-2).plan(parameters, Steps(5, 1))
    assert plan.frozen == (), "what is unfrozen later moves from the start"
    top, middle, low = plan.groups
    assert [top.rate(step) for step in range(5)] == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
    assert [middle.rate(3), low.rate(3)] == pytest.approx([5e-4, 2.5e-4])


def test_the_suggestion_is_a_tenth_of_the_lowest_and_the_steepest_is_where_it_falls_fastest():
    rates = [10.0**power for power in range(-7, 1)]
    found = _judge(rates, [1.0, 1.0, 0.9, 0.5, 0.4, 0.39, 0.8, 3.0])
    assert found.suggestion == pytest.approx(1e-3)
    assert found.steepest == pytest.approx(1e-5)
    for losses in ([1.0, 2.0, 3.0], [1.0, 0.999, 3.0], [1.0, 0.5, 0.9][::-1]):
        assert _judge(rates[:3], losses).suggestion is None or losses[0] == 0.9, "a loss that does not fall clearly"


def test_the_picture_is_an_svg_of_its_own():
    import xml.etree.ElementTree as tree

    drawn = FoundRate(1e-4, 1e-4, [1e-6, 1e-5, 1e-4, 1e-3], [1.0, 0.9, 0.5, 0.7]).picture()
    assert tree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert "0.0001" in drawn or "1e-06" in drawn


def test_a_search_leaves_task_and_folder_as_they_were_and_its_rate_trains(make_task, in_tmp):
    task = make_task(num_epoch=3, log_interval=4)
    before = {name: value.clone() for name, value in task.build_network().state_dict().items()}
    files = sorted(in_tmp.iterdir())
    found = find_rate(task, 1e-6, 10.0, steps=60)
    assert sorted(in_tmp.iterdir()) == files
    assert all(torch.equal(value, before[name]) for name, value in task.build_network().state_dict().items())
    assert found.rates[0] == pytest.approx(1e-6)
    assert len(found.rates) <= 60
    assert all(math.isfinite(loss) for loss in found.losses)
    assert 1e-6 < found.suggestion < 1.0
    again = find_rate(make_task(num_epoch=3, log_interval=4), 1e-6, 10.0, steps=60)
    assert again == found, "a function of the seed"
    strategy = hub.AdamWeightDecayStrategy(learning_rate=found.suggestion)
    losses = []
    trained = make_task(num_epoch=6, strategy=strategy, checkpoint_dir="run")
    trained.add_hook("log_interval", "losses", lambda task, states: losses.append(states[0].run_loss))
    trained.finetune_and_eval()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("wrong", [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"steps": 3}])
def test_a_search_without_room_is_refused(make_task, wrong):
    with pytest.raises(ConfigError, match="0 < low < high"):
        find_rate(make_task(), **wrong)


def test_the_command_prints_a_number_and_draws_a_picture(tiny, review_files, in_tmp, capsys):
    arguments = ["--module", str(tiny), "--train", str(review_files["train"]), "--batch-size", "8", "--steps", "60"]
    with pytest.raises(SystemExit) as ended:
        main(["lr-find", *arguments, "--strategy-arg", "weight_decay=0.1", "--picture", "found.svg"])
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    assert "suggestion" in printed
    again = f"hub finetune --module {tiny} --train {review_files['train']} --batch-size 8"
    assert f"next        {again} --strategy-arg weight_decay=0.1 --learning-rate " in printed.splitlines()[-1]
    assert (in_tmp / "found.svg").read_text().startswith("<svg ")
