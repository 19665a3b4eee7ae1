"""The same algorithms written for speed in eager PyTorch: what a careful user of PyTorch would run.

LoRA merged into the weights while the attack runs and no gradient to any weight there; rows padded to their own group's length; logits at
target positions only; fused q/k/v and gate/up products; scaled_dot_product_attention; fused AdamW.
"""
import json
import os
import sys

import torch
import torch.nn.functional as F
from program import cat_terms, pad, serve
from safetensors.torch import load_file


class Decoder:
    """A Llama over plain tensors. Linear weights are [out, in]; `qkv` and `gate_up` are laid together."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as file:
            c = json.load(file)
        self.heads, self.kv, self.hd = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.eps, self.theta, self.size = c["rms_norm_eps"], c["rope_theta"], c["hidden_size"]
        w = load_file(os.path.join(folder, "model.safetensors"))
        w = {name: tensor.float() for name, tensor in w.items()}
        self.embedding, self.norm = w["model.embed_tokens.weight"], w["model.norm.weight"]
        self.layers, self.splits = [], None
        for n in range(c["num_hidden_layers"]):
            at = f"model.layers.{n}."
            part = lambda name: w[f"{at}{name}.weight"]
            self.layers.append(
                {
                    "n1": part("input_layernorm"),
                    "n2": part("post_attention_layernorm"),
                    "qkv": torch.cat([part(f"self_attn.{x}_proj") for x in "qkv"]),
                    "o": part("self_attn.o_proj"),
                    "gate_up": torch.cat([part("mlp.gate_proj"), part("mlp.up_proj")]),
                    "down": part("mlp.down_proj"),
                }
            )
        self.parts = {
            "qkv": [self.heads * self.hd, self.kv * self.hd, self.kv * self.hd],
            "o": [self.size],
            "gate_up": [c["intermediate_size"]] * 2,
            "down": [self.size],
        }

    def tables(self, length):
        inverse = self.theta ** (-torch.arange(0, self.hd, 2).float() / self.hd)
        angles = torch.outer(torch.arange(length).float(), inverse).repeat(1, 2)
        return angles.cos(), angles.sin()

    def turn(self, x, cos, sin):
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat([-b, a], -1) * sin

    def hidden(self, embeddings, linear, select=None):
        """[B, T, D] -> [B * T, D] or the selected rows. linear(layer number, name, x) is a product of that layer."""
        b, t, d = embeddings.shape
        cos, sin = self.tables(t)
        x = embeddings.reshape(b * t, d)
        for n, layer in enumerate(self.layers):
            h = F.rms_norm(x, (d,), layer["n1"], self.eps)
            q, k, v = linear(n, "qkv", h).split(self.parts["qkv"], -1)
            shaped = lambda y: y.view(b, t, -1, self.hd).transpose(1, 2)
            q, k, v = self.turn(shaped(q), cos, sin), self.turn(shaped(k), cos, sin), shaped(v)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            y = y.transpose(1, 2).reshape(b * t, -1)
            if select is not None and n == len(self.layers) - 1:
                x, y = x[select], y[select]
            x = x + linear(n, "o", y)
            g, u = linear(n, "gate_up", F.rms_norm(x, (d,), layer["n2"], self.eps)).split(self.parts["gate_up"], -1)
            x = x + linear(n, "down", F.silu(g) * u)
        return F.rms_norm(x, (d,), self.norm, self.eps)

    def log_probs(self, embeddings, labels, linear):
        """log p of every target, [N], in the order of the rows."""
        predicted = torch.zeros_like(labels)
        predicted[:, :-1] = labels[:, 1:]
        predicted[:, -1] = -100
        places = (predicted.reshape(-1) >= 0).nonzero()[:, 0]
        logits = self.hidden(embeddings, linear, places) @ self.embedding.T
        return -F.cross_entropy(logits, predicted.reshape(-1)[places], reduction="none")


class Lora:
    """Factors of every linear layer, a [rank, in] and b [out, rank] per part of a fused product."""

    def __init__(self, decoder, rank, alpha, dropout):
        self.decoder, self.scale, self.dropout = decoder, alpha / rank, dropout
        self.factors = [
            {
                name: [
                    (
                        (torch.rand(rank, layer[name].shape[1]) * 2 - 1).mul_(layer[name].shape[1] ** -0.5).requires_grad_(),
                        torch.zeros(out, rank).requires_grad_(),
                    )
                    for out in decoder.parts[name]
                ]
                for name in decoder.parts
            }
            for layer in decoder.layers
        ]
        self.parameters = [p for layer in self.factors for pairs in layer.values() for pair in pairs for p in pair]

    def linear(self, n, name, x):
        pairs = self.factors[n][name]
        if self.dropout > 0:  # a mask of its own for every module, as in PEFT
            inner = [(F.dropout(x, self.dropout) @ a.T) * self.scale for a, _ in pairs]
        else:
            inner = ((x @ torch.cat([a for a, _ in pairs]).T) * self.scale).chunk(len(pairs), -1)
        added = [part @ b.T for part, (_, b) in zip(inner, pairs)]
        return F.linear(x, self.decoder.layers[n][name]) + (torch.cat(added, -1) if len(added) > 1 else added[0])

    @torch.no_grad()
    def merged(self):
        whole = [
            {
                name: layer[name] + self.scale * torch.cat([b @ a for a, b in factors[name]])
                for name in self.decoder.parts
            }
            for layer, factors in zip(self.decoder.layers, self.factors)
        ]
        return lambda n, name, x: F.linear(x, whole[n][name])


def attack(decoder, linear, ids, labels, options, radius):
    clean = decoder.embedding[ids]
    mask = (torch.cumsum(labels >= 0, 1) == 0).float()[..., None]  # before the targets
    delta = torch.zeros_like(clean)
    first = None
    for _ in range(options["iterations"]):
        delta.requires_grad_()
        loss = -decoder.log_probs(clean + delta, labels, linear).mean()
        (gradient,) = torch.autograd.grad(loss, delta)
        first = loss.item() if first is None else first
        with torch.no_grad():
            delta = (delta - options["stepSize"] * gradient.sign()) * mask
            delta *= radius / delta.norm(dim=-1, keepdim=True).clamp(min=radius)
    return delta, first


def make(folder, precision):
    if precision != "float32":
        raise SystemExit(f"optimised computes in float32, not in {precision}")
    torch.manual_seed(0)
    decoder = Decoder(folder)
    plain = lambda n, name, x: F.linear(x, decoder.layers[n][name])
    norm = decoder.embedding.norm(dim=-1).mean().item()
    state = {}

    def adapter(request):
        if "lora" not in state:
            state["lora"] = Lora(decoder, **request["lora"])
            state["optimizer"] = torch.optim.AdamW(state["lora"].parameters, lr=2e-4, weight_decay=1e-3, fused=True)
        return state["lora"], state["optimizer"]

    def attacked(request, lora):
        rows = [(row["prompt"], row["harmful"]) for row in request["rows"]["adversarial"]]
        ids, labels = pad(rows)
        return attack(decoder, lora.merged(), ids, labels, request["attack"], request["attack"]["epsilon"] * norm)

    def attacked_log_probs(request, lora, delta):
        rows = request["rows"]["adversarial"]
        pairs = [(r["prompt"], r["harmful"]) for r in rows] + [(r["prompt"], r["safe"]) for r in rows]
        ids, labels = pad(pairs)
        moved = torch.zeros(len(pairs), ids.shape[1], decoder.size)
        moved[:, : delta.shape[1]] = torch.cat([delta, delta])
        values = decoder.log_probs(decoder.embedding[ids] + moved, labels, lora.linear)
        return values.split([int((labels[: len(rows)] >= 0).sum()), int((labels[len(rows) :] >= 0).sum())])

    def step(lora, optimizer):
        torch.nn.utils.clip_grad_norm_(lora.parameters, 0.3)
        optimizer.step()
        optimizer.zero_grad()

    def cat(request):
        lora, optimizer = adapter(request)
        delta, before = attacked(request, lora)
        harmful, safe = attacked_log_probs(request, lora, delta)
        away, toward = -harmful.mean(), -safe.mean()
        a, t = cat_terms(away, toward)
        (0.5 * a + 0.5 * t).backward()
        ids, labels = pad([(row["prompt"], row["answer"]) for row in request["rows"]["utility"]])
        utility = -decoder.log_probs(decoder.embedding[ids], labels, lora.linear).mean()
        utility.backward()
        step(lora, optimizer)
        return {"before": before, "away": away.item(), "toward": toward.item(), "utility": utility.item()}

    def capo(request):
        lora, optimizer = adapter(request)
        delta, before = attacked(request, lora)
        harmful, safe = attacked_log_probs(request, lora, delta)
        rows = request["rows"]["adversarial"]
        mean = lambda values, key: torch.stack([part.mean() for part in values.split([len(row[key]) for row in rows])])
        harmful_cut = torch.where(harmful >= -5.0, harmful, 0.0)
        reference = torch.tensor(request["references"])
        h = mean(safe, "safe") - mean(harmful_cut, "harmful") - reference
        loss = (h - 1 / (2 * 0.25)).square().mean()
        loss.backward()
        step(lora, optimizer)
        return {"before": before, "away": -harmful.mean().item(), "toward": -safe.mean().item(), "ipo": loss.item()}

    def iteration(request):
        lora, _ = adapter(request)
        if "merged" not in state:
            state["merged"] = lora.merged()
        rows = [(row["prompt"], row["harmful"]) for row in request["rows"]["adversarial"]]
        ids, labels = pad(rows)
        options = {**request["attack"], "iterations": 1}
        _, before = attack(decoder, state["merged"], ids, labels, options, options["epsilon"] * norm)
        return {"before": before}

    @torch.no_grad()
    def candidates(request):
        ids, labels = pad([(row["prompt"], row["target"]) for row in request["rows"]["candidates"]])
        values = decoder.log_probs(decoder.embedding[ids], labels, plain)
        return {"mean": -values.mean().item()}

    return {"cat": cat, "capo": capo, "iteration": iteration, "candidates": candidates}


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    serve(make)
