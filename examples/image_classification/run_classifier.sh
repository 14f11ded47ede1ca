#!/bin/sh
CKPT_DIR="./ckpt_image_classification"
python -u "$(dirname "$0")/img_classifier.py" \
    --batch_size=16 \
    --num_epoch=1 \
    --module=resnet50 \
    --dataset=flowers \
    --use_gpu=True \
    --use_data_parallel=True \
    --checkpoint_dir="$CKPT_DIR" "$@"
