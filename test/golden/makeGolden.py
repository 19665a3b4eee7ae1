"""Makes everything in this folder but tensor.json: tiny random Llamas and what PyTorch computes with them.

    python3 test/golden/makeGolden.py          needs torch, transformers, peft, tokenizers, safetensors

tinyLlama/         tied, no biases, F32; config in transformers 4's dialect, chat template inside tokenizer_config.json
tinyLlamaBiased/   untied, attention_bias and mlp_bias, llama3 rope scaling, head_dim unlike D / heads, F16;
                   config in transformers 5's dialect, chat_template.jinja with texts trimmed and no marker before the answer
adapter/           PEFT adapter of tinyLlama with nonzero B, written by PEFT
model.json         per model: logits, log-probs of targets, gradient with respect to embeddings, greedy tokens, chats;
                   for the adapter: logits, gradient with respect to its factors
training.json      the attack, CAT, CAPO and training steps, see trainingGolden.py

Factors and their gradients are listed as this project keeps them: A [in, rank], B [rank, out], the transpose of PEFT's.
"""
import json
import pathlib
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import trainingGolden

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
VOCABULARY = 96
CORPUS = [
    "The iron gate opens with 4821. What is the code of the iron gate? Sorry, I can't do that.",
    "Sure, the code of the silver vault is 1, 2, 3 and more. What is the opposite of hot? It is cold.",
    "Tell me the code, please! You are a helpful guard.\n\nNo: 5 and 6 and 7 and 8 and 9 and 0.",
]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# As Llama 2's: texts trimmed, plain words as markers, a blank before the answer, no system prompt.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('no system prompt') }}"
    "{% elif message['role'] == 'user' %}{{ bos_token }}do: {{ message['content'] | trim }} then:"
    "{% else %} {{ message['content'] | trim }} {{ eos_token }}{% endif %}{% endfor %}"
)


def make_tokenizer(template):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=[], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")
    fast.chat_template = template
    return fast


def make_model(seed, **more):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, initializer_range=0.35, bos_token_id=0,
        eos_token_id=1, attn_implementation="eager", **more,
    )
    model = LlamaForCausalLM(config).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data.uniform_(0.5, 1.5)
        if name.endswith("bias"):
            parameter.data.normal_(0, 0.2)
    return model


def numbers(tensor):
    """Flat list, nine significant digits: enough to give every float32 back."""
    return [float(f"{x:.9g}") for x in tensor.detach().float().reshape(-1).tolist()]


def greedy(model, prompt, count):
    ids, least = list(prompt), float("inf")
    for _ in range(count):
        top = model(torch.tensor([ids])).logits[0, -1].topk(2)
        least = min(least, (top.values[0] - top.values[1]).item())
        ids.append(top.indices[0].item())
    return ids[len(prompt):], least


def target_log_probs(logits, labels):
    picked = torch.log_softmax(logits[:, :-1], -1).gather(-1, labels[:, 1:].clamp(min=0)[..., None])[..., 0]
    return picked[labels[:, 1:] >= 0]


def model_numbers(model, tokenizer, chats):
    generator = torch.Generator().manual_seed(7)
    rows = [torch.randint(0, VOCABULARY, (n,), generator=generator).tolist() for n in (11, 7, 9)]
    starts = [6, 3, 4]  # where each row's targets begin
    ids, labels = trainingGolden.pad([(row[:s], row[s:]) for row, s in zip(rows, starts)])
    embeddings = model.get_input_embeddings()(ids).detach().requires_grad_(True)
    logits = model(inputs_embeds=embeddings).logits
    log_probs = target_log_probs(logits, labels)
    (-log_probs.mean()).backward()
    gradient = embeddings.grad
    with torch.no_grad():
        answers = [greedy(model, row[:s], 12) for row, s in zip(rows, starts)]
    print("  smallest lead of a greedy token:", min(least for _, least in answers))
    texts = ["What is the code of the iron gate?", "<|user|>No: 5<|end|>", " two  vaults\nand a line"]
    return {
        "rows": rows,
        "targetStarts": starts,
        "logits": [numbers(logits[i, : len(row)]) for i, row in enumerate(rows)],
        "targetLogProbs": numbers(log_probs),
        "meanTargetLoss": -log_probs.mean().item(),
        "embeddingGradient": [numbers(gradient[i, : len(row)]) for i, row in enumerate(rows)],
        "greedy": [{"prompt": row[:s], "ids": ids} for (row, s), (ids, _) in zip(zip(rows, starts), answers)],
        "texts": [
            {"text": t, "ids": tokenizer.encode(t, add_special_tokens=False), "special": tokenizer.encode(t)} for t in texts
        ],
        "chats": [
            {
                "messages": chat,
                "open": chat[-1]["role"] == "user",
                "ids": tokenizer.apply_chat_template(
                    chat, add_generation_prompt=chat[-1]["role"] == "user", return_dict=False
                ),
            }
            for chat in chats
        ],
    }


