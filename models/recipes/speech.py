"""Speech encoders, and the step of an encoder-decoder."""

import torch
from torch import nn

from . import kv_cache
from .case import Case, cache_names, normal, seeded, token_ids

WHISPER_BASE = dict(vocab_size=51865, d_model=512, encoder_layers=6, decoder_layers=6,
                    encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=2048,
                    decoder_ffn_dim=2048, num_mel_bins=80, max_source_positions=1500,
                    max_target_positions=448)  # fmt: skip
WHISPER_TINY = dict(vocab_size=200, d_model=48, encoder_layers=2, decoder_layers=2,
                    encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=96,
                    decoder_ffn_dim=96, max_source_positions=50, max_target_positions=32,
                    pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)  # fmt: skip
WAV2VEC2_TINY = dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                     conv_dim=(32,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)  # fmt: skip


class HiddenStates(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, features):
        return self.model(features).last_hidden_state


class WhisperStep(nn.Module):
    """One decoder token: its own cache grows, that of the encoder's output is given and constant."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, position_ids, past: list[torch.Tensor], cross: list[torch.Tensor]):
        from transformers.cache_utils import EncoderDecoderCache

        cache = EncoderDecoderCache(kv_cache.from_flat(past), kv_cache.from_flat(cross))
        cache.is_updated = {layer: True for layer in range(len(cross) // 2)}
        # The module insists on encoder states, but with the cross cache filled it never reads them.
        unread = cross[0].new_zeros(1, cross[0].shape[2], self.model.config.d_model)
        out = self.model.model.decoder(
            input_ids=input_ids,
            position_ids=position_ids,
            encoder_hidden_states=unread,
            past_key_values=cache,
            use_cache=True,
        )
        logits = self.model.proj_out(out.last_hidden_state)
        return logits, *kv_cache.to_flat(cache.self_attention_cache)


def whisper_sizes(tiny):
    return WHISPER_BASE | (WHISPER_TINY if tiny else {})


def whisper_enc(tiny):
    from transformers import WhisperConfig, WhisperModel

    config = whisper_sizes(tiny)
    frames = 2 * config["max_source_positions"]
    return Case(
        HiddenStates(seeded(WhisperModel(WhisperConfig(**config)).encoder)),
        lambda n: dict(input_features=normal(n, 80, frames)),
        ["last_hidden_state"],
    )


def whisper_step(tiny):
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = whisper_sizes(tiny)
    layers, heads = config["decoder_layers"], config["decoder_attention_heads"]
    width, source = config["d_model"] // heads, config["max_source_positions"]

    def feeds(past):
        return dict(
            input_ids=token_ids(1, config["vocab_size"]),
            position_ids=torch.tensor([[past]]),
            past=kv_cache.random_flat(layers, heads, past, width, seed=4),
            cross=kv_cache.random_flat(layers, heads, source, width, seed=5),
        )

    past = torch.export.Dim("past", min=2, max=config["max_target_positions"] - 8)
    return Case(
        WhisperStep(seeded(WhisperForConditionalGeneration(WhisperConfig(**config)))),
        feeds,
        ["logits", *cache_names("present", layers)],
        size=8 if tiny else 64,
        other_size=15,
        dynamic=dict(past={2: past}),
    )


def wav2vec2(tiny):
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Case(
        HiddenStates(seeded(Wav2Vec2Model(Wav2Vec2Config(**(WAV2VEC2_TINY if tiny else {}))))),
        lambda samples: dict(input_values=normal(1, samples)),
        ["last_hidden_state"],
        size=8000 if tiny else 64000,
        other_size=5000,
        dynamic=dict(input_values={1: torch.export.Dim("samples", min=400, max=480000)}),
    )


def w2v2_conformer(tiny):
    from transformers import Wav2Vec2ConformerConfig, Wav2Vec2ConformerModel

    config = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                  position_embeddings_type="relative", feat_extract_norm="layer", conv_bias=True,
                  hidden_act="swish")  # fmt: skip
    if tiny:
        config |= WAV2VEC2_TINY | dict(conv_depthwise_kernel_size=7)
    return Case(
        HiddenStates(seeded(Wav2Vec2ConformerModel(Wav2Vec2ConformerConfig(**config)))),
        lambda samples: dict(input_values=normal(1, samples)),
        ["last_hidden_state"],
        size=8000 if tiny else 64000,
        other_size=5000,
    )
