"""The architectures, and which forms of each are exported."""

from . import attention, chat, decoder, fusion, speech, text, vision

RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        vision.clip_b32,
        vision.vit_b16,
        text.clip_text,
        text.bert_base,
        text.minilm_l6,
        decoder.qwen2_decode,
        decoder.qwen2_prefill,
        chat.qwen2_chat,
        chat.gpt2_chat,
        vision.resnet50,
        vision.mobilenetv3,
        vision.convnext_t,
        vision.swin_t,
        vision.siglip_b16,
        speech.whisper_enc,
        speech.whisper_step,
        speech.wav2vec2,
        vision.clip_l14,
        fusion.llava_proj,
        fusion.llava_prefill,
        vision.clip_b32_b8,
        vision.vit_b16_b8,
        vision.vit_l16_384,
        fusion.blip_fusion,
        fusion.vilt,
        fusion.vilt_fusion,
        speech.w2v2_conformer,
        vision.qwen2vl_vision,
    )
}

# torch.export cannot trace these (data-dependent shapes, a view of a strided tensor): TorchScript only.
NOT_DYNAMO = {"w2v2_conformer", "qwen2vl_vision"}
LEGACY = {"clip_b32", "bert_base", "swin_t", "qwen2_decode", "vilt"} | NOT_DYNAMO
DYNAMIC = {
    "clip_b32",
    "vit_b16",
    "clip_text",
    "bert_base",
    "qwen2_decode",
    "qwen2_prefill",
    "resnet50",
    "swin_t",
    "whisper_step",
    "wav2vec2",
    "llava_proj",
}
# Any number of tokens on any past is what these are about.
DYNAMIC_ONLY = {"qwen2_chat", "gpt2_chat"}
LEGACY_DYNAMIC = {"clip_b32", "bert_base", "swin_t", "qwen2_decode"}
# The .dyn forms have other batch sizes; models/prune has a small LLaVA.
FULL_ONLY = {"clip_b32_b8", "vit_b16_b8", "vit_l16_384", "llava_prefill"}
OPSET_23 = {"clip_b32", "bert_base", "qwen2_decode", "swin_t"}


def variants(name: str) -> list[str]:
    """The forms of one architecture; a form's file is <name> plus the suffix given here."""
    found = [] if name in NOT_DYNAMO | DYNAMIC_ONLY else [""]
    found += [".dyn"] if name in DYNAMIC | DYNAMIC_ONLY else []
    found += [".op23"] if name in OPSET_23 else []
    found += [".legacy"] if name in LEGACY else []
    return found + ([".legacy.dyn"] if name in LEGACY_DYNAMIC else [])


# Forms of attention, and heads: models/attention, by the exports that each is written as.
ATTENTION = {
    "div_where": [".legacy", ".dyn"],
    "mul_add": [".legacy"],
    "keys_filled": [""],
    "folded_add": [""],
    "sdpa_grouped": [".dyn", ".op23"],
    "interleaved_mqa": ["", ".legacy"],
    "gpt2_eager": [""],
    "gptj_eager": [""],
    "phi_eager": [""],
    "phi3_sdpa": [""],
    "mistral_sdpa": [".dyn"],
    "mistral_eager": [".legacy"],
    "gemma2_eager": [""],
    "qwen2vl_text": ["", ".op23"],
    "bloom_alibi": [".dyn"],
    "mpt_alibi": [""],
    "t5_bias": ["", ".dyn"],
    "beit_bias": [""],
    "sam_vision": [""],
    "gated_cross": [".legacy", ".dyn"],
    "flamingo_cross": [""],
    "contrast_norm": [".dyn"],
    "contrast_clamped": [""],
    "retrieval": [".dyn"],
    "space_time": [".dyn"],
}
