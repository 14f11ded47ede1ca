"""Small damages to files, drawn from a seed."""

import json
import random
from pathlib import Path

STRANGE = [None, "", "x", -1, 0, 1, 10**12, 1.5, True, [], {}, [None], "\x00", "é" * 300, "../../etc/passwd"]


def mutate(path: Path, draw: random.Random) -> str:
    """Damage a file in one of several ways, and say in which."""
    kinds = ["flip", "cut", "empty", "gone", "insert", "double", "folder"]
    if path.suffix == ".json":
        kinds += ["value", "value", "value", "drop", "drop", "other json"]
    kind = draw.choice(kinds)
    content = bytearray(path.read_bytes())
    place = draw.randrange(len(content)) if content else 0
    if kind == "flip" and content:
        for _ in range(draw.choice([1, 3, 50])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "empty":
        content.clear()
    elif kind == "insert":
        content[place:place] = draw.choice([b"\x00", b"\xff\xfe", b"\n\n", b'"', b"\xef\xbb\xbf", b"{", b"\r", b"\t,"])
    elif kind == "double":
        content = content * 2
    elif kind in ("value", "drop", "other json"):
        content = bytearray(json.dumps(_changed(json.loads(content), kind, draw)).encode())
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "gone":
        path.write_bytes(content)
    return kind


def _changed(value, kind, draw):
    if kind == "other json" or not isinstance(value, dict) or not value:
        return draw.choice(STRANGE)
    key = draw.choice(sorted(value))
    if isinstance(value[key], dict) and value[key] and draw.random() < 0.7:
        return {**value, key: _changed(value[key], kind, draw)}
    if kind == "drop":
        return {name: kept for name, kept in value.items() if name != key}
    return {**value, key: draw.choice(STRANGE)}
