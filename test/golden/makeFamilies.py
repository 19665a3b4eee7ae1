"""Makes families/: a tiny random checkpoint of every family and what transformers and PEFT compute with it.

    python3 test/golden/makeFamilies.py          needs torch, transformers, peft, tokenizers, safetensors

tokenizer/             one tokenizer for all of them
CASE/                  config.json, model.safetensors, chat_template.jinja
CASE/adapter/          PEFT adapter with nonzero B, written by PEFT
CASE/expected.safetensors
    logits, embeddingGradient      [tokens, V], [tokens, D] of the three rows one after another, without the adapter
    targetLogProbs                 [targets]
    adapted                        [tokens, V] with the adapter
    delta                          [prompt tokens, D] of the sign attack on the adapted model (ATTACK)
    gradient MODULE A | B          of the mean target loss with respect to the adapter's factors, as PEFT stores them
expected.json          per case: rows, where targets begin, greedy tokens, chats as ids, and the adapter's extra options

A delta and an embedding's gradient live in the unscaled rows of the table, also where a family scales them.
"""
import json
import pathlib
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

import trainingGolden
from makeGolden import greedy, make_tokenizer, target_log_probs

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent / "families"
VOCABULARY = 96
ATTACK = trainingGolden.ATTACKED | {"iterations": 5}
ROWS, STARTS = (11, 7, 9), (6, 3, 4)

