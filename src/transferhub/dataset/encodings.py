"""Which encoding a text file is in: UTF-8 unless its bytes say otherwise, and never a silent guess."""

import codecs
import unicodedata
from pathlib import Path

from transferhub.dataset import raw
from transferhub.errors import ConfigError, DataError
from transferhub.log import logger

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# In any Chinese text of some length these make up more than a tenth; in text of another language that happens to be
# bytes of GB 18030 (Korean's EUC-KR, say), next to nothing.
FREQUENT = frozenset("的一是了我不人在他有这个上们来到大时地为子中你说生国就那和要她出也得里后以会很好，。！")
FIX = 'save the file as UTF-8, or name its encoding: encoding="gb18030", encoding="latin-1" …'


def encoding_of(path: Path, seen: raw.Survey, given: str | None = None) -> str:
    """The encoding of a file: `given`, or told from its bytes; each byte of the file is in it.

    Raises:
        ConfigError: `given` is no text encoding.
        DataError: Bytes that are not in the encoding (with the line), NUL bytes, or no encoding that is certain enough.
    """
    if given is not None:
        return _given(path, given)
    for mark, name in BOMS:
        if seen.head.startswith(mark):
            if wrong := raw.fault(path, name):
                raise _wrong(path, wrong)
            return name
    if seen.nul is not None:
        wide = seen.head[:4000:2].count(0) + seen.head[1:4000:2].count(0) > 0.2 * len(seen.head[:4000])
        raise DataError(
            f"{path}:{seen.nul}: a NUL byte",
            expected="text",
            fix='if it is UTF-16: encoding="utf-16-le"' if wide else "check that this is a text file, and remove it",
        )
    wrong = raw.fault(path, "utf-8")
    if wrong is None:
        return "utf-8"
    text = seen.head.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken <= sum(character > "\x7f" for character in text) - broken:
        raise _wrong(path, wrong)  # mostly right UTF-8: damaged, not of another encoding
    if _looks_chinese(seen.head) and raw.fault(path, "gb18030") is None:
        return "gb18030"
    if _looks_western(seen):
        name = "cp1252" if any(0x80 <= byte < 0xA0 for byte in seen.head) else "latin-1"
        if raw.fault(path, name) is None:
            logger.warning(
                "%s: %s; read as %s, a guess from its accented letters: encoding=… names another", path, wrong, name
            )
            return name
    raise _wrong(path, wrong)


def decode(data: bytes, path: Path, encoding: str | None) -> str:
    """The text of a small file that is already read; as `encoding_of`, without the guess of western letters."""
    try:
        name = next((name for mark, name in BOMS if data.startswith(mark)), "utf-8") if encoding is None else encoding
        text = data.decode(name)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _wrong(path, raw.Fault(line, data[error.start], error.encoding)) from None
    if "\0" in text:
        raise DataError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL byte", expected="text")
    return text


def known(encoding: str) -> str:
    """An encoding's name, checked.

    Raises:
        ConfigError: Python has no such text encoding.
    """
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError):
        raise ConfigError(
            f"encoding={encoding!r}", expected='an encoding that Python knows: "utf-8", "gb18030", "latin-1" …'
        ) from None
    return encoding


def _given(path: Path, given: str) -> str:
    if wrong := raw.fault(path, known(given)):
        raise _wrong(path, wrong)
    return given


def _wrong(path: Path, fault: raw.Fault) -> DataError:
    if fault.byte == 0:
        return DataError(f"{path}:{fault.line}: a NUL byte", expected="text", fix="remove it")
    return DataError(f"{path}: {fault}", expected="one encoding from the first line to the last", fix=FIX)


def _looks_chinese(head: bytes) -> bool:
    """Whether nearly all characters past ASCII are everyday Chinese, some of the most frequent among them."""
    text = head.decode("gb18030", "ignore")
    beyond = [character for character in text if character > "\x7f"][:20000]
    codes = [character.encode("gb2312", "ignore") for character in beyond]
    everyday = sum(len(code) == 2 and (code[0] <= 0xA3 or 0xB0 <= code[0] <= 0xD7) for code in codes)
    frequent = sum(character in FREQUENT for character in beyond)
    return bool(beyond) and everyday > 0.8 * len(beyond) and (len(beyond) < 50 or frequent > 0.03 * len(beyond))


def _looks_western(seen: raw.Survey) -> bool:
    """Whether the few bytes past ASCII are accented letters inside of words."""
    if seen.high > 0.2 * seen.size:
        return False
    text = seen.head.decode("cp1252", "ignore")
    beyond = letters = 0
    for place, character in enumerate(text):
        if character > "\x7f":
            beyond += 1
            around = text[max(place - 1, 0) : place + 2].replace(character, "", 1)
            accented = character not in "ÿþÐð" and bool(unicodedata.decomposition(character)) and character.isalpha()
            letters += (accented or character in "ßæøåœÆØŒ") and any(
                near.isascii() and near.isalpha() for near in around
            )
            beyond -= character in "’‘“”–—…€«»°£§"  # stand between words, say nothing
    return bool(beyond) and letters > 0.8 * beyond
