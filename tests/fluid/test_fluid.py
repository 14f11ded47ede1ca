"""The documents' fluid blocks: layers by Paddle's names, and an Executor."""

import numpy as np
import pytest
import torch

import transferhub as hub
from transferhub import fluid
from transferhub.errors import ConfigError, DataError
from transferhub.fluid.framework import switch_main_program
from transferhub.graph import Network, Program, Variable, needs_fixed_length


def words(length=-1):
    program = Program()
    return program.add(Variable("word_ids", (-1, length, 1), "int64")), program


@pytest.mark.parametrize("length", [-1, 9])
def test_the_document_s_network_of_elmo_embedding_and_gru(length):
    word_ids, program = words(length)
    # in the place of outputs["elmo_embed"]
    elmo = hub.layers.embedding(word_ids, [11, 8], name="elmo_embed")
    before = switch_main_program(program)
    try:
        assert fluid.default_main_program() is program
        word_embedding = fluid.layers.embedding(
            input=word_ids,
            size=[11, 6],
            param_attr=fluid.ParamAttr(learning_rate=30, initializer=fluid.initializer.Uniform(low=-0.1, high=0.1)),
        )
        input_feature = fluid.layers.concat(input=[elmo, word_embedding], axis=1)
        projected = fluid.layers.fc(input=input_feature, size=4 * 3)
        hidden = fluid.layers.dynamic_gru(input=projected, size=4)
        feature = fluid.layers.sequence_pool(input=hidden, pool_type="max")
    finally:
        switch_main_program(before)
    assert (input_feature.shape[-1], feature.shape) == (14, (-1, 4))
    assert not needs_fixed_length([feature])
    network = Network([feature])
    scales = {p.size: p.lr_scale for p in network.described_parameters()}
    assert scales[66] == 30
    assert scales[88] == 1
    tables = [part.table.weight for part in network.parts if hasattr(part, "table")]
    assert tables[1].abs().max() <= 0.1
    exe = fluid.Executor(fluid.CPUPlace())
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    mask = (ids > 0).astype("float32")
    (together,) = exe.run(program, feed={"word_ids": ids[:, :, None], "input_mask": mask}, fetch_list=[feature])
    (alone,) = exe.run(program, feed={"word_ids": ids[:1, :3]}, fetch_list=[feature.name])
    assert together.shape == (2, 4)
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)


def test_an_executor_keeps_the_weights_of_a_program():
    word_ids, program = words()
    out = fluid.layers.fc(fluid.layers.sequence_last_step(fluid.layers.embedding(word_ids, [5, 3])), 2, act="relu")
    other = fluid.layers.tanh(out)
    exe = fluid.Executor()
    feed = {"word_ids": np.array([[1, 2]])}
    assert exe.run(fluid.default_startup_program()) == []
    first, both = exe.run(program, feed, [out])[0], exe.run(program, feed, [out, other])
    np.testing.assert_array_equal(first, both[0])
    np.testing.assert_allclose(np.tanh(first), both[1], rtol=1e-6)
    (built,) = exe._built.values()
    assert len(built) == 4
    with torch.no_grad():
        for part in built.values():
            for parameter in part.parameters():
                parameter.zero_()
    assert exe.run(program, feed, [out])[0].tolist() == [[0, 0]]
    exe.close()
    np.testing.assert_array_equal(exe.run(program, feed, [out])[0], first)


def test_a_module_is_evaluated_with_the_users_own_positions(tiny):
    module = hub.Module(directory=tiny)
    inputs, outputs, program = module.context(trainable=False, max_seq_len=6)
    ids = np.array([[2, 5, 6, 3, 0, 0]])
    feed = {
        inputs["input_ids"].name: ids[:, :, None],
        inputs["position_ids"].name: np.arange(6)[None, :, None],
        inputs["segment_ids"].name: np.zeros((1, 6, 1), "int64"),
        inputs["input_mask"].name: np.ones((1, 6, 1), "float32"),
    }
    exe = fluid.Executor(fluid.CPUPlace())
    hidden, _ = exe.run(program, feed=feed, fetch_list=[outputs["sequence_output"], "pooled_output"])
    assert hidden.shape[:2] == (1, 6)
    assert hidden.dtype == np.float32
    feed[inputs["position_ids"].name] = np.zeros((1, 6, 1), "int64")
    moved, _ = exe.run(program, feed=feed, fetch_list=[outputs["sequence_output"], "pooled_output"])
    assert not np.allclose(hidden, moved), "positions are wired as given"
    with fluid.program_guard(program):
        assert fluid.layers.fc(input=outputs["pooled_output"], size=2).name
    with pytest.raises(DataError, match="input_ids up to 9999"):
        exe.run(program, {"input_ids": [[9999]]}, [outputs["sequence_output"]])


