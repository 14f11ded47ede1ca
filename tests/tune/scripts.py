"""What the tests of searches share: scripts of one's own, and files of parameters."""

from pathlib import Path

SCRIPT = """
import argparse, json, os, pathlib, sys
import transferhub as hub

parser = argparse.ArgumentParser()
for name in ("saved_params_dir", "model_path", "epochs", "learning_rate", "batch_size", "mode"):
    parser.add_argument(f"--{name}")
args = parser.parse_args()
folder = pathlib.Path(args.saved_params_dir)
folder.mkdir(parents=True, exist_ok=True)
seen = {"visible": os.environ["CUDA_VISIBLE_DEVICES"], "id": os.environ["PaddleHub_AutoDL_Trial_ID"], **vars(args)}
with open(folder / "seen.jsonl", "a") as file:
    file.write(json.dumps(seen) + "\\n")
rate, size = float(args.learning_rate), int(args.batch_size)
if args.mode == "crash" and size > 10:
    raise RuntimeError("the data set went away")
if args.mode == "crash_all":
    raise RuntimeError("the data set went away")
if args.mode == "nan":
    hub.report_final_result(float("nan"))
elif args.mode != "silent":
    hub.report_final_result(1 - (rate - 0.03) ** 2 * 1000 - (size - 14) ** 2 / 1000)
"""
PARAMETERS = """
param_list:
- name : learning_rate
  init_value : 0.001
  type : float
  lower_than : 0.05
  greater_than : 5e-5
- name : batch_size
  init_value : 10
  type : int
  lower_than : 20
  greater_than : 8
"""


def write(folder: Path, script: str = SCRIPT, parameters: str = PARAMETERS) -> tuple[Path, Path]:
    """train.py and hparam.yaml."""
    (folder / "train.py").write_text(script, encoding="utf-8")
    (folder / "hparam.yaml").write_text(parameters, encoding="utf-8")
    return folder / "train.py", folder / "hparam.yaml"
