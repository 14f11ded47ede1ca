"""ARCHITECTURE.md is true: the rooms it lists are those that there are, and what it names exists."""

import re
from pathlib import Path

import pytest

import transferhub

ROOT = Path(__file__).parents[1]
SOURCE = Path(transferhub.__file__).parent
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = [span.strip() for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))]


def test_every_room_is_listed_and_every_listed_room_is_there():
    listed = set[str]()
    for row in re.findall(r"^\| `([^`|]+)` \|", PAGE, flags=re.MULTILINE):
        listed |= {name.rstrip("/") for name in row.split()}
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    files = {path.stem for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    assert listed == rooms | files


def _exists(word: str) -> bool:
    path = word.rstrip("/")
    room = path.partition("/")[0]
    if "/" in path and (SOURCE / room).exists():
        return (SOURCE / path).exists() or (SOURCE / f"{path}.py").exists()
    if (SOURCE / path).exists() or (ROOT / path).exists():
        return True
    names = re.findall(r"[A-Za-z_][\w-]*", path.replace("*", ""))
    return all(any(known.startswith(name) for known in WORDS) if "*" in path else name in WORDS for name in names)


@pytest.mark.parametrize("span", dict.fromkeys(NAMED))
def test_what_is_named_exists(span):
    words = [word for word in span.split() if not word.startswith("$") and "…" not in word]
    assert [word for word in words if not _exists(word)] == []


WORDS = {path.stem for path in SOURCE.rglob("*")} | {path.name for path in ROOT.iterdir()}
for file in [*SOURCE.rglob("*.py"), ROOT / "Makefile"]:
    WORDS |= set(re.findall(r"[A-Za-z_][\w-]*", file.read_text("utf-8")))
