"""Downloads as a user makes them: ``hub install`` against a mirror on loopback."""

import hashlib
import os
import pickle
import signal
import subprocess
import sys
from typing import NamedTuple

import huggingface_hub
import pytest
import torch
from mirror import COMMIT, serving
from safetensors.torch import load_file
from test_transformers_image import saved

import transferhub as hub
from transferhub import paths
from transferhub.commands import main
from transferhub.errors import ModuleError
from transferhub.module import clearing, fetch, store
from transferhub.module.transformers_image import TransformersImageModule

REPO = "someone/encoder"
pytestmark = pytest.mark.loopback


@pytest.fixture
def contents(tiny):
    files = {path.name: path.read_bytes() for path in tiny.iterdir()}
    return files | {"tf_model.h5": b"h5", "flax_model.msgpack": b"msgpack", "onnx/model.onnx": b"onnx", "run.py": b"1"}


@pytest.fixture
def mirror(contents):
    with serving(REPO, contents) as running:
        yield running


class Done(NamedTuple):
    """How a command ended."""

    code: int
    said: str


@pytest.fixture
def online(monkeypatch, tmp_path):
    """As if the process had been started with HF_ENDPOINT, and an HF_HOME of its own (read once, at import)."""

    def at(endpoint, *, offline=False):
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))

    yield at
    huggingface_hub.close_session()


@pytest.fixture
def install(mirror, online, capfd):
    def run(*arguments, offline=False, endpoint=mirror.endpoint):
        online(endpoint, offline=offline)
        capfd.readouterr()
        try:
            main(["install", *(arguments or [f"hf:{REPO}"])])
            code = 0
        except SystemExit as stopped:
            code = stopped.code or 0
        return Done(code, capfd.readouterr().err)

    return run


def place():
    return paths.modules() / "hf--someone--encoder"


def test_a_module_is_fetched_whole_and_nothing_else_is(install, mirror, contents, tiny):
    done = install()
    assert done.code == 0, done.said
    here = {path.name for path in place().iterdir()}
    assert here == {path.name for path in tiny.iterdir()} | {"module.json", "manifest.json"}
    assert (place() / "model.safetensors").read_bytes() == contents["model.safetensors"]
    assert {name for _, name, _ in mirror.asked} == {path.name for path in tiny.iterdir()}
    assert store.locate(f"hf:{REPO}").version == COMMIT
    assert not [path for path in paths.downloads().iterdir() if path.is_dir()]
    asked = len(mirror.asked)
    assert "already installed" in install().said
    assert len(mirror.asked) == asked


def test_a_connection_that_breaks_is_taken_up_again_where_it_broke(install, mirror, contents):
    mirror.break_after["model.safetensors"] = [10_000, 5_000]
    done = install()
    assert done.code == 0, done.said
    assert mirror.downloads("model.safetensors") == [None, "bytes=10000-", "bytes=15000-"]
    assert (place() / "model.safetensors").read_bytes() == contents["model.safetensors"]


