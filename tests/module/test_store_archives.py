import io
import stat
import tarfile
import zipfile

import pytest

import transferhub as hub
from transferhub import paths
from transferhub.errors import ModuleError
from transferhub.module import archives, clearing, store

TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def zipped(path, members, mode=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", mode) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def contents(tiny):
    return {path.name: path.read_bytes() for path in tiny.iterdir()}


@pytest.mark.parametrize("inside", ["", "encoder/", "./", "a/b/"])
@pytest.mark.parametrize("ending", [".zip", *TARS])
def test_a_module_is_installed_from_an_archive_with_or_without_a_folder_in_it(contents, tmp_path, ending, inside):
    members = {inside + name: data for name, data in contents.items()}
    members |= {inside + "run.py": b"print()", inside + "deeper/config.json": b"{}", "__MACOSX/._config.json": b"x"}
    path = tmp_path / f"mine{ending}"
    zipped(path, members) if ending == ".zip" else tarred(path, members, TARS[ending])
    installed = store.install("ernie", origin=str(path))
    assert installed.stands_for == "mine"
    here = {each.name for each in installed.folder.iterdir()}
    assert here == {*contents, "module.json", "manifest.json"}
    assert all((installed.folder / name).read_bytes() == data for name, data in contents.items())
    assert not [each for each in paths.downloads().iterdir() if each.is_dir()]


@pytest.mark.parametrize("how", ["directory", "source", "name"])
def test_an_archive_opens_without_being_installed_and_is_unpacked_once(contents, tmp_path, how, monkeypatch):
    path = zipped(tmp_path / "mine.zip", contents)
    module = hub.Module(**{how: str(path)})
    assert module.name == "mine"
    assert module.config.hidden_size == 32
    assert module.directory.is_relative_to(paths.cache())
    assert not paths.modules().exists()
    with monkeypatch.context() as patched:
        patched.setattr(archives, "unpack", None)
        assert hub.Module(directory=path).directory == module.directory
    assert clearing.clear() > sum(map(len, contents.values()))
    assert hub.Module(directory=path).directory == module.directory


def refused(path, member):
    with pytest.raises(ModuleError) as error:
        store.install("mine", origin=str(path))
    assert str(path) in str(error.value)
    assert repr(member) in str(error.value)
    assert error.value.fix
    with pytest.raises(ModuleError):
        hub.Module(directory=path)
    assert not (paths.modules() / "mine").exists()
    return str(error.value)


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize(
    "member", ["/etc/evil.json", "../evil.json", "a/../../evil.json", "..\\evil.json", "C:\\evil.json", "C:evil.json"]
)
def test_a_member_that_leads_outside_is_refused(contents, tmp_path, ending, member):
    path = tmp_path / f"evil{ending}"
    (zipped if ending == ".zip" else tarred)(path, {**contents, member: b"{}"})
    assert "leads out of the folder" in refused(path, member)
    assert not list(tmp_path.rglob("evil.json"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_in_a_tar_is_refused(contents, tmp_path, kind):
    info = tarfile.TarInfo("vocab.txt")
    info.type, info.linkname = kind, "/etc/passwd"
    del contents["vocab.txt"]
    assert "is a link or a device" in refused(tarred(tmp_path / "evil.tar", {info: b"", **contents}), "vocab.txt")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_in_a_zip_is_refused(contents, tmp_path, kind):
    info = zipfile.ZipInfo("vocab.txt")
    info.external_attr = (kind | 0o644) << 16
    del contents["vocab.txt"]
    path = zipped(tmp_path / "evil.zip", {info: b"/etc/passwd", **contents})
    assert "is a link or a device" in refused(path, "vocab.txt")


@pytest.fixture
def small(monkeypatch):
    """Bombs of test size."""
    monkeypatch.setattr(archives, "SMALL", 2**20)
    monkeypatch.setattr(archives, "CHUNK", 2**12)


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
@pytest.mark.parametrize("name", ["tokenizer.json", "not-wanted.dat"])
def test_a_bomb_is_refused_before_it_is_unpacked(small, contents, tmp_path, ending, name):
    members = {**contents, name: bytes(50 * 2**20)}
    path = tmp_path / f"bomb{ending}"
    zipped(path, members) if ending == ".zip" else tarred(path, members, TARS[ending])
    assert "a bomb" in refused(path, name)


def test_a_bomb_in_a_tars_headers_is_refused_too(small, contents, tmp_path):
    info = tarfile.TarInfo("vocab.txt")
    info.pax_headers = {"comment": "x" * 50 * 2**20}
    path = tarred(
        tmp_path / "bomb.tar.gz", {info: b"", **{k: v for k, v in contents.items() if k != "vocab.txt"}}, "w:gz"
    )
    with pytest.raises(ModuleError, match=r"bomb.tar.gz is refused.*a bomb"):
        store.install("mine", origin=str(path))


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_too_many_files_are_refused(contents, tmp_path, ending):
    members = {**contents, **{f"{number}.txt": b"" for number in range(archives.FILES)}}
    path = (zipped if ending == ".zip" else tarred)(tmp_path / f"many{ending}", members)
    last = f"{archives.FILES - len(contents)}.txt"
    assert "more than 1000 files" in refused(path, last)


def test_a_member_that_is_there_twice_is_refused(contents, tmp_path):
    path = tmp_path / "twice.tar"
    tarred(path, {**contents, tarfile.TarInfo("./Vocab.txt"): b"other"})
    assert "is there twice" in refused(path, "./Vocab.txt")


def test_a_size_that_is_not_what_the_archive_declares_is_refused(contents, tmp_path):
    path = zipped(tmp_path / "liar.zip", contents, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(b"vocab.txt")) + 24  # vocab.txt's size in the directory
    assert int.from_bytes(data[place : place + 4], "little") == len(contents["vocab.txt"])
    data[place : place + 4] = (len(contents["vocab.txt"]) - 5).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ModuleError, match=r"liar.zip(?s:.)*vocab.txt"):
        store.install("mine", origin=str(path))
    assert not (paths.modules() / "mine").exists()


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz"])
@pytest.mark.parametrize("cut", [0, 100, -200])
def test_a_damaged_archive_is_said(contents, tmp_path, ending, cut):
    path = tmp_path / f"mine{ending}"
    zipped(path, contents) if ending == ".zip" else tarred(path, contents, TARS[ending])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModuleError, match=rf"the archive \S*mine{ending} "):
        store.install("mine", origin=str(path))


def test_an_archive_without_a_module_or_with_two_is_said(contents, tmp_path):
    with pytest.raises(ModuleError, match=r"holds no module: there is no config.json"):
        store.install("mine", origin=str(zipped(tmp_path / "none.zip", {"readme.txt": b"hello"})))
    two = {f"{folder}/{name}": data for folder in "ab" for name, data in contents.items()}
    with pytest.raises(ModuleError, match=r"more than one module: a and b"):
        store.install("mine", origin=str(zipped(tmp_path / "two.zip", two)))


def test_pickles_in_an_archive_are_not_unpacked_unless_allowed(contents, tmp_path):
    contents["pytorch_model.bin"] = contents.pop("model.safetensors")
    path = zipped(tmp_path / "pickled.zip", contents)
    with pytest.raises(ModuleError, match=r"pytorch_model.bin(?s:.)*pickled.zip --allow-pickle pytorch_model.bin"):
        store.install("mine", origin=str(path))


def test_an_archive_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ModuleError, match=r"there is no folder .*none.zip"):
        hub.Module(directory=tmp_path / "none.zip")
