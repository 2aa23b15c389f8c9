"""Attention in the forms that exporters and libraries give it, one narrow layer each.

The models are Hugging Face's own where they have the form; the rest are modules of a few lines.
"""

import torch
from torch import nn
from torch.nn import functional

from .case import Case, image, normal, seeded, token_ids

WIDTH, HEADS, TOKENS = 16, 2, 12
TEXT = dict(vocab_size=50, hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=1, num_attention_heads=HEADS,
            max_position_embeddings=64)  # fmt: skip


def right_padded(length: int) -> torch.Tensor:
    """[2, length]: one sentence whole, one that ends three tokens early."""
    mask = torch.ones(2, length, dtype=torch.int64)
    mask[1, -3:] = 0
    return mask


class Hidden(nn.Module):
    """A text model's last hidden state, without a cache."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)[0]


def text(build, uses: str = "sdpa", wrap=Hidden, **config):
    """A recipe for a text model: `build` gives its configuration's and its own class."""

    def recipe(tiny):
        configure, model = build()
        module = seeded(model(configure(**(TEXT | config), attn_implementation=uses)))
        seq = {1: torch.export.Dim("seq", min=4, max=64)}
        return Case(
            wrap(module),
            lambda n: dict(input_ids=token_ids(2 * n, 50).reshape(2, n), attention_mask=right_padded(n)),
            ["last_hidden_state"],
            size=TOKENS,
            other_size=17,
            dynamic=dict(input_ids=seq, attention_mask=seq),
        )

    return recipe


def of(name: str, model: str = "Model"):
    """The classes transformers calls <name>Config and <name><model>."""

    def build():
        import transformers

        return getattr(transformers, f"{name}Config"), getattr(transformers, f"{name}{model}")

    return build


GROUPED = dict(num_key_value_heads=1)

mistral_eager = text(of("Mistral"), "eager", sliding_window=5, head_dim=8, **GROUPED)
mistral_sdpa = text(of("Mistral"), sliding_window=5, head_dim=8, **GROUPED)
phi3_sdpa = text(of("Phi3"), sliding_window=5, pad_token_id=0, **GROUPED)
phi_eager = text(of("Phi"), "eager", partial_rotary_factor=0.5)
gemma2_eager = text(of("Gemma2"), "eager", attn_logit_softcapping=5.0, sliding_window=5, head_dim=8,
                    query_pre_attn_scalar=24, **(GROUPED | dict(num_hidden_layers=2)))  # fmt: skip
gptj_eager = text(of("GPTJ"), "eager", rotary_dim=4, n_inner=16, n_positions=64)
gpt2_eager = text(of("GPT2"), "eager", n_inner=16, n_positions=64)
bloom_alibi = text(of("Bloom"), "eager")
mpt_alibi = text(of("Mpt"), "eager", d_model=WIDTH, n_heads=HEADS, n_layers=1, max_seq_len=64, expansion_ratio=1)


class EncoderHidden(Hidden):
    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask)[0]


t5_bias = text(of("T5", "EncoderModel"), "eager", EncoderHidden, d_model=WIDTH, d_kv=8, d_ff=16, num_layers=2,
               num_heads=HEADS, relative_attention_num_buckets=8, relative_attention_max_distance=16)  # fmt: skip


