"""What tasks that compare texts share: from a module or features and a network to one vector a text, and a reader."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transferhub import layers
from transferhub.dataset import BaseDataset
from transferhub.engine.config import RunConfig
from transferhub.errors import ConfigError
from transferhub.graph import Variable
from transferhub.graph.programs import common_program
from transferhub.module import Module
from transferhub.module.transformer import TransformerModule
from transferhub.network import preset
from transferhub.reader import ClassifyReader, LACClassifyReader, Reader, TextMatchingReader, TextReader
from transferhub.reader.matching_reader import Tokenizer
from transferhub.reader.slots import ENDINGS
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.task import saved_network
from transferhub.task.arguments import opened

TOWER = "matching"  # the name of the weights that all texts are read with
RATES = {"transformer": 5e-5}  # of AdamW, by the module's family; of word vectors and layers over them `RATE`
RATE = 1e-3


def vectors(features: Sequence[Variable | None], names: Sequence[str], network: str | None) -> list[Variable]:
    """One vector ``[B, width]`` a text, all made by the same weights.

    Args:
        features: Of each text: vectors of its tokens ``[B, L, width]``, or where there is no `network` one vector.
        names: What the features are called in messages.
        network: A preset of `hub.network`. None: the mean of the tokens' vectors; a vector stays as it is.

    Raises:
        ConfigError: Features that are missing, of two programs, of different shapes, or no sequences where a network
            is to read them.
    """
    given: list[Variable] = []
    for feature, name in zip(features, names, strict=True):
        if not isinstance(feature, Variable) or feature.is_ids:
            raise ConfigError(
                f"{name}={feature!r:.60}",
                expected='outputs["emb"], outputs["emb_2"] … of context(num_slots=…); or module= and dataset=',
            )
        if len(feature.shape) not in ((3,) if network else (2, 3)):
            wanted = "vectors of tokens [B, L, width]" + ("" if network else ", or one vector [B, width]")
            raise ConfigError(f"{name}={feature} with network={network!r}", expected=wanted)
        given.append(feature)
    common_program(given)
    if len({(len(each.shape), each.shape[-1]) for each in given}) > 1:
        said = "; ".join(f"{name}={each}" for name, each in zip(names, given, strict=True))
        raise ConfigError(f"features of different shapes: {said}", expected="the same output of each slot")
    if network:
        tower = preset(network)
        return [tower(each, share=TOWER) for each in given]
    return [layers.sequence_pool(each, "average") if len(each.shape) == 3 else each for each in given]


def features_of(
    module: Module | str | Path, slots: int, network: str | None, max_seq_len: int | None, *, trainable: bool = True
) -> list[Variable | None]:
    """A feature for each slot of a module: vectors of tokens where there is a `network`, else one of the text.

    Raises:
        ConfigError: Not a module, or one that has no such outputs.
    """
    found = opened(module)
    assert found is not None
    _, outputs, _ = found.context(trainable=trainable, max_seq_len=max_seq_len, num_slots=slots)
    wanted = ("sequence_output", "word_embs") if network else ("pooled_output", "emb")
    for name in wanted:
        if all(name + end in outputs for end in ENDINGS[:slots]):
            return [outputs[name + end] for end in ENDINGS[:slots]]
    raise ConfigError(
        f"{found.name} gives {', '.join(map(str, outputs))}", expected=f"{' or '.join(wanted)} of {slots} slots"
    )


def matching_reader(
    features: Sequence[Variable],
    slots: int,
    dataset: BaseDataset | None,
    data_reader: Reader | None,
    tokenizer: Tokenizer | None,
    max_seq_len: int | None,
) -> TextMatchingReader:
    """The reader that was given, or one of the tokenizer, or of the module that the features stand on.

    Raises:
        ConfigError: Another kind of reader, one for another number of texts, or a module that no reader is known for.
    """
    if data_reader is not None:
        if not isinstance(data_reader, TextMatchingReader):
            raise ConfigError(f"data_reader={data_reader!r:.60}", expected="a TextMatchingReader")
        if data_reader.num_slots != slots:
            raise ConfigError(
                f"a reader of {data_reader.num_slots} texts a row", expected=f"{slots}, one for each feature"
            )
        return data_reader
    given: Any = tokenizer
    if given is not None and not hasattr(given, "reader"):
        raise ConfigError(
            f"tokenizer={given!r:.60}", expected="hub.BertTokenizer(…), ErnieTinyTokenizer(…) or CustomTokenizer(…)"
        )
    length = _length_of(features) if max_seq_len is None else max_seq_len
    if given is not None:
        return TextMatchingReader(dataset=dataset, num_slots=slots, max_seq_len=length, tokenizer=given)
    modules = saved_network.modules_of(features)
    texts: TextReader
    if len(modules) == 1 and isinstance(modules[0], TransformerModule):
        module = modules[0]
        texts = ClassifyReader(
            vocab_path=module.get_vocab_path(),
            max_seq_len=length,
            sp_model_path=module.get_spm_path(),
            word_dict_path=module.get_word_dict_path(),
        )
    elif len(modules) == 1 and hasattr(modules[0], "get_vocab_path"):
        texts = LACClassifyReader(modules[0].get_vocab_path(), max_len=length)
    else:
        raise ConfigError("no reader is known for these features", fix="give tokenizer=, or data_reader=")
    return TextMatchingReader(dataset=dataset, num_slots=slots, texts=texts)


def check_feeds(task: Any) -> None:
    """Refuse a reader that does not give what the network reads: other ids, or fewer texts.

    Raises:
        ConfigError: As said, with both.
    """
    wanted, given = task.feed_list, task.reader.given
    missing = [name for name in wanted if name not in given]
    if missing:
        raise ConfigError(
            f"the network reads {', '.join(missing)}; this TextMatchingReader gives {', '.join(given)}",
            fix="the tokenizer of the module that the features are of, and as many texts",
        )


def usual_config(features: Sequence[Variable]) -> RunConfig:
    """Of the short door: AdamW, 3 epochs, batches of 32."""
    rate = usual_rate({module.family for module in saved_network.modules_of(features)})
    return RunConfig(num_epoch=3, strategy=AdamWeightDecayStrategy(learning_rate=rate))


def usual_rate(families: Iterable[str]) -> float:
    """AdamW's of the short door, for a network on modules of these families."""
    return min((RATES.get(family, RATE) for family in families), default=RATE)


def _length_of(features: Sequence[Variable]) -> int:
    """The ``max_seq_len`` that ``context`` was given, 128 where it is not known."""
    program = common_program(features)
    lengths = [each.length for each in program.variables.values() if each.is_ids]
    return next((length for length in lengths if length > 0), 128)
