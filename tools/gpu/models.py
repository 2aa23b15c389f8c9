"""The full-size models of the benchmark. Weights come from seeds, the modules from transformers, which that machine has."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))

# Most wanted first: the clock may stop the rest.
NAMES = {
    "bert_base": "BERT-base, 128 tokens",
    "vit_b16": "ViT-B/16, batch 1",
    "vit_b16_b32": "ViT-B/16, batch 32",
    "minilm_l6": "MiniLM-L6, 128 tokens",
    "clip_b32": "CLIP B/32's image tower, batch 1",
    "whisper_enc": "Whisper base's encoder, 30 s",
}
# To try the benchmark itself, on the driver whose GPU is the CPU (test/runtime/cuda); only by name.
SMALL = {"bert_tiny": "BERT, two narrow layers"}
LABELS = NAMES | SMALL


def vit(batch: int):
    """models/recipes has timm's, which that machine lacks; this is the same architecture from transformers."""
    from recipes.case import Case, image, seeded
    from torch import nn
    from transformers import ViTConfig, ViTForImageClassification

    class Logits(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model(pixel_values=pixel_values).logits

    model = seeded(ViTForImageClassification(ViTConfig(num_labels=1000)))
    return Case(Logits(model), lambda n: dict(pixel_values=image(n, 224)), ["logits"], size=batch)


def case(name: str):
    import torch

    torch.manual_seed(0)
    if name.startswith("vit_b16"):
        return vit(32 if name.endswith("_b32") else 1)
    from recipes import RECIPES

    if name == "bert_tiny":
        return RECIPES["bert_base"](True)
    return RECIPES[name](False)
