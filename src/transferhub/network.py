"""``hub.network``: PaddleHub 1.x's preset networks, from a sequence of vectors to one vector.

    feature = hub.network.gru(outputs["sequence_output"])
    feature = hub.network.PRESETS["bow"](word_embs, share="tower")     # the same weights wherever the name is the same

Padding does not enter any of them but `dpcnn`, which reads it as 1.x's did, so that its rows are all padded to
``max_seq_len``. Sizes are 1.x's.
"""

from collections.abc import Callable

from transferhub import layers
from transferhub.errors import ConfigError, did_you_mean
from transferhub.graph.build import add_layer
from transferhub.graph.variable import Variable

__all__ = ["PRESETS", "bilstm", "bow", "cnn", "dpcnn", "gru", "lstm", "preset"]

Preset = Callable[..., Variable]


def bow(token_feature: Variable, share: str | None = None) -> Variable:
    """The sum of the vectors, tanh, 128 and 96 units with tanh: ``[B, L, width]`` → ``[B, 96]``.

    Args:
        token_feature: A sequence of vectors.
        share: Networks of a program with the same one have the same weights.
    """
    hidden = layers.tanh(layers.sequence_pool(token_feature, "sum"))
    hidden = layers.fc(hidden, 128, act="tanh", share=_part(share, "first"))
    return layers.fc(hidden, 96, act="tanh", share=_part(share, "last"))


def cnn(token_feature: Variable, share: str | None = None) -> Variable:
    """Windows of 3 tokens, 128 filters, tanh, max, 128 units (Kim 2014): → ``[B, 128]``; arguments as for `bow`."""
    hidden = layers.conv_pool(token_feature, 128, 3, act="tanh", pool="max", share=_part(share, "conv"))
    return layers.fc(hidden, 128, share=_part(share, "last"))


def dpcnn(token_feature: Variable, share: str | None = None) -> Variable:
    """A deep pyramid of convolutions, 250 channels, 6 halvings, 128 units with tanh: → ``[B, 128]``; as for `bow`."""
    pyramid = add_layer(
        "dpcnn",
        {"inputs": token_feature.shape[-1], "channels": 250, "blocks": 6},
        [token_feature],
        (token_feature.shape[0], 250),
        stem="dpcnn",
        share=_part(share, "pyramid"),
        fixed_length=True,
    )
    return layers.fc(pyramid, 128, act="tanh", share=_part(share, "last"))


def gru(token_feature: Variable, share: str | None = None) -> Variable:
    """A GRU of 128, max, tanh, 96 units with tanh: → ``[B, 96]``; arguments as for `bow`."""
    states = layers.gru(token_feature, 128, share=_part(share, "states"))
    return _after_max(states, share)


def lstm(token_feature: Variable, share: str | None = None) -> Variable:
    """An LSTM of 128, max, tanh, 96 units with tanh: → ``[B, 96]``; arguments as for `bow`."""
    states = layers.lstm(token_feature, 128, share=_part(share, "states"))
    return _after_max(states, share)


def bilstm(token_feature: Variable, share: str | None = None) -> Variable:
    """An LSTM of 128 from each end, their last states, 96 units with tanh: → ``[B, 96]``; arguments as for `bow`."""
    forward = layers.lstm(token_feature, 128, share=_part(share, "forward"))
    backward = layers.lstm(token_feature, 128, is_reverse=True, share=_part(share, "backward"))
    # The backward one ends at the first token.
    ends = layers.concat([layers.sequence_pool(forward, "last"), layers.sequence_pool(backward, "first")])
    return layers.fc(ends, 96, act="tanh", share=_part(share, "last"))


PRESETS: dict[str, Preset] = {
    "bow": bow,
    "cnn": cnn,
    "dpcnn": dpcnn,
    "gru": gru,
    "lstm": lstm,
    "bilstm": bilstm,
}


def preset(name: str) -> Preset:
    """A preset network by its name.

    Raises:
        ConfigError: No such network.
    """
    if name not in PRESETS:
        raise ConfigError(
            f"network={name!r:.60}",
            expected=f"one of {', '.join(PRESETS)}",
            fix=did_you_mean(str(name), PRESETS) or None,
        )
    return PRESETS[name]


def _after_max(states: Variable, share: str | None) -> Variable:
    return layers.fc(layers.tanh(layers.max_over_time(states)), 96, act="tanh", share=_part(share, "last"))


def _part(share: str | None, part: str) -> str | None:
    return share and f"{share}.{part}"
