#!/bin/sh
CKPT_DIR="./ckpt_image_classification"
python -u "$(dirname "$0")/predict.py" --module=resnet50 --dataset=flowers --checkpoint_dir="$CKPT_DIR" --use_gpu=True "$@"