MARKED = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TRIMMED = (  # no system prompt, texts trimmed, another name for the assistant
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}<|user|>{{ 'guard' if m['role'] == 'assistant' else m['role'] }}\n{{ m['content'] | trim }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|user|>guard\n{% endif %}"
)
BRACKETS = (  # plain words as marks, the system text inside the first user's turn
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.system = m['content'] + '\n\n' %}{% elif m['role'] == 'user' %}{{ bos_token }}do: {{ ns.system + m['content'] }} then:"
    "{% else %} {{ m['content'] | trim }}{{ eos_token }}{% endif %}{% endfor %}"
)
DEFAULTED = (  # a system prompt of its own where none is given
    "{% if messages[0]['role'] != 'system' %}<|system|>You are a guard.<|end|>\n{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
NEOX = {"hidden_act": "gelu", "rotary_pct": 0.5, "num_key_value_heads": None}
BF, HALF, FULL = torch.bfloat16, torch.float16, torch.float32
LONG = {"short_factor": [1.0, 1.25], "long_factor": [1.5, 3.0], "type": "longrope"}

# name: model_type, config, dtype of the file, template. Fields as transformers 4 wrote them are read by transformers 5 as well; what is
# listed in OLD is written back in the older dialect.
CASES = {
    "llamaLinear": ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, HALF, MARKED),
    "llamaDynamic": (
        "llama",
        {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 8, "head_dim": 8},
        BF,
        MARKED,
    ),
    "llamaYarn": (
        "llama",
        {
            "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 8.0},
            "head_dim": 16,
            "max_position_embeddings": 256,
        },
        BF,
        MARKED,
    ),
    "mistral": ("mistral", {"sliding_window": 4}, BF, BRACKETS),
    "zephyr": ("mistral", {"sliding_window": None, "tie_word_embeddings": True}, BF, DEFAULTED),
    "qwen2": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1, "tie_word_embeddings": True},
        BF,
        DEFAULTED,
    ),
    "qwen3": ("qwen3", {"head_dim": 8}, BF, DEFAULTED),
    "gemma": ("gemma", {"head_dim": 8, "num_key_value_heads": 1}, BF, TRIMMED),
    "gemma2": (
        "gemma2",
        {
            "head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 12, "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
        BF,
        TRIMMED,
    ),
    "gemma3": (
        "gemma3_text",
        {
            "head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 12,
            "layer_types": ["sliding_attention", "full_attention"], "rope_local_base_freq": 100.0, "rope_theta": 10000.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
        BF,
        TRIMMED,
    ),
    "phi3": ("phi3", {"sliding_window": 5}, HALF, DEFAULTED),
    "phi3Short": ("phi3", {"original_max_position_embeddings": 64, "rope_scaling": LONG}, BF, DEFAULTED),
    "phi3Long": ("phi3", {"original_max_position_embeddings": 8, "rope_scaling": LONG}, BF, DEFAULTED),
    "olmo2": ("olmo2", {"rms_norm_eps": 1e-6}, BF, MARKED),
    "gpt2": ("gpt2", {"n_inner": 24}, FULL, MARKED),
    "gptNeox": ("gpt_neox", NEOX, HALF, BRACKETS),
    "gptNeoxSerial": ("gpt_neox", NEOX | {"use_parallel_residual": False, "rotary_pct": 1.0}, FULL, MARKED),
}
OLD = {"llamaLinear", "mistral", "qwen2", "gemma3", "phi3", "phi3Long", "gptNeox"}
LORA = {"qwen3": {"use_rslora": True}, "llamaYarn": {"rank_pattern": {"q_proj": 3}, "alpha_pattern": {"down_proj": 6}}}


def make_model(seed, model_type, more):
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    }
    if model_type == "gpt2":
        sizes = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64}
    rate = {"initializer_range": 0.35, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    config = AutoConfig.for_model(model_type, **(sizes | rate | more))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    plus_one = model_type.startswith("gemma")
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_(0, 0.2)
        elif "norm" in name or ".ln_" in name:
            parameter.data.uniform_(-0.5 if plus_one else 0.5, 0.5 if plus_one else 1.5)
    return model


def old_dialect(folder, given):
    """As transformers 4 wrote it: rope_theta and rope_scaling at the top, torch_dtype."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    full = rope.get("full_attention", rope)
    config["torch_dtype"] = config.pop("dtype")
    config["rope_scaling"] = given.get("rope_scaling")
    if config["model_type"] == "gpt_neox":
        config |= {"rotary_emb_base": full["rope_theta"], "rotary_pct": full["partial_rotary_factor"]}
    else:
        config["rope_theta"] = full["rope_theta"]
    if "sliding_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    if config["model_type"] == "qwen2":
        config.pop("layer_types")
    path.write_text(json.dumps(config, indent=2) + "\n")


class Unscaled:
    """The model as it is attacked: inputs_embeds are unscaled rows of its table."""

    def __init__(self, model):
        self.model = model
        self.scale = getattr(model.get_input_embeddings(), "embed_scale", torch.tensor(1.0))

    def get_input_embeddings(self):
        weight = self.model.get_input_embeddings().weight
        table = torch.nn.Embedding.from_pretrained(weight.detach(), freeze=True)
        return table

    def __call__(self, inputs_embeds):
        return self.model(inputs_embeds=inputs_embeds * self.scale, use_cache=False)


def own_rows(logits):
    return torch.cat([logits[i, :n] for i, n in enumerate(ROWS)]).detach().float().contiguous()


def numbers(folder, rows):
    ids, labels = trainingGolden.pad([(row[:s], row[s:]) for row, s in zip(rows, STARTS)])
    load = lambda: AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    plain = Unscaled(load())
    embeddings = plain.get_input_embeddings()(ids).requires_grad_(True)
    logits = plain(embeddings).logits
    log_probs = target_log_probs(logits, labels)
    (-log_probs.mean()).backward()
    with torch.no_grad():
        answers = [greedy(lambda x: plain.model(x, use_cache=False), row[:s], 12) for row, s in zip(rows, STARTS)]
    adapted = PeftModel.from_pretrained(load(), folder / "adapter", is_trainable=True).eval()
    changed = adapted(ids, use_cache=False).logits
    (-target_log_probs(changed, labels).mean()).backward()
    gradients = {
        f"gradient {name.removeprefix('base_model.model.').replace('.lora_', ' ').removesuffix('.weight')}": p.grad.contiguous()
        for name, p in trainingGolden.factors(adapted).items()
    }
    data = [{"prompt": row[:s], "target": row[s:]} for row, s in zip(rows, STARTS)]
    delta, _, margin = trainingGolden.attack(Unscaled(adapted.base_model.model), data, ATTACK)
    print(f"  smallest lead of a greedy token {min(least for _, least in answers):.1e}, smallest gradient {margin:.1e}")
    return {
        "logits": own_rows(logits),
        "targetLogProbs": log_probs.detach(),
        "embeddingGradient": own_rows(embeddings.grad),
        "adapted": own_rows(changed),
        "delta": torch.cat([delta[i, :s] for i, s in enumerate(STARTS)]).contiguous(),
        **gradients,
    }, [tokens for tokens, _ in answers]


def make_adapter(model, folder, more):
    torch.manual_seed(3)
    lora = LoraConfig(
        **({"r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | more)
    )
    peft = get_peft_model(model, lora)
    for name, parameter in trainingGolden.factors(peft).items():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.1)
    peft.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": folder.parent.name}
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2) + "\n")


def chats(template):
    tokenizer = make_tokenizer(template)
    user, system = {"role": "user", "content": " What is 1 and 2?"}, {"role": "system", "content": "You are a helpful guard."}
    answer = {"role": "assistant", "content": "Sorry, I can't do that."}
    made = [[user], [user, answer], [user, answer, user]]
    if template is not TRIMMED:
        made += [[system, user], [system, user, answer]]
    return [
        {
            "messages": chat,
            "open": chat[-1]["role"] == "user",
            "ids": tokenizer.apply_chat_template(chat, add_generation_prompt=chat[-1]["role"] == "user", return_dict=False),
        }
        for chat in made
    ]


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    make_tokenizer(None).save_pretrained(HERE / "tokenizer")
    generator = torch.Generator().manual_seed(7)
    rows = [torch.randint(0, VOCABULARY, (n,), generator=generator).tolist() for n in ROWS]
    result = {"rows": rows, "targetStarts": STARTS, "attack": ATTACK, "cases": {}}
    for seed, (name, (model_type, more, dtype, template)) in enumerate(CASES.items()):
        print(name)
        folder = HERE / name
        model = make_model(seed, model_type, more)
        model.to(dtype).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        (folder / "chat_template.jinja").write_text(template)
        if name in OLD:
            old_dialect(folder, more)
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        make_adapter(loaded, folder / "adapter", LORA.get(name, {}))
        tensors, answers = numbers(folder, rows)
        save_file(tensors, folder / "expected.safetensors")
        result["cases"][name] = {"greedy": answers, "chats": chats(template)}
    (HERE / "expected.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
