#!/bin/sh
CKPT_DIR="./ckpt_chnsentiment"
python -u "$(dirname "$0")/elmo_finetune.py" \
    --batch_size=32 \
    --use_gpu=True \
    --learning_rate=5e-5 \
    --weight_decay=0.01 \
    --warmup_proportion=0.0 \
    --num_epoch=3 \
    --checkpoint_dir="$CKPT_DIR" "$@"
