"""Language model decoders with an explicit key/value cache."""

import torch
from torch import nn

from . import kv_cache
from .case import Case, cache_names, seeded, token_ids


class Prefill(nn.Module):
    """Prompt to the logits of its last token and the cache of all of it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids):
        out = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits, *kv_cache.to_flat(out.past_key_values)


class Step(nn.Module):
    """One token on top of a cache."""

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
            logits_to_keep=1,
        )
        return out.logits, *kv_cache.to_flat(out.past_key_values)


def qwen2(tiny):
    """Qwen2-0.5B: (seeded model, layers, key/value heads, head width, vocabulary)."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = dict(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                  num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32768,
                  rope_parameters=dict(rope_type="default", rope_theta=1e6),
                  tie_word_embeddings=True, rms_norm_eps=1e-6)  # fmt: skip
    if tiny:
        config |= dict(vocab_size=200, hidden_size=64, intermediate_size=112, num_hidden_layers=2,
                       num_attention_heads=4, num_key_value_heads=2)  # fmt: skip
    model = seeded(Qwen2ForCausalLM(Qwen2Config(**config)))
    width = config["hidden_size"] // config["num_attention_heads"]
    return model, config["num_hidden_layers"], config["num_key_value_heads"], width, config["vocab_size"]


def qwen2_prefill(tiny):
    model, layers, _, _, vocabulary = qwen2(tiny)

    def feeds(length):
        return dict(
            input_ids=token_ids(length, vocabulary),
            attention_mask=torch.ones(1, length, dtype=torch.int64),
            position_ids=torch.arange(length)[None],
        )

    seq = {1: torch.export.Dim("seq", min=2, max=4096)}
    return Case(
        Prefill(model),
        feeds,
        ["logits", *cache_names("present", layers)],
        size=8 if tiny else 128,
        other_size=13,
        dynamic=dict(input_ids=seq, attention_mask=seq, position_ids=seq),
    )


def qwen2_decode(tiny):
    model, layers, heads, width, vocabulary = qwen2(tiny)

    def feeds(past):
        return dict(
            input_ids=token_ids(1, vocabulary),
            attention_mask=torch.ones(1, past + 1, dtype=torch.int64),
            position_ids=torch.tensor([[past]]),
            past=kv_cache.random_flat(layers, heads, past, width, seed=4),
        )

    past = torch.export.Dim("past", min=2, max=4096)
    return Case(
        Step(model),
        feeds,
        ["logits", *cache_names("present", layers)],
        size=12 if tiny else 512,
        other_size=29,
        dynamic=dict(attention_mask={1: past + 1}, past={2: past}),
    )
