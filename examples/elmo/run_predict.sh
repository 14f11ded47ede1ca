#!/bin/sh
CKPT_DIR="./ckpt_chnsentiment"
python -u "$(dirname "$0")/predict.py" --checkpoint_dir="$CKPT_DIR" --use_gpu=True "$@"
