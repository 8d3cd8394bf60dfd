"""Ids as other libraries compute them, without the padding, for the profiles that siglip.cpp knows."""
import warnings

import sentencepiece
from tokenizers import Tokenizer, normalizers

# The profile, and the folder of data/goldens/tokenizers that it is tried on.
PROFILES = {"hf_v1-english": "english", "hf_v1": "multilingual", "big_vision": "multilingual", "siglip2": "gemma", "siglip2-cased": "gemma"}


def with_transformers(folder):
    import transformers

    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    tokenizer = transformers.SiglipTokenizer.from_pretrained(folder)
    return lambda text: tokenizer(text, padding="max_length", truncation=True)["input_ids"]


def with_sentencepiece(folder, context=64):
    """big_vision: ASCII letters lowered, the model as it is, sticky </s>, padded with it. Takes str or bytes."""
    model = sentencepiece.SentencePieceProcessor(model_file=folder + "/spiece.model")

    def ids(text):
        lowered = (text if isinstance(text, bytes) else text.encode()).lower()  # bytes.lower() changes ASCII letters alone
        return (model.encode(lowered)[:context - 1] + [1] * context)[:context]

    return ids


def with_tokenizers(folder, lower, context=64):
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    if lower:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), tokenizer.normalizer])
    tokenizer.enable_truncation(context)
    tokenizer.enable_padding(length=context, pad_id=0, pad_token="<pad>")
    return lambda text: tokenizer.encode(text).ids


def encoder(profile, folder):
    """A function from a text to its T ids."""
    if profile.startswith("hf_v1"):
        return with_transformers(folder)
    return with_sentencepiece(folder) if profile == "big_vision" else with_tokenizers(folder, profile == "siglip2")


def ids_of(profile, folder, texts):
    """Rows without their padding; v1 pads with its end token, of which one stays."""
    encode, pad = encoder(profile, folder), 0 if profile.startswith("siglip2") else 1
    rows = []
    for text in texts:
        row = encode(text)
        while len(row) > 1 and row[-1] == pad == row[-2] or row[-1] == 0 == pad:
            row.pop()
        rows.append(row)
    return rows
