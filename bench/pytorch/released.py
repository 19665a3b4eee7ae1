"""The same algorithms as the released code computes them (sophie-xhonneux/Continuous-AdvTrain at d4c4761), with its libraries
transformers and PEFT: embeddings as products of one-hot rows with the table, every row padded to the longest of the micro-batch, logits at
every position, cross-entropy against one-hot rows, the adapter beside the weights during the attack, away, toward and utility as three passes.
Generation and candidates are transformers' own. nf4: the base as bitsandbytes keeps it, which the paper trained on.
"""
import os
import sys

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from program import cat_terms, pad, serve
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def one_hot(ids, vocabulary):
    rows = torch.zeros(*ids.shape, vocabulary)
    return rows.scatter_(2, ids.clamp(min=0).unsqueeze(2), 1)


class Program:
    def __init__(self, folder, precision):
        torch.manual_seed(0)
        few = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
        options = {"quantization_config": few, "device_map": "cpu"} if precision == "nf4" else {}
        self.base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa", **options)
        self.table = self.base.get_input_embeddings().weight.data
        self.norm = self.table.norm(dim=-1).mean().item()
        self.model = None

    def start(self, request):
        if self.model is None:
            lora = LoraConfig(r=request["lora"]["rank"], lora_alpha=request["lora"]["alpha"], lora_dropout=request["lora"]["dropout"],
                              target_modules="all-linear", task_type="CAUSAL_LM")
            self.model = get_peft_model(self.base, lora)
            self.trained = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = torch.optim.AdamW(self.trained, lr=2e-4, weight_decay=1e-3)

    def embed(self, ids):
        return (one_hot(ids, self.table.shape[0]) @ self.table).data

    def attack(self, ids, labels, mask, options, iterations):
        for p in self.trained:
            p.requires_grad = False
        radius = options["epsilon"] * self.norm
        targets = one_hot(labels, self.table.shape[0])
        wanted = labels[:, 1:] >= 0
        movable = ((labels < 0) & mask.bool()).float()[..., None]
        embeddings = self.embed(ids)
        delta = torch.zeros_like(embeddings, requires_grad=True)
        losses = []
        for _ in range(iterations):
            delta.grad = None
            logits = self.model(inputs_embeds=embeddings + delta * movable, attention_mask=mask).logits
            loss = F.cross_entropy(logits[:, :-1][wanted], targets[:, 1:][wanted])
            loss.backward()
            losses.append(loss.item())
            with torch.no_grad():
                delta -= options["stepSize"] * delta.grad.sign()
                length = delta.norm(dim=-1, keepdim=True)
                far = (length > radius)[..., 0]
                delta[far] = delta[far] / length[far] * radius
            logits.argmax(-1)  # counted for the log
        for p in self.trained:
            p.requires_grad = True
        return embeddings.detach(), delta.detach() * movable, losses[0]

    def batch(self, request):
        """All rows padded to the longest of the micro-batch, as its collator does: (ids, labels, mask) of each kind."""
        rows = request["rows"]
        kinds = {
            "away": [(r["prompt"], r["harmful"]) for r in rows["adversarial"]],
            "toward": [(r["prompt"], r["safe"]) for r in rows["adversarial"]],
            "utility": [(r["prompt"], r["answer"]) for r in rows["utility"]],
        }
        longest = max(len(p) + len(a) for pairs in kinds.values() for p, a in pairs)
        made = {}
        for kind, pairs in kinds.items():
            ids, labels = pad(pairs, longest)
            mask = torch.tensor([[1] * (len(p) + len(a)) + [0] * (longest - len(p) - len(a)) for p, a in pairs])
            made[kind] = (ids, labels, mask)
        return made

    def cat(self, request):
        self.start(request)
        self.model.train()
        made = self.batch(request)
        ids, labels, mask = made["away"]
        embeddings, delta, before = self.attack(ids, labels, mask, request["attack"], request["attack"]["iterations"])
        away = self.model(inputs_embeds=embeddings + delta, attention_mask=mask, labels=labels).loss
        ids, labels, mask = made["toward"]
        toward = self.model(inputs_embeds=self.embed(ids) + delta, attention_mask=mask, labels=labels).loss
        ids, labels, mask = made["utility"]
        utility = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        a, t = cat_terms(away, toward)
        (0.5 * a + 0.5 * t + utility).backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 0.3)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"before": before, "away": away.item(), "toward": toward.item(), "utility": utility.item()}

    def iteration(self, request):
        self.start(request)
        self.model.train()
        ids, labels, mask = self.batch(request)["away"]
        _, _, before = self.attack(ids, labels, mask, request["attack"], 1)
        return {"before": before}

    @torch.no_grad()
    def candidates(self, request):
        self.base.eval()
        ids, labels = pad([(row["prompt"], row["target"]) for row in request["rows"]["candidates"]])
        # Only what predicts a target is asked of the head, as nanoGCG and transformers allow.
        kept = int((labels >= 0).sum(1).max()) + 1
        logits = self.base(input_ids=ids, logits_to_keep=kept).logits[:, :-1]
        wanted = labels[:, -kept + 1 :]
        return {"mean": F.cross_entropy(logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1)).item()}

    @torch.no_grad()
    def generate(self, request):
        self.base.eval()
        ids = torch.tensor([row["prompt"] for row in request["rows"]["generate"]])
        made = self.base.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
                                  min_new_tokens=request["tokens"], max_new_tokens=request["tokens"], pad_token_id=0)
        return {"sum": int(made[:, ids.shape[1] :].sum())}


def make(folder, precision):
    program = Program(folder, precision)
    return {name: getattr(program, name) for name in ("cat", "iteration", "candidates", "generate")}


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    serve(make)
