"""Words: vocabularies, the cutting of texts, files of word vectors."""
