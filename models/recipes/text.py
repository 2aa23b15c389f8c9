"""Text encoders."""

import torch
from torch import nn

from .case import Case, seeded, token_ids


class ClipText(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model(input_ids=input_ids).text_embeds


class BertStates(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


def clip_text(tiny):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = dict(vocab_size=49408, hidden_size=512, intermediate_size=2048, num_hidden_layers=12,
                  num_attention_heads=8, max_position_embeddings=77, projection_dim=512,
                  eos_token_id=49407, bos_token_id=49406)  # fmt: skip
    if tiny:
        config |= dict(vocab_size=200, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                       num_attention_heads=4, max_position_embeddings=16, projection_dim=32,
                       eos_token_id=199, bos_token_id=198)  # fmt: skip

    def feeds(length):
        ids = token_ids(length, config["vocab_size"] - 2)
        ids[0, -3:] = config["eos_token_id"]  # the pooled position is the first of several
        return dict(input_ids=ids)

    longest = config["max_position_embeddings"]
    return Case(
        ClipText(seeded(CLIPTextModelWithProjection(CLIPTextConfig(**config)))),
        feeds,
        ["text_embeds"],
        size=longest,
        other_size=9,
        dynamic=dict(input_ids={1: torch.export.Dim("seq", min=4, max=longest)}),
    )


def bert(tiny, small, **sizes):
    from transformers import BertConfig, BertModel

    config = dict(vocab_size=30522, **sizes)
    if tiny:
        config |= dict(vocab_size=200, max_position_embeddings=64, **small)

    def feeds(length):
        mask = torch.ones(1, length, dtype=torch.int64)
        mask[0, -(-7 * length // 8) :] = 0  # padding, so that the mask shows in the output
        return dict(
            input_ids=token_ids(length, config["vocab_size"]),
            attention_mask=mask,
            token_type_ids=torch.zeros(1, length, dtype=torch.int64),
        )

    seq = {1: torch.export.Dim("seq", min=4, max=64 if tiny else 512)}
    return Case(
        BertStates(seeded(BertModel(BertConfig(**config), add_pooling_layer=False))),
        feeds,
        ["last_hidden_state"],
        size=16 if tiny else 128,
        other_size=27,
        dynamic=dict(input_ids=seq, attention_mask=seq, token_type_ids=seq),
    )


def bert_base(tiny):
    small = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
    return bert(tiny, small, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)


def minilm_l6(tiny):
    small = dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=6)
    return bert(tiny, small, hidden_size=384, intermediate_size=1536, num_hidden_layers=6, num_attention_heads=12)
