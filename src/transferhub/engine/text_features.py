"""What an encoder computes of texts, for those who bring a network of their own: ``module.features(texts)``."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from transferhub.engine.features import Features
from transferhub.engine.kernels import speed_up
from transferhub.engine.precision import Working
from transferhub.engine.settled import describe, what_is_read
from transferhub.errors import ConfigError
from transferhub.graph import Network
from transferhub.module.transformer import TransformerModule
from transferhub.reader import ClassifyReader
from transferhub.reader.classify_reader import Row

OUTPUTS = ("sequence_output", "pooled_output")
Values = npt.NDArray[np.float32]


def text_features(
    module: TransformerModule,
    texts: Sequence[Row],
    max_seq_len: int | None = None,
    output: str = "sequence_output",
    batch_size: int = 32,
    precision: str = "fp32",
) -> list[Values] | Values:
    """As `TransformerModule.features` says."""
    length = module.usual_length if max_seq_len is None else max_seq_len
    if output not in OUTPUTS:
        raise ConfigError(f"output={output!r}", expected=f"one of {', '.join(OUTPUTS)}")
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"precision={precision!r}", expected="fp32 or bf16")
    if isinstance(texts, str):
        raise ConfigError(f"texts={texts!r:.60}", expected="a list of texts or pairs", fix="[text] for a single one")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size={batch_size!r}", expected="a whole number of at least 1")
    _, outputs, _ = module.context(trainable=False, max_seq_len=length)
    variable = outputs[output]
    if not len(texts):
        return [] if output == "sequence_output" else np.empty((0, variable.shape[-1]), np.float32)
    reader = module.opened.get(("reader", str(length))) or ClassifyReader(
        vocab_path=module.get_vocab_path(),
        max_seq_len=length,
        sp_model_path=module.get_spm_path(),
        word_dict_path=module.get_word_dict_path(),
    )
    module.opened["reader", str(length)] = reader
    columns = reader.encode(texts)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if (output, precision) not in module.opened:
        made = Working(speed_up(Network([variable])), precision).network.to(device).eval()
        assert isinstance(made, Network)
        digest = describe(made, made.split([0]), device)
        module.opened[output, precision] = made, digest
    network, digest = module.opened[output, precision]
    kept = what_is_read(network, network.split([0]), columns, reader.pad, device, tried=False)
    assert kept is not None
    features = Features(network, kept, columns, reader.pad, device, digest, batch_size)
    if features.open():
        values = features.mapped()
        return np.split(values, columns.offsets[1:-1]) if output == "sequence_output" else values
    return _in_memory(features, len(columns), output)


def _in_memory(features: Features, rows: int, output: str) -> list[Values] | Values:
    found: list[Values] = [np.empty(0, np.float32)] * rows
    for pieces, (values,) in features.compute():
        for place, piece in enumerate(pieces.tolist()):
            whole = output == "pooled_output"
            found[piece] = values[place] if whole else values[place, features.places(piece, values.shape[1])].copy()
    return np.stack(found) if output == "pooled_output" else found
