"""Image tokens before a decoder, and what is left of them, in plain PyTorch: the judge of the compiler's pass.

A projector's output stands before or among the text; of its tokens `keep` go on, at their own positions. Which: those
that are least alike, by greedy max-min diversity (Alvar et al., DivPrune, 2025), written here with loops.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .case import Case, image, normal, seeded, token_ids

VOCABULARY, WIDTH, SIDE, PATCH = 200, 48, 64, 16
PATCHES = (SIDE // PATCH) ** 2


@dataclass
class Pruning:
    keep: int
    map: torch.Tensor | None = None  # [batch, keep], places among the image tokens
    margin: float = float("inf")  # the closest decision between two different choices

    def choose(self, tokens: torch.Tensor) -> torch.Tensor:
        """Places [batch, keep] of image tokens [batch, tokens, dim], ascending; also kept as `map`."""
        self.map = torch.stack([self.places(x) for x in tokens])
        return self.map

    def places(self, tokens: torch.Tensor) -> torch.Tensor:
        similarity = F.normalize(tokens, dim=-1) @ F.normalize(tokens, dim=-1).T
        everyone = range(len(tokens))
        chosen = []
        while len(chosen) < self.keep:
            nearest = {
                i: max(similarity[i, j].item() for j in (chosen or everyone) if j != i)
                for i in everyone
                if i not in chosen
            }
            order = sorted(nearest, key=lambda i: (nearest[i], i))
            if len(order) > 1:
                self.margin = min(self.margin, nearest[order[1]] - nearest[order[0]])
            chosen.append(order[0])
        return torch.tensor(sorted(chosen))

    def take(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.gather(1, self.choose(tokens)[:, :, None].expand(-1, -1, tokens.shape[2]))


def vision_tower() -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    return CLIPVisionModel(CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, **sizes))


class ImageTokens(nn.Module):
    """Pixels to tokens as the decoder's width wants them: a vision tower without its class token, and LLaVA's projector."""

    def __init__(self):
        super().__init__()
        self.tower = vision_tower()
        self.projector = nn.Sequential(nn.Linear(32, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, pixel_values):
        return self.projector(self.tower(pixel_values).last_hidden_state[:, 1:])


class ImageFirst(nn.Module):
    """[image tokens, text], rotary positions, the last token's logits."""

    def __init__(self):
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = dict(hidden_size=WIDTH, intermediate_size=96, num_hidden_layers=2)
        heads = dict(num_attention_heads=4, num_key_value_heads=2)
        self.decoder = LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, **sizes, **heads))

    def forward(self, input_ids, image_embeds):
        text = self.decoder.get_input_embeddings()(input_ids)
        x = torch.cat((image_embeds, text), dim=1)
        return self.decoder(inputs_embeds=x, logits_to_keep=1, use_cache=False).logits

    def pruned(self, input_ids, image_embeds, pruning: Pruning):
        text = self.decoder.get_input_embeddings()(input_ids)
        x = torch.cat((pruning.take(image_embeds), text), dim=1)
        after = image_embeds.shape[1] + torch.arange(text.shape[1]).expand(len(text), -1)
        positions = torch.cat((pruning.map, after), dim=1)
        # Without a mask, gaps between positions would be taken for the borders of packed sequences.
        mask = torch.ones_like(positions)
        return self.decoder(
            inputs_embeds=x, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False
        ).logits


class ImageAmongText(nn.Module):
    """[three tokens, image tokens, text] with padding, a table of positions, every token's logits."""

    def __init__(self):
        super().__init__()
        from transformers import GPT2Config, GPT2LMHeadModel

        self.decoder = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=2, n_head=3, n_positions=64))

    def join(self, input_ids, image_embeds):
        text = self.decoder.get_input_embeddings()(input_ids)
        return torch.cat((text[:, :3], image_embeds, text[:, 3:]), dim=1)

    def forward(self, input_ids, image_embeds, attention_mask):
        x = self.join(input_ids, image_embeds)
        return self.decoder(inputs_embeds=x, attention_mask=attention_mask, use_cache=False).logits

    def pruned(self, input_ids, image_embeds, attention_mask, pruning: Pruning):
        x = self.join(input_ids, pruning.take(image_embeds))
        before = torch.arange(3).expand(len(x), -1)
        after = 3 + image_embeds.shape[1] + torch.arange(input_ids.shape[1] - 3).expand(len(x), -1)
        positions = torch.cat((before, 3 + pruning.map, after), dim=1)
        mask = attention_mask.gather(1, positions)
        return self.decoder(inputs_embeds=x, attention_mask=mask, position_ids=positions, use_cache=False).logits


class ImageBeside(nn.Module):
    """Text that attends to image tokens in every layer."""

    def __init__(self):
        super().__init__()
        from transformers import BlipTextConfig
        from transformers.models.blip.modeling_blip_text import BlipTextModel

        sizes = dict(hidden_size=WIDTH, encoder_hidden_size=WIDTH, intermediate_size=96)
        layers = dict(num_hidden_layers=2, num_attention_heads=4, vocab_size=VOCABULARY)
        self.decoder = BlipTextModel(BlipTextConfig(**sizes, **layers), add_pooling_layer=False)

    def forward(self, input_ids, image_embeds):
        return self.decoder(input_ids, encoder_hidden_states=image_embeds, is_decoder=False).last_hidden_state

    def pruned(self, input_ids, image_embeds, pruning: Pruning):
        return self(input_ids, pruning.take(image_embeds))


class Whole(nn.Module):
    """Pixels and text in, as one export."""

    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.image, self.decoder = ImageTokens(), decoder

    def forward(self, pixel_values, input_ids, *more):
        return self.decoder(input_ids, self.image(pixel_values), *more)

    def pruned(self, pixel_values, input_ids, *more):
        return self.decoder.pruned(input_ids, self.image(pixel_values), *more)


def texts(batch: int, count: int) -> torch.Tensor:
    return token_ids(batch * count, VOCABULARY).reshape(batch, count)


def padded(count: int) -> torch.Tensor:
    """Two tokens of the image and the last but one of the text are padding; every token attends at least to itself."""
    mask = torch.ones(1, PATCHES + count, dtype=torch.int64)
    mask[0, 5:7] = mask[0, -2] = 0
    return mask


# Model: how it is made, its feeds for so many text tokens, its output, which sizes of text, and how many tokens stay.
MODELS = {
    "llava": (lambda: Whole(ImageFirst()), lambda n: dict(pixel_values=image(2, SIDE), input_ids=texts(2, n)),
              "logits", (5, 9), (4, 11)),
    "llava_among": (lambda: Whole(ImageAmongText()),
                    lambda n: dict(pixel_values=image(1, SIDE), input_ids=texts(1, n), attention_mask=padded(n)),
                    "logits", (8,), (6,)),
    "blip": (ImageBeside, lambda n: dict(input_ids=texts(1, n), image_embeds=normal(1, PATCHES + 1, WIDTH)),
             "last_hidden_state", (7,), (5,)),
}  # fmt: skip


def case(name: str, seed: int) -> Case:
    make, feeds, output, sizes, _ = MODELS[name]
    torch.manual_seed(0)
    dynamic = dict(pixel_values=None, input_ids={1: torch.export.Dim("text", max=64)}) if len(sizes) > 1 else {}
    return Case(seeded(make(), seed), feeds, [output], size=sizes[0], dynamic=dynamic)
