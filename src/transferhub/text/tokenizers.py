"""Cutting texts into words: a cutter is a function text → list of words, and what it does is in ``describe``."""

import functools
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transferhub import atomic, paths
from transferhub.errors import ConfigError, did_you_mean
from transferhub.identity import identity

Cut = Callable[[str], list[str]]

_SIGNS = re.compile(r"[.,()!?']|[^\s.,()!?';:]+")
# Han, kana, Hangul and their extensions: written without spaces.
_CHARACTER = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_A_CHARACTER = re.compile(rf"[{_CHARACTER}]")
_WORDS_AND_SIGNS = re.compile(r"[^\W_]+|[^\w\s]|_")
_WORDS_OR_CHARACTERS = re.compile(rf"[{_CHARACTER}]|[^\s{_CHARACTER}]+")


def whitespace(text: str) -> list[str]:
    """What stands between white space."""
    return text.split()


def basic_english(text: str) -> list[str]:
    r"""Torchtext's ``basic_english``: lower case, ``. , ( ) ! ? '`` are words of their own, ``" ; :`` are not read.

    >>> basic_english('Don\\'t "stop"; it\\'s <br />great!')
    ['don', "'", 't', 'stop', 'it', "'", 's', 'great', '!']
    """
    return _SIGNS.findall(text.lower().replace('"', "").replace("<br />", " "))


def characters(text: str) -> list[str]:
    """Chinese, Japanese and Korean character by character, the rest as `whitespace` has it."""
    return _WORDS_OR_CHARACTERS.findall(text)


def is_character(text: str) -> bool:
    """Whether a text is one character of those that are written without spaces: Chinese, Japanese, Korean."""
    return len(text) == 1 and _A_CHARACTER.match(text) is not None


def words_and_signs(text: str) -> list[str]:
    """What stands between white space and punctuation; each punctuation mark is a word of its own."""
    return _WORDS_AND_SIGNS.findall(text)


class Jieba:
    """Chinese words by jieba; one of its own, so that user dictionaries do not reach into others.

    Args:
        user_dicts: Files with ``word [frequency] [tag]`` a line, which go before jieba's own dictionary.

    Raises:
        ConfigError: jieba is not installed (``pip install 'transferhub[words]'``), or a dictionary cannot be read.
    """

    def __init__(self, user_dicts: Sequence[str | Path] = ()) -> None:
        self.user_dicts = [Path(each) for each in user_dicts]
        self._jieba = _jieba()
        for path in self.user_dicts:
            _check_dictionary(path)

    def __call__(self, text: str) -> list[str]:
        """The words of a text, without white space."""
        return [word for word in self._cutter.cut(text) if not word.isspace()]

    @functools.cached_property
    def _cutter(self) -> Any:
        cutter = self._jieba.Tokenizer()
        folder = paths.cache() / "jieba"  # not in /tmp, where others may put a file for it to read
        folder.mkdir(parents=True, exist_ok=True)
        cutter.tmp_dir = str(folder)
        cutter.initialize()
        for path in self.user_dicts:
            with open(path, "rb") as file:
                cutter.load_userdict(file)
        return cutter

    def describe(self) -> str:
        """What the cut depends on."""
        return " ".join([f"jieba {self._jieba.__version__}", *map(atomic.sha256, self.user_dicts)])


TOKENIZERS: dict[str, Callable[[], Cut]] = {
    "whitespace": lambda: whitespace,
    "basic_english": lambda: basic_english,
    "characters": lambda: characters,
    "words_and_signs": lambda: words_and_signs,
    "jieba": Jieba,
}


def get_tokenizer(name: str | Cut | None) -> Cut:
    """A cutter by name, one of `TOKENIZERS`; None is ``whitespace``, a function itself.

    Raises:
        ConfigError: No cutter of that name, or jieba is not installed.
    """
    if name is None:
        return whitespace
    if callable(name):
        return name
    if name not in TOKENIZERS:
        raise ConfigError(
            f"tokenizer {name!r}",
            expected=f"one of {', '.join(TOKENIZERS)}, or a function text → words",
            fix=did_you_mean(str(name), TOKENIZERS) or None,
        )
    return TOKENIZERS[name]()


def describe(cut: Cut) -> str:
    """What a cut depends on, for fingerprints: a function of the user's by its name and its code."""
    if isinstance(cut, Jieba):
        return cut.describe()
    if cut in (whitespace, basic_english, characters, words_and_signs):
        return cut.__name__
    return identity(cut)


def jieba_is_here() -> bool:
    """Whether jieba can be imported."""
    try:
        _jieba()
    except ConfigError:
        return False
    return True


def _jieba() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own: invalid escapes, pkg_resources
            import jieba
    except ImportError:
        raise ConfigError(
            "jieba is not installed, which cuts Chinese into words", fix="pip install 'transferhub[words]'"
        ) from None
    jieba.setLogLevel("WARNING")
    return jieba


def _check_dictionary(path: Path) -> None:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"the user dictionary {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not re.fullmatch(r"(.+?)( \d+)?( [a-z]+)?", line.strip(), re.IGNORECASE):
            raise ConfigError(f"{path}:{number}: {line!r:.60}", expected="word, or word frequency, or with a tag")
