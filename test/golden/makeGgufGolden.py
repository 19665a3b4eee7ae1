"""Makes gguf/: tiny GGUF files and what the gguf package and transformers read in them.

    python3 test/golden/makeGgufGolden.py          needs torch, transformers, gguf, tokenizers; families/ must stand

types.gguf             a tensor of every type of numbers, of random blocks; types.json: their numbers, dequantized by the gguf package
CASE.gguf              families/CASE as llama.cpp's converter writes it: names, order of rows, norms plus one. Where transformers reads
                       the architecture, this script asserts that it finds the same weights in it
                       tinyLlamaBiased stands beside families/: biases are permuted too, and Llama 3's rope is a tensor of factors
bytes.gguf, pieces.gguf    tokenizers alone: byte-level merges, and pieces with scores and byte fallback; tokenizers.json: ids by transformers
cut-PRE.gguf           byte-level merges that reach over every border, so that the ids depend on how tokenizer.ggml.pre cuts the text
pieces-phi3.gguf       special tokens that swallow the blanks behind them, and a token that is a byte order mark
"""
import json
import pathlib
import shutil
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

HERE = pathlib.Path(__file__).parent
FAMILIES, OUT = HERE / "families", HERE / "gguf"
Q = gguf.GGMLQuantizationType
ARCHITECTURES = {
    "llamaLinear": "llama", "tinyLlamaBiased": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3",
    "phi3Long": "phi3", "olmo2": "olmo2", "gpt2": "gpt2", "gptNeox": "gptneox",
}
# Architectures that transformers does not read from GGUF files.
UNREAD = {"gemma", "olmo2", "gptNeox"}


def shift_random(rng, kind):
    """Blocks of random bytes whose scales are sane."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (4, 512 // block * size), dtype=np.uint8).reshape(-1, size)
    scale = np.frombuffer(rng.uniform(-2, 2, 2 * len(raw)).astype(np.float16).tobytes(), np.uint8).reshape(-1, 4)
    at = {Q.Q6_K: 208}.get(kind, 0)
    two = kind in (Q.Q4_1, Q.Q5_1, Q.Q4_K, Q.Q5_K)
    raw[:, at : at + (4 if two else 2)] = scale[:, : 4 if two else 2]
    return raw.reshape(4, -1)


def make_types():
    rng = np.random.default_rng(3)
    writer, expected = gguf.GGUFWriter(OUT / "types.gguf", "llama"), {}
    plain = rng.normal(size=(4, 512)).astype(np.float32)
    for name in ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "Q2_K"]:
        kind = Q[name]
        data = gguf.quants.quantize(plain, kind) if name in ("F32", "F16", "BF16") else shift_random(rng, kind)
        writer.add_tensor(name, data, raw_dtype=None if name in ("F32", "F16") else kind)
        numbers = gguf.quants.dequantize(data, kind).reshape(-1) if name != "Q2_K" else np.zeros(0)
        # every 7th number, for size; 9 digits give a float32 back
        expected[name] = [float(f"{x:.9g}") for x in numbers[::7].tolist()]
    finish(writer)
    (OUT / "types.json").write_text(json.dumps(expected) + "\n")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def permute(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


NAMES = [
    ("model.embed_tokens.", "token_embd."), ("model.norm.", "output_norm."), ("lm_head.", "output."),
    ("transformer.wte.", "token_embd."), ("transformer.wpe.", "position_embd."), ("transformer.ln_f.", "output_norm."),
    ("gpt_neox.embed_in.", "token_embd."), ("gpt_neox.final_layer_norm.", "output_norm."), ("embed_out.", "output."),
    ("model.layers.", "blk."), ("transformer.h.", "blk."), ("gpt_neox.layers.", "blk."),
    ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"), ("self_attn.qkv_proj", "attn_qkv"), ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"), ("mlp.gate_up_proj", "ffn_up"), ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"), ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"), ("input_layernorm", "attn_norm"),
    ("attn.c_attn", "attn_qkv"), ("attn.c_proj", "attn_output"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down"),
    ("ln_1", "attn_norm"), ("ln_2", "ffn_norm"), ("attention.query_key_value", "attn_qkv"),
    ("attention.dense", "attn_output"), ("mlp.dense_h_to_4h", "ffn_up"), ("mlp.dense_4h_to_h", "ffn_down"),
]


def converted(name, tensor, architecture, config):
    """A tensor's GGUF name and numbers."""
    data = tensor.float().numpy()
    heads = config.get("num_attention_heads") or config.get("n_head")
    if architecture == "llama" and "q_proj" in name:
        data = permute(data, heads)
    if architecture == "llama" and "k_proj" in name:
        data = permute(data, config["num_key_value_heads"])
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        data = data + 1
    if architecture == "gpt2" and name.endswith("weight") and any(part in name for part in ("c_attn", "c_proj", "c_fc")):
        data = np.ascontiguousarray(data.T)
    if architecture == "gptneox" and "query_key_value" in name:
        each = data.reshape(heads, 3, -1, *data.shape[1:])
        data = np.concatenate([each[:, i].reshape(-1, *data.shape[1:]) for i in range(3)])
    after = architecture in ("gemma2", "gemma3", "olmo2")
    name = name.replace("post_attention_layernorm", "post_attention_norm" if after else "ffn_norm")
    for theirs, ours in NAMES:
        name = name.replace(theirs, ours)
    return name, data


