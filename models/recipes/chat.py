"""Decoders as a conversation runs them: any number of tokens on top of a cache of any length, for a batch."""

import torch
from torch import nn

from . import kv_cache
from .case import Case, cache_names, seeded
from .decoder import qwen2


class Turn(nn.Module):
    """Some tokens on top of a cache, with the logits of all of them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, past: list[torch.Tensor]):
        out = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=kv_cache.from_flat(past),
            use_cache=True,
        )
        return out.logits, *kv_cache.to_flat(out.past_key_values)


def case(model, layers: int, heads: int, width: int, vocabulary: int) -> Case:
    batch, tokens = 2, 3

    def feeds(past):
        rng = torch.Generator().manual_seed(5)
        return dict(
            input_ids=torch.randint(3, vocabulary - 1, (batch, tokens), generator=rng),
            attention_mask=torch.ones(batch, past + tokens, dtype=torch.int64),
            position_ids=torch.arange(past, past + tokens)[None].repeat(batch, 1),
            past=[torch.randn(batch, heads, past, width, generator=rng) for _ in range(2 * layers)],
        )

    rows, seq, past = (torch.export.Dim(name) for name in ("batch", "seq", "past"))
    return Case(
        Turn(model),
        feeds,
        ["logits", *cache_names("present", layers)],
        size=7,
        other_size=70,
        dynamic=dict(
            input_ids={0: rows, 1: seq},
            # past + seq, for which torch.export has no name.
            attention_mask={0: rows, 1: torch.export.Dim.DYNAMIC},
            position_ids={0: rows, 1: seq},
            past={0: rows, 2: past},
        ),
    )


def qwen2_chat(tiny):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    if not tiny:
        return case(*qwen2(False))
    config = dict(vocab_size=100, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=6,
                  num_key_value_heads=2, tie_word_embeddings=True)  # fmt: skip
    return case(seeded(Qwen2ForCausalLM(Qwen2Config(**config))), 2, 2, 8, config["vocab_size"])


def gpt2_chat(tiny):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = dict(vocab_size=50257, n_embd=768, n_layer=12, n_head=12, n_positions=1024)
    if tiny:
        config = dict(vocab_size=100, n_embd=24, n_layer=2, n_head=2, n_positions=256)
    model = seeded(GPT2LMHeadModel(GPT2Config(**config)))
    return case(model, config["n_layer"], config["n_head"], config["n_embd"] // config["n_head"], config["vocab_size"])
