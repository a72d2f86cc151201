"""Makes a Whisper of random weights in CTranslate2's form and lets the recogniser listen with it, in an
environment that has faster-whisper: python tiny_whisper.py FOLDER. Prints what it heard as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from ctranslate2.converters.transformers import TransformersConverter
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (GenerationConfig, PreTrainedTokenizerFast, WhisperConfig,
                          WhisperFeatureExtractor, WhisperForConditionalGeneration)

from daemon.background.recognisers import WhisperRecogniser
from models.scenarios import voices

SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
           "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]


def make(folder: Path) -> None:
    """The model as Hugging Face keeps it."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator([], trainers.BpeTrainer(
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    words.add_special_tokens(SPECIAL)
    words.add_tokens([AddedToken(f"<|{n * 0.02:.2f}|>", special=False, normalized=False)
                      for n in range(1501)])
    end, start = (words.token_to_id(t) for t in SPECIAL[:2])
    torch.manual_seed(0)
    WhisperForConditionalGeneration(WhisperConfig(
        vocab_size=words.get_vocab_size(), d_model=32, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, decoder_start_token_id=start, eos_token_id=end, pad_token_id=end,
        bos_token_id=end, suppress_tokens=[], begin_suppress_tokens=[end],
    )).save_pretrained(folder)
    GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=end,
        no_timestamps_token_id=words.token_to_id("<|notimestamps|>"), alignment_heads=[[0, 0]],
        lang_to_id={"<|en|>": words.token_to_id("<|en|>")},
    ).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|endoftext|>",
                            bos_token="<|endoftext|>").save_pretrained(folder)


if __name__ == "__main__":
    original, converted = Path(sys.argv[1]) / "hf", Path(sys.argv[1]) / "ct2"
    make(original)
    TransformersConverter(str(original), copy_files=[
        "tokenizer.json", "preprocessor_config.json"]).convert(str(converted))
    spoken = voices.espeak().speak("what torque for a bolt".split(), "m1").pcm
    heard = WhisperRecogniser(converted).hear(np.concatenate([
        np.zeros(16_000, np.int16), spoken, np.zeros(8_000, np.int16)]))
    print(json.dumps({"text": heard.text, "terms": len(heard.terms)}))
