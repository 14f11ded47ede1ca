"""What img_classifier.py and predict.py share: the flags, and the task on the module's feature."""

import ast

import transferhub as hub

MODULES = {
    "resnet50": "resnet_v2_50_imagenet",
    "resnet101": "resnet_v2_101_imagenet",
    "resnet152": "resnet_v2_152_imagenet",
    "mobilenet": "mobilenet_v2_imagenet",
    "nasnet": "nasnet_imagenet",
    "pnasnet": "pnasnet_imagenet",
}
DATASETS = {
    "flowers": hub.dataset.Flowers,
    "dogcat": hub.dataset.DogCat,
    "stanforddogs": hub.dataset.StanfordDogs,
    "indoor67": hub.dataset.Indoor67,
    "food101": hub.dataset.Food101,
}


def add_switch(parser, name, default, text):
    """A flag that is True when it stands alone, and takes ``=True`` or ``=False`` as the document writes it."""
    parser.add_argument(f"--{name}", type=ast.literal_eval, nargs="?", const=True, default=default, help=text)


def shared_flags(parser, datasets):
    """Add the flags that both scripts have, with the document's defaults."""
    parser.add_argument(
        "--module",
        default="resnet50",
        help=f"of {', '.join(MODULES)}; or another module's name, such as fractal-mini or timm:resnet18",
    )
    parser.add_argument("--checkpoint_dir", default="paddlehub_finetune_ckpt")
    parser.add_argument("--dataset", default="flowers", choices=datasets)
    add_switch(parser, "use_gpu", False, "compute on a GPU, if there is one")
    return parser


def build(args, config):
    """The data set, and the task on it."""
    module = hub.Module(name=MODULES.get(args.module, args.module))
    inputs, outputs, _ = module.context(trainable=True)
    dataset = DATASETS[args.dataset]()
    data_reader = hub.reader.ImageClassificationReader(
        image_width=module.get_expected_image_width(),
        image_height=module.get_expected_image_height(),
        images_mean=module.get_pretrained_images_mean(),
        images_std=module.get_pretrained_images_std(),
        dataset=dataset,
    )
    task = hub.ImageClassifierTask(
        data_reader=data_reader,
        feed_list=[inputs["image"].name],
        feature=outputs["feature_map"],
        num_classes=dataset.num_labels,
        config=config,
    )
    return dataset, task