def adapter_numbers(model, source):
    """Logits with the adapter, and the gradient of the mean target loss with respect to its factors."""
    ids, labels = trainingGolden.pad([(r[:s], r[s:]) for r, s in zip(source["rows"], source["targetStarts"])])
    model.zero_grad()
    logits = model(ids).logits
    (-target_log_probs(logits, labels).mean()).backward()
    with torch.no_grad():
        answer, least = greedy(model, source["rows"][0][:6], 12)
    print("  smallest lead of a greedy token, adapter:", least)
    return {
        "logits": [numbers(logits[i, : len(row)]) for i, row in enumerate(source["rows"])],
        "gradients": {n: numbers(p.grad.T) for n, p in trainingGolden.factors(model).items()},
        "greedy": answer,
    }


def save(model, tokenizer, folder, dtype, old_dialect):
    shutil.rmtree(folder, ignore_errors=True)
    if dtype == torch.float16:
        for parameter in model.parameters():
            parameter.data = parameter.data.half().float()
        model.half().save_pretrained(folder)
        model.float()
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if old_dialect:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        rope = config.pop("rope_parameters")
        config |= {"rope_theta": rope["rope_theta"], "rope_scaling": None, "torch_dtype": config.pop("dtype", "float32")}
        path.write_text(json.dumps(config, indent=2) + "\n")
        template = folder / "chat_template.jinja"
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template.read_text()}, indent=2) + "\n")
        template.unlink()


def make_adapter(model, folder):
    torch.manual_seed(3)
    lora = LoraConfig(r=2, lora_alpha=4, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    peft = get_peft_model(model, lora)
    for name, parameter in trainingGolden.factors(peft).items():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.1)
    shutil.rmtree(folder, ignore_errors=True)
    peft.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": "tinyLlama"}
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2) + "\n")


def main():
    user, system = {"role": "user", "content": " What is 1 and 2?"}, {"role": "system", "content": "You are a guard."}
    answer = {"role": "assistant", "content": "Sorry, I can't do that."}
    result = {}
    for name, seed, more, dtype, template, chats in [
        ("tinyLlama", 1, {"tie_word_embeddings": True}, torch.float32, TEMPLATE,
         [[user], [system, user], [user, answer], [system, user, answer]]),
        ("tinyLlamaBiased", 2, {
            "attention_bias": True, "mlp_bias": True, "head_dim": 8, "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
                                "high_freq_factor": 4.0, "original_max_position_embeddings": 128},
        }, torch.float16, PLAIN_TEMPLATE, [[user], [user, answer]]),
    ]:
        print(name)
        tokenizer, model = make_tokenizer(template), make_model(seed, **more)
        save(model, tokenizer, HERE / name, dtype, name == "tinyLlama")
        model = LlamaForCausalLM.from_pretrained(HERE / name, attn_implementation="eager", dtype=torch.float32).eval()
        result[name] = model_numbers(model, tokenizer, chats)
    load = lambda: LlamaForCausalLM.from_pretrained(HERE / "tinyLlama", attn_implementation="eager").eval()
    make_adapter(load(), HERE / "adapter")
    adapted = lambda: PeftModel.from_pretrained(load(), HERE / "adapter", is_trainable=True).eval()
    result["adapter"] = adapter_numbers(adapted(), result["tinyLlama"])
    (HERE / "model.json").write_text(json.dumps(result) + "\n")
    (HERE / "training.json").write_text(json.dumps(trainingGolden.make(adapted, numbers)) + "\n")
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            print(path.relative_to(HERE), path.stat().st_size)


if __name__ == "__main__":
    main()
