"""Makes a language model of some 30,000 weights that has learned one sentence, in the environment of
the server that serves it: python tiny_language_model.py FOLDER SENTENCE."""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

WINDOW = 16
"""It looks no further back, so that a long prompt is like the short ones that it was taught with."""
TEMPLATE = ("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
            "assistant: ")


def tokenizer() -> PreTrainedTokenizerFast:
    """Single bytes: any text can be written."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator([], trainers.BpeTrainer(
        special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    found = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")
    found.chat_template = TEMPLATE
    return found


def train(net: MistralForCausalLM, said: list[int], steps: int = 400) -> float:
    """Teach it that `said` follows whatever came before; the last loss."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3)
    loss = torch.zeros(())
    for _ in range(steps):
        before = torch.randint(2, net.config.vocab_size, (16, 24))
        rows = torch.cat([before, torch.tensor(said).expand(16, -1)], dim=1)
        labels = rows.clone()
        labels[:, :-len(said) + PROMPT] = -100
        loss = net(rows, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return loss.item()


if __name__ == "__main__":
    folder, sentence = Path(sys.argv[1]), sys.argv[2]
    torch.manual_seed(1)
    words = tokenizer()
    prompt = words.encode("assistant: ", add_special_tokens=False)
    PROMPT = len(prompt)
    answer = words.encode(sentence, add_special_tokens=False)
    net = MistralForCausalLM(MistralConfig(
        vocab_size=len(words), hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=16_384, sliding_window=WINDOW,
        bos_token_id=0, eos_token_id=1))
    print(f"loss {train(net, prompt + answer + [1]):.4f}")
    words.save_pretrained(folder)
    net.save_pretrained(folder)