class Sections(nn.Module):
    """Qwen2-VL's decoder: positions of time, height and width."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs_embeds, position_ids):
        return self.model(inputs_embeds=inputs_embeds, position_ids=position_ids, use_cache=False)[0]


def qwen2vl_text(tiny):
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLTextConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLTextModel

    rope = dict(rope_type="default", rope_theta=1e4, mrope_section=[2, 1, 1])
    config = Qwen2VLTextConfig(**(TEXT | GROUPED), rope_parameters=rope)
    positions = torch.stack([torch.arange(TOKENS), torch.arange(TOKENS) // 4, torch.arange(TOKENS) % 4])
    return Case(
        Sections(seeded(Qwen2VLTextModel(config))),
        lambda n: dict(inputs_embeds=normal(1, TOKENS, WIDTH), position_ids=positions[:, None].contiguous()),
        ["last_hidden_state"],
    )


class Image(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values)[0]


def beit_bias(tiny):
    from transformers import BeitConfig, BeitModel

    config = BeitConfig(hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=HEADS, intermediate_size=16,
                        image_size=16, patch_size=4, use_relative_position_bias=True, layer_scale_init_value=0.1,
                        attn_implementation="eager")  # fmt: skip
    return Case(Image(seeded(BeitModel(config, add_pooling_layer=False))), lambda n: dict(pixel_values=image(1, 16)),
                ["last_hidden_state"])  # fmt: skip


def sam_vision(tiny):
    """One layer of windows of 3 over a grid of 4 (padded) and one over all of it, both with decomposed positions."""
    from transformers.models.sam.configuration_sam import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    config = SamVisionConfig(hidden_size=WIDTH, output_channels=8, num_hidden_layers=2, num_attention_heads=HEADS,
                             image_size=16, patch_size=4, mlp_ratio=1.0, window_size=3, global_attn_indexes=[1],
                             attn_implementation="eager")  # fmt: skip
    return Case(Image(seeded(SamVisionEncoder(config))), lambda n: dict(pixel_values=image(1, 16)),
                ["last_hidden_state"])  # fmt: skip


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


class Plain(nn.Module):
    """Attention written out: `scale` is div, mul, keys, or folded; `mask` where, add or filled."""

    def __init__(self, scale: str, mask: str):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scale, self.mask = scale, mask

    def forward(self, x, padding):
        q, k, v = (heads(part) for part in self.qkv(x).chunk(3, -1))
        root = (WIDTH // HEADS) ** 0.5
        if self.scale == "keys":
            q, k = q / root**0.5, k * root**-0.5
        scores = q @ k.transpose(-1, -2)
        if self.scale == "div":
            scores = scores / root
        if self.scale == "mul":
            scores = scores * root**-1
        kept = padding[:, None, None] > 0
        length = x.shape[1]
        if self.mask == "where":
            causal = torch.arange(length)[None] <= torch.arange(length)[:, None]
            scores = torch.where(kept & causal, scores, torch.finfo(torch.float32).min)
        if self.mask == "add":
            scores = scores + (1.0 - kept.float()) * -10000.0
        if self.mask == "filled":
            later = torch.ones(length, length, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, float("-inf")).masked_fill(~kept, float("-inf"))
        weights = scores.softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


def masked(module):
    seq = {1: torch.export.Dim("seq", min=4, max=64)}
    return Case(
        seeded(module),
        lambda n: dict(x=normal(2, n, WIDTH), padding=right_padded(n)),
        ["y"],
        size=TOKENS,
        other_size=17,
        dynamic=dict(x=seq, padding=seq),
    )


def div_where(tiny):
    return masked(Plain("div", "where"))


def mul_add(tiny):
    return masked(Plain("mul", "add"))


def keys_filled(tiny):
    return masked(Plain("keys", "filled"))


def folded_add(tiny):
    return masked(Plain("folded", "add"))


class Interleaved(nn.Module):
    """Pairs of neighbouring channels turned as complex numbers are, angles computed; one key head for all."""

    def __init__(self):
        super().__init__()
        width = WIDTH // HEADS
        self.q, self.kv, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * width), nn.Linear(WIDTH, WIDTH)

    def turn(self, x):
        width = WIDTH // HEADS
        frequencies = 1e4 ** -(torch.arange(0, width, 2) / width)
        angles = torch.arange(x.shape[2])[:, None] * frequencies
        even, odd = x[..., ::2], x[..., 1::2]
        cos, sin = angles.cos(), angles.sin()
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def forward(self, x, padding):
        k, v = self.kv(x)[:, None].chunk(2, -1)
        q = self.turn(heads(self.q(x)))
        kept = padding[:, None, None] > 0
        k = self.turn(k).expand(-1, HEADS, -1, -1)
        y = functional.scaled_dot_product_attention(q, k, v.expand(-1, HEADS, -1, -1), attn_mask=kept)
        return self.out(y.transpose(1, 2).flatten(2))


def interleaved_mqa(tiny):
    return masked(Interleaved())


class CausalGrouped(nn.Module):
    """scaled_dot_product_attention's own causal mask and grouping."""

    def __init__(self):
        super().__init__()
        self.q, self.kv, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        k, v = (part.unflatten(-1, (1, -1)).transpose(1, 2) for part in self.kv(x).chunk(2, -1))
        y = functional.scaled_dot_product_attention(heads(self.q(x)), k, v, is_causal=True, enable_gqa=True)
        return self.out(y.transpose(1, 2).flatten(2))


def sdpa_grouped(tiny):
    seq = torch.export.Dim("seq", min=4, max=64)
    return Case(seeded(CausalGrouped()), lambda n: dict(x=normal(2, n, WIDTH)), ["y"], size=TOKENS, other_size=17,
                dynamic=dict(x={1: seq}))  # fmt: skip


class Gated(nn.Module):
    """Text attends to vision features, each of which is let through by a gate of its own."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(WIDTH, WIDTH // 4), nn.ReLU(), nn.Linear(WIDTH // 4, 1), nn.Sigmoid())
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, text, vision, padding):
        vision = vision * self.gate(vision)
        return self.attention(text, vision, vision, key_padding_mask=padding == 0, need_weights=False)[0]


def gated_cross(tiny):
    vision = {1: torch.export.Dim("vision", min=4, max=64)}
    return Case(
        seeded(Gated()),
        lambda n: dict(text=normal(2, 7, WIDTH, seed=5), vision=normal(2, n, WIDTH), padding=right_padded(n)),
        ["y"],
        size=TOKENS,
        other_size=17,
        dynamic=dict(vision=vision, padding=vision),
    )


class Flamingo(nn.Module):
    """Gated cross-attention of Alayrac et al. 2022: what is added to the text is scaled by tanh of a learned number."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.q, self.kv, self.out = (nn.Linear(WIDTH, n * WIDTH, bias=False) for n in (1, 2, 1))
        self.gate, self.feed_gate = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        self.feed = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 16), nn.GELU(), nn.Linear(16, WIDTH))

    def forward(self, text, vision):
        k, v = (heads(part) for part in self.kv(vision).chunk(2, -1))
        y = functional.scaled_dot_product_attention(heads(self.q(self.norm(text))), k, v)
        text = text + self.out(y.transpose(1, 2).flatten(2)) * self.gate.tanh()
        return text + self.feed(text) * self.feed_gate.tanh()


def flamingo_cross(tiny):
    return Case(
        seeded(Flamingo()),
        lambda n: dict(text=normal(2, 7, WIDTH, seed=5), vision=normal(2, TOKENS, WIDTH)),
        ["y"],
    )
