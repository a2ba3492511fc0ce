"""WordPiece, as BERT's uncased models were trained on it, in pure Python.

The encoder sees word pieces, so the pieces have to be cut exactly as they were when it was trained. A
word's pieces depend on nothing but the word, so they are remembered: on running text almost every word
is a dictionary look-up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_PRINTABLE_ASCII = re.compile(r"^[\x20-\x7e\t\n\r]*$")
_ASCII_TOKENS = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
_REMEMBERED_WORDS = 200_000
_LONGEST_WORD = 100


def words_of(text: str) -> list[str]:
    """Lower-cased words and single punctuation marks; accents stripped, CJK characters alone.

    One thing differs from BERT's own cutting: a curly apostrophe counts as a straight one.
    """
    text = text.lower().replace("’", "'")
    if _PRINTABLE_ASCII.match(text):
        return _ASCII_TOKENS.findall(text)
    words: list[str] = []
    word: list[str] = []

    def end_word() -> None:
        if word:
            words.append("".join(word))
            word.clear()

    for char in unicodedata.normalize("NFD", text):
        category = unicodedata.category(char)
        if category == "Mn":
            continue
        if char.isspace():
            end_word()
        elif category[0] == "C":
            continue
        elif category[0] == "P" or (char.isascii() and not char.isalnum()) or "\u4e00" <= char <= "\u9fff":
            end_word()
            words.append(char)
        else:
            word.append(char)
    end_word()
    return words


class WordPiece:
    """Text → piece ids, with the vocabulary's own marks for start, end and unknown."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.ids = {piece: i for i, piece in enumerate(vocabulary)}
        self.start = self._first("<s>", "[CLS]")
        self.end = self._first("</s>", "[SEP]")
        self.pad = self._first("<pad>", "[PAD]")
        self.unknown = self._first("[UNK]")
        self._pieces: dict[str, tuple[int, ...]] = {}

    def _first(self, *names: str) -> int:
        return next(self.ids[name] for name in names if name in self.ids)

    def encode(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids, the marks included; what is too long keeps its beginning and its end."""
        ids: list[int] = []
        for word in words_of(text):
            pieces = self._pieces.get(word)
            if pieces is None:
                pieces = self._cut(word)
                if len(self._pieces) < _REMEMBERED_WORDS:
                    self._pieces[word] = pieces
            ids.extend(pieces)
        room = limit - 2
        if len(ids) > room:
            ids = ids[: room - room // 3] + ids[len(ids) - room // 3 :]
        return [self.start, *ids, self.end]

    def _cut(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST_WORD:
            return (self.unknown,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.ids.get(word[start:end] if start == 0 else "##" + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return (self.unknown,)
        return tuple(pieces)
