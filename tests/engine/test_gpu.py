import pytest
import torch
from safetensors.torch import load_file

from conftest import crash_at

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_on_the_gpu_learns_and_its_model_predicts_the_same_on_the_cpu(make_task, in_tmp, precision):
    task = make_task(checkpoint_dir="run", num_epoch=6, precision=precision, use_cuda=True)
    assert task.finetune_and_eval().test["acc"] > 0.8
    here = task.predict(["the room was good", "awful food"]).probabilities
    there = make_task(checkpoint_dir="run", use_cuda=False).predict(["the room was good", "awful food"]).probabilities
    assert here == pytest.approx(there, abs=1e-4)


def test_a_stopped_run_goes_on_on_the_gpu(make_task, in_tmp):
    crash_at(make_task(checkpoint_dir="run", save_ckpt_interval=3, use_cuda=True), 8)
    make_task(checkpoint_dir="run", save_ckpt_interval=3, use_cuda=True).finetune_and_eval()
    make_task(checkpoint_dir="quiet", save_ckpt_interval=3, use_cuda=True).finetune_and_eval()
    one, two = (load_file(in_tmp / name / "step_16" / "model.safetensors") for name in ("run", "quiet"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