def test_paddles_arguments_mean_what_they_did():
    word_ids, _ = words(length=4)
    table = fluid.layers.embedding(word_ids, [5, 3], padding_idx=-1, param_attr="table")
    again = fluid.layers.embedding(word_ids, [5, 3], padding_idx=-1, param_attr=fluid.ParamAttr(name="table"))
    fixed = fluid.layers.fc(table, 2, num_flatten_dims=1)
    free = fluid.layers.fc([table, again], 2, num_flatten_dims=2, bias_attr=False)
    assert (fixed.shape, free.shape) == ((-1, 2), (-1, 4, 2))
    assert needs_fixed_length([fixed])
    network = Network([table, again, free])
    assert [p.size for p in network.described_parameters()] == [15, 12]
    assert network.parts[0].table.padding_idx == 4
    assert fluid.layers.dropout(table, 0.1, is_test=True) is table
    still = fluid.layers.fc(table, 2, param_attr=fluid.ParamAttr(trainable=False))
    assert not Network([still]).described_parameters()[-1].trainable


def test_axis_1_of_a_sequence_of_unknown_length_means_features():
    word_ids, _ = words()
    out = fluid.layers.fc(fluid.layers.embedding(word_ids, [5, 3]), 2, num_flatten_dims=1)
    assert out.shape == (-1, -1, 2)
    assert not needs_fixed_length([out])


def test_inputs_are_declared_without_their_batch():
    with fluid.program_guard(fluid.Program()):
        assert fluid.layers.data("w", [1], "int64", lod_level=1).shape == (-1, -1, 1)
        assert fluid.layers.data("image", [3, 8, 8]).shape == (-1, 3, 8, 8)
        assert fluid.layers.data("w", [1], "int64", lod_level=1) is fluid.default_main_program().variables["w"]
        with pytest.raises(ConfigError, match="'w'"):
            fluid.layers.data("w", [2], "int64")


@pytest.mark.parametrize(
    ("kind", "arguments", "lowest", "highest"),
    [
        ("Uniform", (2, 3), 2, 3),
        ("Normal", (5, 0.01), 4.9, 5.1),
        ("TruncatedNormal", (0, 1), -2, 2),
        ("Constant", (7,), 7, 7),
        ("Xavier", (), -1, 1),
        ("Xavier", (False,), -3, 3),
    ],
)
def test_initializers(kind, arguments, lowest, highest):
    word_ids, _ = words()
    made = getattr(fluid.initializer, kind)(*arguments)
    table = Network([fluid.layers.embedding(word_ids, [40, 30], param_attr=made)]).parts[0].table.weight
    assert lowest <= table.min() <= table.max() <= highest


def test_what_an_executor_cannot_run_is_said():
    word_ids, program = words()
    out = fluid.layers.sequence_pool(fluid.layers.embedding(word_ids, [5, 3]))
    other, _ = words()
    exe = fluid.Executor()
    ids = np.array([[1, 2]])
    for feed, fetch, error, said in (
        ({}, [out], ConfigError, "feed lacks word_ids"),
        ({"word_id": ids}, [out], ConfigError, "did you mean 'word_ids'"),
        ({"word_ids": ids}, ["sequence_pool"], ConfigError, "did you mean 'sequence_pool_0'"),
        ({"word_ids": ids}, [other], ConfigError, "of another program"),
        ({"word_ids": ids[0]}, [out], DataError, r"feed 'word_ids' is \[2\]"),
        ({"word_ids": np.array([["a"]])}, [out], DataError, "expected"),
        ({"word_ids": ids, "input_mask": np.ones((2, 2))}, [out], DataError, "word_ids 1, input_mask 2"),
        ({"word_ids": ids + 9}, [out], DataError, "id 10 in row 0"),
    ):
        with pytest.raises(error, match=said):
            exe.run(program, feed, fetch)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: fluid.ParamAttr(regularizer=1), "regularizer"),
        (lambda: fluid.layers.fc(words()[0], 2, param_attr=3), "param_attr=3"),
        (lambda: fluid.layers.fc(hub.layers.data("v", (-1, 2), "float32"), 2, bias_attr=fluid.ParamAttr(None, None, 9)),
         "bias_attr"),
        (lambda: fluid.layers.dynamic_gru(hub.layers.data("s", (-1, -1, 6), "float32"), 2, h_0=1), "h_0=1"),
        (lambda: fluid.layers.sequence_pool(words()[0], pad_value=1.0), "pad_value"),
    ],
)  # fmt: skip
def test_what_fluid_had_and_is_not_here_is_said(wrong, said):
    with fluid.program_guard(Program()), pytest.raises(ConfigError, match=said):
        wrong()
