import re

import pytest

from transferhub.errors import ModuleError
from transferhub.module import catalogue, store
from transferhub.module.module import FAMILIES

# The semantic models of PaddleHub 1.8, by the names that its documents and release notes use.
PADDLEHUB = [
    "ernie",
    "ernie_tiny",
    "ernie_v2_eng_base",
    "ernie_v2_eng_large",
    "bert_chinese_L-12_H-768_A-12",
    "bert_uncased_L-12_H-768_A-12",
    "bert_uncased_L-24_H-1024_A-16",
    "bert_cased_L-12_H-768_A-12",
    "bert_cased_L-24_H-1024_A-16",
    "bert_multi_cased_L-12_H-768_A-12",
    "bert_multi_uncased_L-12_H-768_A-12",
    "bert_wwm_chinese_L-12_H-768_A-12",
    "bert_wwm_ext_chinese_L-12_H-768_A-12",
    "roberta_wwm_ext_chinese_L-12_H-768_A-12",
    "roberta_wwm_ext_chinese_L-24_H-1024_A-16",
    "chinese_bert_wwm",
    "chinese_bert_wwm_ext",
    "chinese_roberta_wwm_ext",
    "chinese_roberta_wwm_ext_large",
    "rbt3",
    "rbtl3",
    "chinese_electra_base",
    "chinese_electra_small",
]


def test_every_card_of_the_catalogue_is_complete_and_names_are_unique():
    cards = catalogue.cards()
    names = [catalogue.canonical(name) for card in cards.values() for name in (card.name, *card.aliases)]
    assert len(names) == len(set(names))
    sources = [card.source for card in cards.values() if card.source != "own"]
    assert len(sources) == len(set(sources))
    for card in cards.values():
        assert card.family in FAMILIES
        assert re.fullmatch(r"hf:[\w.-]+/[\w.-]+|timm:[\w.]+|package:\w+:[\w/-]+|own", card.source)
        assert card.bytes == 0 or card.bytes > 1_000_000
        assert card.language in ("en", "zh", "multilingual", "images")
        assert all((card.licence, card.summary, card.revision))
        assert card.weights in ("", "pytorch_model.bin")
        assert (
            card.revision == "main" or not card.source.startswith("hf:") or re.fullmatch("[0-9a-f]{40}", card.revision)
        )
        assert store.NAME.fullmatch(card.name), "it can be a folder's name"


@pytest.mark.parametrize("name", PADDLEHUB)
def test_every_semantic_model_of_paddlehub_is_known(name):
    assert catalogue.find(name) is not None


def test_names_are_found_by_alias_with_dashes_or_underscores_and_by_source():
    card = catalogue.find("bert-base-chinese")
    for name in (
        "bert_base_chinese",
        "BERT-base-chinese",
        "bert_chinese_L-12_H-768_A-12",
        "google-bert/bert-base-chinese",
        "hf:google-bert/bert-base-chinese",
    ):
        assert catalogue.find(name) is card
    assert catalogue.find("nothing") is None


def test_an_alias_a_source_and_the_name_are_one_module_in_the_store(tiny):
    installed = store.install("bert_chinese_L-12_H-768_A-12", origin=str(tiny))
    for name in ("bert-base-chinese", "bert_chinese_L-12_H-768_A-12", "hf:google-bert/bert-base-chinese"):
        assert store.locate(name).folder == installed.folder
    assert store.uninstall("bert_base_chinese") == installed.folder


def test_a_folder_of_the_users_goes_before_a_source_of_that_name(tiny, in_tmp):
    (in_tmp / "google-bert").mkdir()
    (in_tmp / "google-bert" / "bert-base-chinese").symlink_to(tiny)
    assert store.locate("google-bert/bert-base-chinese").version == ""


def test_a_module_without_a_public_copy_says_how_to_bring_ones_own(lines):
    with pytest.raises(
        ModuleError, match=r"no public copy(?s:.)*install ernie_tiny --from DIR(?s:.)*now: fractal-mini"
    ):
        store.locate("ernie_tiny")
    assert not lines
    store.install("ernie_tiny", origin="minilm")
    assert store.locate("ernie_tiny").stands_for == "minilm"
    assert store.locate("ernie-tiny").stands_for == "minilm"


# The image networks that PaddleHub's documents name, and what it calls others that timm has.
IMAGES = [
    *(f"resnet_v2_{layers}_imagenet" for layers in (18, 34, 50, 101, 152)),
    *("mobilenet_v2_imagenet", "nasnet_imagenet", "pnasnet_imagenet", "vgg16_imagenet", "inception_v4_imagenet"),
    *(f"xception{layers}_imagenet" for layers in (41, 65, 71)),
    *(f"efficientnetb{number}_imagenet" for number in range(8)),
    *("resnext50_32x4d_imagenet", "se_resnext50_32x4d_imagenet", "densenet121_imagenet", "dpn107_imagenet"),
    *("resnet18", "resnet50", "resnet50_vd_imagenet", "darknet53_imagenet", "hrnet48_imagenet"),
]


@pytest.mark.parametrize("name", IMAGES)
def test_every_image_network_of_the_documents_is_known(name):
    card = catalogue.find(name)
    assert card.family == "image"
    assert set(card.image) == {"network", "size", "crop", "interpolation", "mean", "std"}


def test_cards_of_image_networks_say_what_timm_says():
    import timm

    for card in catalogue.cards().values():
        if not card.image:
            continue
        if card.source == "own":
            assert timm.is_model(card.image["network"])
            continue
        said = timm.models.get_pretrained_cfg(card.source.removeprefix("timm:"))
        assert said.hf_hub_id, card.name
        assert said.architecture == card.image["network"]
        assert (said.input_size[1], said.crop_pct) == (card.image["size"], card.image["crop"])
        assert said.interpolation == card.image["interpolation"]
        assert (list(said.mean), list(said.std)) == (card.image["mean"], card.image["std"])
        assert (said.license or "unknown") == card.licence