def test_a_killed_install_goes_on_at_the_next_one(install, mirror, contents, tmp_path):
    mirror.stall_after["model.safetensors"] = 20_000
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = kept | {"HF_ENDPOINT": mirror.endpoint, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "*"}
    command = [sys.executable, "-m", "transferhub.commands", "install", f"hf:{REPO}"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as first:
        assert mirror.stalled.wait(60)
        part = paths.downloads() / f"someone--encoder@{COMMIT[:12]}" / "model.safetensors.part"
        while not part.is_file() or part.stat().st_size < 20_000:
            assert first.poll() is None
            os.sched_yield()
        first.send_signal(signal.SIGKILL)
    assert not place().exists()
    done = install()
    assert done.code == 0, done.said
    assert mirror.downloads("model.safetensors") == [None, "bytes=20000-"]
    assert mirror.downloads("config.json") == [None], "what was whole is not fetched again"
    assert (place() / "model.safetensors").read_bytes() == contents["model.safetensors"]


def test_a_download_that_breaks_for_good_says_how_to_go_on(install, mirror):
    mirror.break_after["model.safetensors"] = [10_000, 0]
    done = install()
    assert done.code == 2
    assert "model.safetensors from hf:someone/encoder broke off" in done.said
    assert "10000 are here and kept" in done.said
    assert f"`hub install hf:{REPO}` goes on" in done.said
    assert not place().exists()
    assert install().code == 0
    assert mirror.downloads("model.safetensors")[-1] == "bytes=10000-"


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(install, mirror, contents):
    mirror.ranges = False
    mirror.break_after["model.safetensors"] = [10_000]
    assert install().code == 0
    assert (place() / "model.safetensors").read_bytes() == contents["model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_other_bytes_than_the_hub_says_are_refused_and_leave_nothing(install, mirror, contents, name):
    mirror.flipped.add(name)
    done = install()
    assert done.code == 2
    served = contents[name][:-1] + bytes([contents[name][-1] ^ 1])
    if name == "model.safetensors":
        digests = [hashlib.sha256(data).hexdigest() for data in (contents[name], served)]
    else:
        digests = [hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() for data in (contents[name], served)]
    assert all(digest in done.said for digest in digests)
    assert f"the file {name} from hf:{REPO} is not what {mirror.endpoint} says" in done.said
    assert "fix:" in done.said
    assert not place().exists()
    assert not list(paths.downloads().rglob(f"{name}*"))
    mirror.flipped.clear()
    assert install().code == 0


@pytest.mark.parametrize("listing", ["names", "tree"])
def test_mirrors_that_tell_of_files_in_another_way_are_verified_too(install, mirror, contents, listing):
    mirror.listing = listing
    mirror.flipped.add("model.safetensors")
    assert hashlib.sha256(contents["model.safetensors"]).hexdigest() in install().said
    mirror.flipped.clear()
    assert install().code == 0


def test_the_catalogue_allows_the_pickle_that_it_names(install, mirror, contents, tiny, tmp_path):
    mirror.repo = "nghuyong/ernie-1.0-base-zh"
    torch.save(load_file(tiny / "model.safetensors"), tmp_path / "pytorch_model.bin")
    del contents["model.safetensors"]
    contents["pytorch_model.bin"] = (tmp_path / "pytorch_model.bin").read_bytes()
    done = install("ernie==1.2.0")
    assert done.code == 0, done.said
    module = store.locate("ernie")
    assert (module.version, module.stands_for, module.source) == ("1.2.0", "", "hf:nghuyong/ernie-1.0-base-zh")
    assert load_file(module.folder / "model.safetensors").keys() == load_file(tiny / "model.safetensors").keys()
    assert store.locate("hf:nghuyong/ernie-1.0-base-zh").folder == module.folder
    asked = len(mirror.asked)
    assert install("mine", "--from", "rbt3").code == 2, "the mirror has no such repository"
    assert install("other", "--from", "ernie").code == 0
    assert len(mirror.asked) == asked


def test_a_repository_with_a_pickle_only_is_refused_before_it_is_fetched_and_converted_when_allowed(
    install, mirror, contents, tiny, tmp_path
):
    tensors = load_file(tiny / "model.safetensors")
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    del contents["model.safetensors"]
    contents["pytorch_model.bin"] = (tmp_path / "pytorch_model.bin").read_bytes()
    refused = install()
    assert refused.code == 2
    assert "--allow-pickle pytorch_model.bin" in refused.said
    assert not mirror.asked
    done = install("mine", "--from", f"hf:{REPO}", "--allow-pickle", "pytorch_model.bin")
    assert done.code == 0, done.said
    converted = load_file(paths.modules() / "mine" / "model.safetensors")
    assert converted.keys() == tensors.keys()
    assert all(torch.equal(converted[name], tensors[name]) for name in tensors)
    assert not list(paths.home().rglob("*.bin"))


def test_a_pickle_that_runs_code_is_refused_when_allowed_too(install, contents, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    del contents["model.safetensors"]
    contents["pytorch_model.bin"] = pickle.dumps({"weight": Evil()})
    done = install("mine", "--from", f"hf:{REPO}", "--allow-pickle", "pytorch_model.bin")
    assert done.code == 2
    assert "pytorch_model.bin was refused" in done.said
    assert not (tmp_path / "ran").exists()
    assert not (paths.modules() / "mine").exists()


def test_offline_takes_what_other_programs_left_in_the_cache_of_hugging_face(install, mirror, contents, tmp_path):
    blobs = tmp_path / "hf" / "hub" / "models--someone--encoder"
    for name, data in contents.items():
        if "/" in name:
            continue
        digest = hashlib.sha256(data).hexdigest()
        (blobs / "blobs").mkdir(parents=True, exist_ok=True)
        (blobs / "blobs" / digest).write_bytes(data)
        link = blobs / "snapshots" / COMMIT / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../blobs/{digest}")
    (blobs / "refs").mkdir()
    (blobs / "refs" / "main").write_text(COMMIT)
    done = install(offline=True)
    assert done.code == 0, done.said
    assert not mirror.asked
    assert store.locate(f"hf:{REPO}").version == COMMIT


def test_a_mirror_leads_to_no_folder_outside_of_ours(install, mirror, contents, tmp_path):
    mirror.commit = "/../../evil"
    done = install()
    assert done.code == 2
    assert "calls the commit" in done.said
    mirror.commit = COMMIT
    contents |= {"../evil.json": b"{}", "..\\evil.json": b"{}", "a/evil.json": b"{}"}
    assert install().code == 0
    assert not list(paths.home().rglob("*evil*"))


def test_no_network_lists_the_ways_in_and_leaves_nothing(install):
    done = install("ernie", endpoint="http://127.0.0.1:9")
    assert done.code == 2
    for way in ("cannot be fetched", "HF_ENDPOINT", "HF_HUB_OFFLINE", "--from DIR|MODULE|ARCHIVE", "minilm"):
        assert way in done.said
    assert not (paths.modules() / "ernie").exists()


def test_a_repository_that_is_not_there_is_said(install):
    done = install("hf:someone/else")
    assert done.code == 2
    assert "404" in done.said


def test_a_download_that_another_process_holds_is_left_alone():
    folder = paths.downloads() / "x@1"
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(b"12345")
    with fetch.in_use(folder):
        assert clearing.clear() == 0
        assert folder.is_dir()
    assert clearing.clear() == 5
    assert not folder.exists()


def test_installing_from_a_repository_in_this_process_stays_offline():
    with pytest.raises(ModuleError, match="offline mode is enabled"):
        store.install(f"hf:{REPO}")


def test_an_image_network_comes_with_what_prepares_its_pictures(tmp_path, online):
    saved(tmp_path / "vit", "vit")
    files = {path.name: path.read_bytes() for path in (tmp_path / "vit").iterdir()}
    with serving("someone/vit", files) as running:
        online(running.endpoint)
        module = hub.Module(name="hf:someone/vit")
    assert isinstance(module, TransformersImageModule)
    assert module.preprocess == hub.Module(directory=tmp_path / "vit").preprocess
    assert module.source_labels == ["ant", "bee", "wasp", "fly"]
    assert store.find("hf:someone/vit").family == "transformers_image"
