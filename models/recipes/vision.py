"""Image towers and classifiers."""

import torch
from torch import nn

from .case import Case, batch_axis, image, normal, seeded

NARROW = dict(hidden_size=24, intermediate_size=72, num_hidden_layers=2, num_attention_heads=3)


class ClipImage(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values=pixel_values).image_embeds


class SiglipImage(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        out = self.model(pixel_values=pixel_values)
        return out.last_hidden_state, out.pooler_output


class QwenVlImage(nn.Module):
    """The vision tower on one image whose patch grid is fixed."""

    def __init__(self, model, grid):
        super().__init__()
        self.model, self.grid = model, grid

    def forward(self, pixel_values):
        grid = torch.tensor([[1, self.grid, self.grid]])
        return self.model(pixel_values, grid_thw=grid).pooler_output


def clip_image(tiny, batch, **sizes):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = dict(image_size=224, **sizes)
    if tiny:
        config |= NARROW | dict(projection_dim=24, image_size=3 * config["patch_size"])
    model = seeded(CLIPVisionModelWithProjection(CLIPVisionConfig(**config)))
    return Case(
        ClipImage(model),
        lambda n: dict(pixel_values=image(n, config["image_size"])),
        ["image_embeds"],
        size=batch,
        other_size=2 if tiny else 3,
        dynamic=batch_axis(),
    )


def clip_b32(tiny, batch=1):
    return clip_image(tiny, batch, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                      num_attention_heads=12, patch_size=32, projection_dim=512)  # fmt: skip


def clip_b32_b8(tiny):
    return clip_b32(tiny, 8)


def clip_l14(tiny):
    return clip_image(tiny, 1, hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                      num_attention_heads=16, patch_size=14, projection_dim=768)  # fmt: skip


def timm_classifier(name, tiny, small, batch=1):
    import timm

    torch.manual_seed(0)
    model = seeded(timm.create_model(name, pretrained=False, **(small if tiny else {})))
    side = small.get("img_size", 64) if tiny else model.default_cfg["input_size"][-1]
    return Case(
        model,
        lambda n: dict(pixel_values=image(n, side)),
        ["logits"],
        size=batch,
        dynamic=batch_axis(),
    )


def vit_b16(tiny, batch=1):
    small = dict(img_size=64, embed_dim=48, depth=2, num_heads=3, num_classes=10)
    return timm_classifier("vit_base_patch16_224", tiny, small, batch)


def vit_b16_b8(tiny):
    return vit_b16(tiny, 8)


def vit_l16_384(tiny):
    small = dict(img_size=96, embed_dim=48, depth=2, num_heads=3, num_classes=10)
    return timm_classifier("vit_large_patch16_384", tiny, small)


def swin_t(tiny):
    # 56 / 4 = 14 patches a side: 2x2 windows of 7, which shift; after merging a single one, which does not.
    small = dict(img_size=56, embed_dim=16, depths=(2, 2), num_heads=(2, 4), num_classes=10)
    return timm_classifier("swin_tiny_patch4_window7_224", tiny, small)


def convnext_t(tiny):
    small = dict(depths=(1, 1, 2, 1), dims=(16, 24, 32, 48), num_classes=10)
    return timm_classifier("convnext_tiny", tiny, small)


def resnet50(tiny):
    small = dict(num_classes=10, channels=(8, 16, 24, 32))
    return timm_classifier("resnet10t" if tiny else "resnet50", tiny, small)


def mobilenetv3(tiny):
    if not tiny:
        return timm_classifier("mobilenetv3_large_100", tiny, {})
    case = timm_classifier("mobilenetv3_small_050", tiny, dict(num_classes=10))
    # The head has three quarters of the weights at any width multiplier.
    case.module.conv_head = nn.Conv2d(case.module.conv_head.in_channels, 96, 1)
    case.module.classifier = nn.Linear(96, 10)
    seeded(case.module)
    return case


def siglip_b16(tiny):
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                  num_attention_heads=12, patch_size=16, image_size=224)  # fmt: skip
    if tiny:
        config |= NARROW | dict(hidden_size=48, num_attention_heads=4, image_size=64)
    model = seeded(SiglipVisionModel(SiglipVisionConfig(**config)))
    return Case(
        SiglipImage(model),
        lambda n: dict(pixel_values=image(n, config["image_size"])),
        ["last_hidden_state", "pooler_output"],
        dynamic=batch_axis(),
    )


def qwen2vl_vision(tiny):
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

    config = dict(depth=32, embed_dim=1280, hidden_size=1536, num_heads=16)
    if tiny:
        config |= dict(depth=2, embed_dim=32, hidden_size=48, num_heads=2)
    grid = 4 if tiny else 16
    patch = 3 * 2 * 14 * 14  # channels x frames x height x width, flattened by the processor
    model = seeded(Qwen2VisionTransformerPretrainedModel(Qwen2VLVisionConfig(**config)))
    return Case(
        QwenVlImage(model, grid),
        lambda n: dict(pixel_values=normal(grid * grid, patch)),
        ["image_embeds"],
    )