def make_case(case, architecture):
    folder = HERE / case if case == "tinyLlamaBiased" else FAMILIES / case
    config = json.loads((folder / "config.json").read_text())
    get = lambda *names: next((config[n] for n in names if config.get(n) is not None), None)
    weights = load_file(folder / "model.safetensors")
    writer = gguf.GGUFWriter(OUT / f"{case}.gguf", architecture)
    hidden, heads = get("hidden_size", "n_embd"), get("num_attention_heads", "n_head")
    rope = config.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    writer.add_context_length(get("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(hidden)
    writer.add_block_count(get("num_hidden_layers", "n_layer"))
    writer.add_feed_forward_length(get("intermediate_size", "n_inner"))
    writer.add_head_count(heads)
    if get("num_key_value_heads"):
        writer.add_head_count_kv(get("num_key_value_heads"))
    if get("head_dim"):
        writer.add_key_length(get("head_dim"))
        writer.add_value_length(get("head_dim"))
    if get("rms_norm_eps"):
        writer.add_layer_norm_rms_eps(get("rms_norm_eps"))
    else:
        writer.add_layer_norm_eps(get("layer_norm_eps", "layer_norm_epsilon"))
    theta = get("rope_theta", "rotary_emb_base") or rope.get("rope_theta")
    if theta:
        writer.add_rope_freq_base(theta)
    if get("rotary_pct"):
        writer.add_rope_dimension_count(int(get("rotary_pct") * (hidden // heads)))
        writer.add_parallel_residual(get("use_parallel_residual"))
    if get("sliding_window") and architecture in ("gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(get("sliding_window"))
    if get("attn_logit_softcapping"):
        writer.add_attn_logit_softcapping(get("attn_logit_softcapping"))
        writer.add_final_logit_softcapping(get("final_logit_softcapping"))
    scaling = get("rope_scaling") or {}
    if architecture == "gemma3" or case == "llamaLinear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    if "long_factor" in scaling:
        writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
        factor = config["max_position_embeddings"] / config["original_max_position_embeddings"]
        writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(factor) / np.log(config["original_max_position_embeddings"]))))
        writer.add_tensor("rope_factors_long.weight", np.array(scaling["long_factor"], np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(scaling["short_factor"], np.float32))
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, get("head_dim")))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    tokenizer_keys(writer, json.loads((FAMILIES / "tokenizer" / "tokenizer.json").read_text()))
    for name, tensor in weights.items():
        writer.add_tensor(*converted(name, tensor, architecture, config))
    finish(writer)
    if case in UNREAD:
        return
    given = AutoConfig.from_pretrained(folder)
    found = AutoModelForCausalLM.from_pretrained(OUT, gguf_file=f"{case}.gguf", config=given, dtype=torch.float32).state_dict()
    for name, tensor in weights.items():
        assert torch.equal(found[name], tensor.float()), f"{case}: transformers reads another {name}"
    print(f"  {case}: transformers reads the same weights")


def llama3_factors(rope, head_dim):
    """What each frequency is divided by: 1 for short waves, the factor for long ones, between them in between."""
    waves = 2 * np.pi * rope["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    smooth = np.clip((rope["original_max_position_embeddings"] / waves - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def tokenizer_keys(writer, tokenizer, pre="gpt-2", bos=True):
    vocabulary = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    if bos is not None:
        writer.add_add_bos_token(bos)


TEXTS = [
    "What is the code of the iron gate?", " two  vaults\nand a line", "<|user|>No: 5<|end|>", "", "   ", "caf\u00e9 \u2603 \U0001f510",
    "The gate's 4821.", "<s>a</s> b",
]
WORDS = ["the", "iron", "gate", "vault", "code", "of", "is", "a", "opens", "with", "no", "what", "guard"]


# The models' own tokenizer.json (Llama 3, Qwen 2): numbers of up to three digits, of one digit.
WORDS_AND_SIGNS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = {"add_prefix_space": False, "trim_offsets": True}
CUTS = {
    "gpt-2": [pre_tokenizers.ByteLevel(**BYTES)],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(**BYTES)],
    "llama-bpe": [
        pre_tokenizers.Split(Regex(WORDS_AND_SIGNS % "{1,3}"), "isolated"), pre_tokenizers.ByteLevel(use_regex=False, **BYTES)
    ],
    "qwen2": [pre_tokenizers.Split(Regex(WORDS_AND_SIGNS % ""), "isolated"), pre_tokenizers.ByteLevel(use_regex=False, **BYTES)],
}
CUT_TEXTS = [
    "In 2024 we'll pay 1234567.89 (or 10%)!!!\n\n  Then: DON'T  stop\t\there.\r\n \n x", "a1b22c333d4444 _x_ --y 5'S it'S IT's",
    "    indented\n        twice\n\n\n", "caf\u00e9 cafe\u0301 \u216b \u0664\u0665 \u4f60\u597d\u30022024\u5e74 \U0001f510\U0001f510", "x\u00a0y\u2003z\u0085 \ufeffw",
]


def make_cuts(result):
    free = Tokenizer(models.BPE())
    free.pre_tokenizer = pre_tokenizers.ByteLevel(use_regex=False, **BYTES)
    special = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    # Trained on uncut texts, so that there are merges over every border.
    free.train_from_iterator(sum(([t, t] for t in CUT_TEXTS), []), trainer)
    stored = json.loads(free.to_str())
    for name, steps in CUTS.items():
        writer = gguf.GGUFWriter(OUT / f"cut-{name}.gguf", "llama")
        plain_sizes(writer)
        tokenizer_keys(writer, stored, pre=name, bos=None)
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(1)
        finish(writer)
        right = Tokenizer.from_str(json.dumps({**stored, "model": {**stored["model"], "ignore_merges": name == "llama-bpe"}}))
        right.normalizer = normalizers.NFC() if name == "qwen2" else None
        right.pre_tokenizer = pre_tokenizers.Sequence(steps)
        if name == "llama-bpe":
            right.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
        result[f"cut-{name}"] = [
            {"text": t, "ids": right.encode(t, add_special_tokens=False).ids, "special": right.encode(t).ids} for t in CUT_TEXTS
        ]
    assert len({json.dumps(result[f"cut-{name}"]) for name in CUTS}) == len(CUTS), "the cuts do not differ"


PHI3 = ["<|endoftext|>", "<|user|>", "<|end|>", "<|assistant|>"]
PHI3_TEXTS = ["<|user|>\nthe gate<|end|>\n<|assistant|>\n", "<|endoftext|> \n the", "</s>  of <s> a", "the\ufeff gate"]


def make_tokenizers():
    result = {}
    small = ("llama", {"context_length": 64})
    writer = gguf.GGUFWriter(OUT / "bytes.gguf", small[0])
    plain_sizes(writer)
    tokenizer_keys(writer, json.loads((FAMILIES / "tokenizer" / "tokenizer.json").read_text()))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template("{{ bos_token }}{% for m in messages %}<|user|>{{ m['content'] }}<|end|>{% endfor %}")
    finish(writer)

    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    scores, types = [0.0] * len(pieces), [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    grown = sorted({"\u2581" + w[:n] for w in WORDS for n in range(1, len(w) + 1)} | {w[n : n + 2] for w in WORDS for n in range(len(w) - 1)})
    letters = ["\u2581"] + list("abcdefghijklmnopqrstuvwxyzTW?'.:0123456789")
    more = [p for p in grown if len(p) > 1] + letters
    rng = np.random.default_rng(1)
    order = rng.permutation(len(grown))
    for i, piece in enumerate(more):
        pieces.append(piece)
        types.append(gguf.TokenType.NORMAL)
        scores.append(-float(order[i] if i < len(order) else 1000 + i))
    more_special = [gguf.TokenType.CONTROL] * len(PHI3)
    for name, architecture, own, own_types in [
        ("pieces", small[0], [], []), ("pieces-phi3", "phi3", ["\ufeff"] + PHI3, [gguf.TokenType.NORMAL] + more_special)
    ]:
        writer = gguf.GGUFWriter(OUT / f"{name}.gguf", architecture)
        plain_sizes(writer)
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(pieces + own)
        writer.add_token_scores(scores + [-5000.0] * len(own))
        writer.add_token_types(types + own_types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)
        finish(writer)
    for name in ("bytes", "pieces"):
        tokenizer = AutoTokenizer.from_pretrained(OUT, gguf_file=f"{name}.gguf")
        if name == "pieces":
            # As Llama 2's and Mistral's own tokenizer.json, and llama.cpp, have it: a blank before every piece of text, also before one that
            # begins with a blank. transformers' conversion of GGUF files alone leaves that one away.
            inner = tokenizer._tokenizer
            inner.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
            inner.pre_tokenizer = None
        result[name] = [
            {"text": t, "ids": tokenizer.encode(t, add_special_tokens=False), "special": tokenizer.encode(t)} for t in TEXTS
        ]
    # Phi-3's own tokenizer_config.json has rstrip for all of its special tokens but <unk>, <s> and <|endoftext|>.
    phi3 = json.loads(inner.to_str())
    phi3["model"]["vocab"].update({token: len(pieces) + i for i, token in enumerate(["\ufeff"] + PHI3)})
    phi3 = Tokenizer.from_str(json.dumps(phi3))
    phi3.add_special_tokens([
        AddedToken(t, rstrip=t != "<|endoftext|>", normalized=False, special=True) for t in ["</s>"] + PHI3
    ])
    result["pieces-phi3"] = [
        {"text": t, "ids": phi3.encode(t, add_special_tokens=False).ids, "special": phi3.encode(t).ids} for t in PHI3_TEXTS
    ]
    make_cuts(result)
    (OUT / "tokenizers.json").write_text(json.dumps(result) + "\n")


def plain_sizes(writer):
    writer.add_context_length(64)
    writer.add_embedding_length(16)
    writer.add_block_count(2)
    writer.add_feed_forward_length(24)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    make_types()
    for case, architecture in ARCHITECTURES.items():
        print(case)
        make_case(case, architecture)
    make_tokenizers()
    print({p.name: p.stat().st_size for p in sorted(OUT.iterdir())})


if __name__ == "__main__":
    sys.exit(main())
