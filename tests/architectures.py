"""Tiny checkpoints with random weights of every encoder architecture that is promised to work."""

from pathlib import Path

from conftest import WORDS

SIZE = 120
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "vocab_size": SIZE,
    "pad_token_id": 0,
}
ROBERTA = {**SMALL, "max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}
SETTINGS = {
    "bert": SMALL,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "albert": {**SMALL, "embedding_size": 16},
    "electra": {**SMALL, "embedding_size": 16},
    "distilbert": {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 64,
        "max_position_embeddings": 64,
        "vocab_size": SIZE,
    },
    "deberta-v2": {
        **SMALL,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "type_vocab_size": 0,
        "position_biased_input": False,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_buckets": 16,
    },
    "ernie": {**SMALL, "use_task_id": True},
    "mpnet": {**SMALL, "max_position_embeddings": 66, "pad_token_id": 1},
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "vocab_size": SIZE, "pad_token_id": 5},
    "modernbert": {
        **SMALL,
        "num_hidden_layers": 4,
        "global_attn_every_n_layers": 3,
        "local_attention": 8,
        **{f"{name}_token_id": number for number, name in enumerate(("cls", "sep", "bos", "eos"), 2)},
    },
}


def write_architecture(kind: str, folder: Path) -> Path:
    """A module folder of one architecture: weights without a head, and a tokenizer in its style."""
    import torch
    from transformers import AutoConfig, AutoModel

    from transferhub.module.encoder import quietly

    folder.mkdir(parents=True, exist_ok=True)
    with quietly():
        torch.manual_seed(0)
        AutoModel.from_config(AutoConfig.for_model(kind, **SETTINGS[kind])).save_pretrained(folder)
        _tokenizer(kind).save_pretrained(folder)
    return folder


def _tokenizer(kind: str):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    like_roberta = kind in ("roberta", "xlm-roberta", "mpnet")
    options = {}
    if like_roberta:
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        start, pad, end, unknown, mask = special
        form = f"{start} $A {end}", f"{start} $A {end} {end} $B {end}"
    elif kind == "xlnet":
        special = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"]
        start, pad, end, unknown, mask = "<cls>", "<pad>", "<sep>", "<unk>", "<mask>"
        form = f"$A:0 {end}:0 {start}:2", f"$A:0 {end}:0 $B:1 {end}:1 {start}:2"
        options = {"padding_side": "left"}
    else:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pad, unknown, start, end, mask = special
        form = f"{start} $A {end}", f"{start} $A {end} $B:1 {end}:1"
    words = [*special, *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=form[0], pair=form[1], special_tokens=[(token, words.index(token)) for token in (start, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=unknown,
        pad_token=pad,
        cls_token=start,
        sep_token=end,
        mask_token=mask,
        **options,
    )
