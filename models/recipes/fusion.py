"""Where image and text meet: projectors and joint encoders."""

import torch
from torch import nn

from .case import Case, image, normal, seeded, token_ids
from .decoder import qwen2


class VisionText(nn.Module):
    """ViLT on an image of its own size, all of it valid.

    The stock embedding draws the order of the image tokens at random, which no graph can repeat;
    here they keep the order of the picture. Text states do not depend on it.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, pixel_values):
        embeddings = self.model.embeddings
        patches = embeddings.patch_embeddings(pixel_values).flatten(2).transpose(1, 2)
        first = embeddings.cls_token.expand(patches.shape[0], -1, -1)
        tokens = torch.cat((first, patches), dim=1) + embeddings.position_embeddings
        valid = torch.ones(tokens.shape[:2], dtype=torch.int64)
        return self.model(input_ids=input_ids, image_embeds=tokens, pixel_mask=valid).last_hidden_state


class JointEncoder(nn.Module):
    """ViLT after its patch embedding: image tokens come in as embeddings."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, image_embeds, pixel_mask):
        return self.model(input_ids=input_ids, image_embeds=image_embeds, pixel_mask=pixel_mask).last_hidden_state


class CrossAttended(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, image_embeds):
        return self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=image_embeds,
            is_decoder=False,
        ).last_hidden_state


def llava_proj(tiny):
    features, hidden, tokens = (64, 128, 16) if tiny else (1024, 4096, 576)
    module = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, hidden))
    return Case(
        seeded(module),
        lambda n: dict(image_features=normal(1, n, features)),
        ["projected"],
        size=tokens,
        other_size=23,
        dynamic=dict(image_features={1: torch.export.Dim("tokens", max=4096)}),
    )


class ImagePrompt(nn.Module):
    """LLaVA from its image features on: projector, image tokens before text, decoder; the last token's logits."""

    def __init__(self, features, decoder):
        super().__init__()
        width = decoder.config.hidden_size
        self.projector = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))
        self.decoder = decoder

    def forward(self, image_features, input_ids):
        text = self.decoder.get_input_embeddings()(input_ids)
        x = torch.cat((self.projector(image_features), text), dim=1)
        return self.decoder(inputs_embeds=x, use_cache=False, logits_to_keep=1).logits


def llava_prefill(tiny):
    """576 image tokens (CLIP L/14 at 336) and 64 of text into Qwen2-0.5B."""
    model, _, _, _, vocabulary = qwen2(tiny)
    features, tokens, text = (64, 16, 8) if tiny else (1024, 576, 64)
    return Case(
        seeded(ImagePrompt(features, model)),
        lambda n: dict(image_features=normal(1, tokens, features), input_ids=token_ids(text, vocabulary)),
        ["logits"],
    )


def vilt_model(tiny):
    from transformers import ViltConfig, ViltModel

    config = dict(vocab_size=30522, hidden_size=768, image_size=384)
    if tiny:
        config |= dict(vocab_size=200, image_size=64, patch_size=16, hidden_size=48, intermediate_size=96,
                       num_hidden_layers=2, num_attention_heads=3)  # fmt: skip
    return seeded(ViltModel(ViltConfig(**config))), config


def vilt(tiny):
    model, config = vilt_model(tiny)
    return Case(
        VisionText(model),
        lambda n: dict(
            input_ids=token_ids(8 if tiny else 40, config["vocab_size"]),
            pixel_values=image(1, config["image_size"]),
        ),
        ["last_hidden_state"],
    )


def vilt_fusion(tiny):
    model, config = vilt_model(tiny)
    patches = 16 if tiny else 144
    return Case(
        JointEncoder(model),
        lambda n: dict(
            input_ids=token_ids(8 if tiny else 40, config["vocab_size"]),
            image_embeds=normal(1, patches, config["hidden_size"]),
            pixel_mask=torch.ones(1, patches, dtype=torch.int64),
        ),
        ["last_hidden_state"],
    )


def blip_fusion(tiny):
    """A BERT-base text encoder with cross-attention to 577 image tokens in every layer."""
    from transformers import BlipTextConfig
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    config = dict(vocab_size=30524, hidden_size=768, encoder_hidden_size=768, intermediate_size=3072,
                  num_hidden_layers=12, num_attention_heads=12)  # fmt: skip
    if tiny:
        config |= dict(vocab_size=200, hidden_size=48, encoder_hidden_size=48, intermediate_size=96,
                       num_hidden_layers=2, num_attention_heads=4)  # fmt: skip
    tokens, patches = (8, 17) if tiny else (35, 577)
    return Case(
        CrossAttended(seeded(BlipTextModel(BlipTextConfig(**config), add_pooling_layer=False))),
        lambda n: dict(
            input_ids=token_ids(tokens, config["vocab_size"]),
            attention_mask=torch.ones(1, tokens, dtype=torch.int64),
            image_embeds=normal(1, patches, config["encoder_hidden_size"]),
        ),
        ["last_hidden_state"],
    )
