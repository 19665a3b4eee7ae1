"""The attack, CAT, CAPO and AdamW in plain PyTorch, as DESIGN.md states them; makeGolden.py calls make() and writes training.json.

training.json
  model, adapter   folders beside it; every number is computed with this adapter active unless it says reference
  rows             the adversarial rows: prompt, target (harmful), safe; user = [start, end) of the user's words in the prompt.
                   Targets hold the token id 0 on purpose: it counts as any other (the released code loses it)
  utility          chat rows: prompt, answer
  sequences        the same as right-padded batches: away (prompt + target), toward (prompt + safe), utility; labels -100 = no target
  embeddingNorm    mean L2 norm of the rows of the embedding table; radius = epsilon * embeddingNorm
  attack           list of {options, radius, step, delta}: delta[i] of row i, flat [prompt length, D], after
                   options.iterations; losses[k] is the token-mean cross-entropy BEFORE iteration k (at the delta it starts from)
                   sign: -= step * sign(g). adam, rms: torch.optim.Adam / RMSprop, defaults, lr = step, gradient 0 on other tokens.
                   normalized: -= step * g / ||g||_2, norm of each token's own gradient.
                   step = stepSize, or stepSize * radius / sqrt(D) where stepSizeUnit is 'radius'
  cat              delta (as above), raw token-mean cross-entropies, and cases {options, away, toward, utility, total}:
                   away and toward after their cutoffs, unweighted
  catGradient      of total for one of these options, with respect to the factors (delta fixed)
  capo             per-token log-probabilities, references (adapter off, clean or attacked prompt, no cutoffs), cases
                   {options, h, ipo}; gradients for some of them
  training         CAT with attack + losses + clip + AdamW on the same rows again and again: per step the terms and the
                   norm before clipping; factors after 1 and 3 steps
"""
import torch

ATTACKED = dict(optimizer="sign", perturb="all", stepSize=0.02, stepSizeUnit="absolute", epsilon=0.1, iterations=10)


def pad(pairs):
    """(prompt, answer) rows -> ids and labels [B, T], padded on the right by id 0 and label -100."""
    length = max(len(p) + len(a) for p, a in pairs)
    ids = torch.tensor([p + a + [0] * (length - len(p) - len(a)) for p, a in pairs])
    labels = torch.tensor([[-100] * len(p) + a + [-100] * (length - len(p) - len(a)) for p, a in pairs])
    return ids, labels


def factors(model):
    """PEFT's parameters under the names of its files."""
    return {n.replace(".default.", "."): p for n, p in model.named_parameters() if "lora_" in n}


def rows():
    generator = torch.Generator().manual_seed(24)
    draw = lambda n: torch.randint(5, 96, (n,), generator=generator).tolist()
    made = [
        {"prompt": [0, 3, *draw(p), 1, 4], "user": [2, 2 + p], "target": draw(t) + [1], "safe": draw(s) + [1]}
        for p, t, s in [(4, 4, 3), (7, 3, 5), (2, 5, 2)]
    ]
    made[0]["target"][1] = 0
    utility = [{"prompt": [0, 3, *draw(p), 1, 4], "answer": draw(a) + [1]} for p, a in [(3, 4), (5, 2), (4, 6)]]
    return made, utility


def log_probs(model, embeddings, labels):
    """Log-probability of every target, [B, T-1] with nan where there is none."""
    logits = model(inputs_embeds=embeddings).logits[:, :-1]
    picked = torch.log_softmax(logits, -1).gather(-1, labels[:, 1:].clamp(min=0)[..., None])[..., 0]
    return torch.where(labels[:, 1:] >= 0, picked, torch.nan)


def mean_loss(values):
    return -values[~values.isnan()].mean()


def embed(model, ids):
    return model.get_input_embeddings()(ids).detach()


def radius_of(model, epsilon):
    return epsilon * model.get_input_embeddings().weight.detach().norm(dim=-1).mean().item()


def step_of(options, radius, size):
    return options["stepSize"] * (radius / size**0.5 if options["stepSizeUnit"] == "radius" else 1)


def attack(model, data, options):
    """delta [B, T, D], losses, and the smallest |gradient| over the largest: how near a sign was to flipping."""
    ids, labels = pad([(r["prompt"], r["target"]) for r in data])
    start = embed(model, ids)
    radius = radius_of(model, options["epsilon"])
    step = step_of(options, radius, start.shape[-1])
    moves = torch.zeros(ids.shape, dtype=torch.bool)
    for i, row in enumerate(data):
        first, end = row["user"] if options["perturb"] == "user" else (0, len(row["prompt"]))
        moves[i, first:end] = True
    delta = torch.zeros_like(start).requires_grad_(True)
    optimizer = {"adam": torch.optim.Adam, "rms": torch.optim.RMSprop}.get(options["optimizer"])
    optimizer = optimizer and optimizer([delta], lr=step)
    losses, margin = [], 1.0
    for _ in range(options["iterations"]):
        loss = mean_loss(log_probs(model, start + delta, labels))
        (gradient,) = torch.autograd.grad(loss, delta)
        gradient = gradient * moves[..., None]
        margin = min(margin, (gradient[moves].abs().min() / gradient.abs().max()).item())
        losses.append(loss.item())
        with torch.no_grad():
            if optimizer:
                delta.grad = gradient
                optimizer.step()
            elif options["optimizer"] == "sign":
                delta -= step * gradient.sign()
            else:
                delta -= step * gradient / gradient.norm(dim=-1, keepdim=True).clamp(min=1e-30)
            norm = delta.norm(dim=-1, keepdim=True)
            delta.copy_(torch.where(norm > radius, delta / norm.clamp(min=1e-30) * radius, delta))
    return delta.detach(), losses, margin


def move(delta, data, ids, size):
    """The same delta on the same prompt tokens of another sequence."""
    moved = torch.zeros(*ids.shape, size)
    for i, row in enumerate(data):
        moved[i, : len(row["prompt"])] = delta[i, : len(row["prompt"])]
    return moved


def groups(model, data, utility, delta):
    """Log-probabilities of away, toward and utility targets."""
    size = delta.shape[-1]
    result = []
    for pairs, attacked in [
        ([(r["prompt"], r["target"]) for r in data], True),
        ([(r["prompt"], r["safe"]) for r in data], True),
        ([(r["prompt"], r["answer"]) for r in utility], False),
    ]:
        ids, labels = pad(pairs)
        embeddings = model.get_input_embeddings()(ids)
        result.append(log_probs(model, embeddings + move(delta, data, ids, size) if attacked else embeddings, labels))
    return result


def flatten_below(loss, cutoff, form):
    if loss.item() >= cutoff:
        return loss
    return (cutoff if form == "code" else 0.999 * cutoff) + 0.001 * loss


def cat(away, toward, utility, options):
    a = -mean_loss(away)
    if options["awayLoss"] == "log1MinusP":
        a = -torch.log1p(-away[~away.isnan()].exp()).mean()
    a = flatten_below(a, options["awayCutoff"], options["cutoffForm"])
    t = flatten_below(mean_loss(toward), options["towardCutoff"], options["cutoffForm"])
    u = mean_loss(utility)
    total = options["towardWeight"] * t + options["awayWeight"] * a + options["utilityWeight"] * u
    return {"away": a, "toward": t, "utility": u, "total": total}


CAT = dict(awayWeight=0.5, towardWeight=0.5, utilityWeight=1.0, awayCutoff=-5.0, towardCutoff=0.5, cutoffForm="code",
           awayLoss="negativeCrossEntropy")


def row_means(values):
    return torch.nansum(values, -1) / (~values.isnan()).sum(-1)


def capo(harm, safe, reference_harm, reference_safe, options):
    away, toward = options["awayCutoff"], options["towardCutoff"]
    instead = (0.0, 0.0) if options["outside"] == "zero" else (away, -toward)
    harm = torch.where(harm < away, instead[0], harm)
    if toward > 0:
        safe = torch.where(safe > -toward, instead[1], safe)
    if options["referenceOrder"] == "reversed":
        reference_harm, reference_safe = reference_harm.flip(0), reference_safe.flip(0)
    h = (row_means(safe) - row_means(harm)) - (reference_safe - reference_harm)
    return h, ((h - 1 / (2 * options["beta"])) ** 2).mean()


def make(adapted, numbers):
    """adapted(): a fresh PeftModel of tinyLlama with the adapter. numbers(tensor): flat list."""
    data, utility = rows()
    model = adapted()
    size = model.get_input_embeddings().weight.shape[1]
    by_row = lambda delta: [numbers(delta[i, : len(row["prompt"])]) for i, row in enumerate(data)]
    gradients = lambda: {n: numbers(p.grad.T) for n, p in factors(model).items()}
    sequence = lambda pairs: dict(zip(("ids", "labels"), (x.tolist() for x in pad(pairs))))
    result = {
        "model": "tinyLlama",
        "adapter": "adapter",
        "rows": data,
        "utility": utility,
        "sequences": {
            "away": sequence([(r["prompt"], r["target"]) for r in data]),
            "toward": sequence([(r["prompt"], r["safe"]) for r in data]),
            "utility": sequence([(r["prompt"], r["answer"]) for r in utility]),
        },
        "embeddingNorm": radius_of(model, 1.0),
        "attack": [],
    }
    for optimizer, perturb, unit, step, epsilon in [
        ("sign", "all", "absolute", 0.02, 0.1),
        ("sign", "all", "absolute", 1e-4, 0.05),
        ("sign", "user", "radius", 0.25, 0.3),
        ("adam", "all", "absolute", 0.02, 0.1),
        ("adam", "user", "radius", 0.25, 0.3),
        ("rms", "all", "absolute", 0.005, 0.1),
        ("normalized", "all", "absolute", 0.05, 0.1),
        ("normalized", "user", "radius", 1.0, 0.3),
    ]:
        for iterations in (1, 3, 10):
            options = dict(optimizer=optimizer, perturb=perturb, stepSizeUnit=unit, stepSize=step, epsilon=epsilon,
                           iterations=iterations)
            delta, losses, margin = attack(model, data, options)
            radius = radius_of(model, epsilon)
            at_edge = (delta.norm(dim=-1) > 0.999 * radius).sum().item()
            print(f"  {options}: margin {margin:.1e}, {at_edge} tokens at the edge, loss {losses[0]:.4f} to {losses[-1]:.4f}")
            result["attack"].append({"options": options, "radius": radius, "step": step_of(options, radius, size),
                                     "losses": losses, "delta": by_row(delta)})

    delta, _, _ = attack(model, data, ATTACKED)
    away, toward, chats = groups(model, data, utility, delta)
    raw = {"away": mean_loss(away), "toward": mean_loss(toward), "utility": mean_loss(chats)}
    print("  raw", {k: round(v.item(), 4) for k, v in raw.items()})
    cases = [dict(CAT, awayCutoff=a, towardCutoff=t, cutoffForm=form)
             for a in (-50.0, -2.0) for t in (0.5, 50.0) for form in ("code", "paper")]
    cases += [dict(CAT, awayLoss="log1MinusP"), dict(CAT, awayWeight=0.3, towardWeight=0.9, utilityWeight=2.0)]
    result["cat"] = {
        "attackOptions": ATTACKED,
        "delta": by_row(delta),
        "raw": {k: v.item() for k, v in raw.items()},
        "cases": [{"options": c, **{k: v.item() for k, v in cat(away, toward, chats, c).items()}} for c in cases],
    }
    options = dict(CAT, awayCutoff=-50.0)
    model.zero_grad()
    cat(away, toward, chats, options)["total"].backward()
    result["catGradient"] = {"options": options, "gradients": gradients()}

    with torch.no_grad(), model.disable_adapter():
        clean = [row_means(x) for x in groups(model, data, utility, torch.zeros_like(delta))[:2]]
        attacked = [row_means(x) for x in groups(model, data, utility, delta)[:2]]
    references = {"clean": clean, "attacked": attacked}
    tokens = lambda values: [[float(f"{x:.9g}") for x in row if x == x] for row in values.tolist()]
    result["capo"] = {
        "delta": by_row(delta),
        "harmfulLogProbs": tokens(away),
        "safeLogProbs": tokens(toward),
        "references": {k: {"harmful": numbers(h), "safe": numbers(s)} for k, (h, s) in references.items()},
        "cases": [],
        "gradients": [],
    }
    for a in (-50.0, -5.0):
        for t in (0.0, 4.0):
            for outside in ("zero", "clamp"):
                for order in ("matched", "reversed"):
                    options = dict(beta=0.25, awayCutoff=a, towardCutoff=t, outside=outside, referenceOrder=order,
                                   referencePrompts="attacked" if order == "matched" and t == 0 and a == -5 else "clean")
                    away, toward, _ = groups(model, data, utility, delta)
                    h, ipo = capo(away, toward, *references[options["referencePrompts"]], options)
                    result["capo"]["cases"].append({"options": options, "h": numbers(h), "ipo": ipo.item()})
                    if order == "matched" and (a, t) != (-50.0, 4.0) and (a, outside) != (-50.0, "clamp"):
                        model.zero_grad()
                        ipo.backward()
                        result["capo"]["gradients"].append({"options": options, "gradients": gradients()})
    print("  harmful below -5:", (away < -5).sum().item(), " safe above -4:", (toward > -4).sum().item())
    result["training"] = train(adapted(), data, utility, numbers)
    return result


def train(model, data, utility, numbers):
    options = {"attack": dict(ATTACKED, stepSize=0.005), "method": dict(CAT, awayCutoff=-50.0), "learningRate": 2e-4,
               "weightDecay": 1e-3, "clipNorm": 0.3}
    parameters = factors(model)
    optimizer = torch.optim.AdamW(parameters.values(), lr=options["learningRate"], weight_decay=options["weightDecay"])
    steps, after = [], {}
    for number in range(1, 4):
        delta, losses, margin = attack(model, data, options["attack"])
        terms = cat(*groups(model, data, utility, delta), options["method"])
        optimizer.zero_grad()
        terms["total"].backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), options["clipNorm"])
        least = min(p.grad.abs().min().item() for p in parameters.values())
        optimizer.step()
        print(f"  step {number}: margin {margin:.1e}, norm {norm:.4f}, smallest gradient {least:.1e}")
        steps.append({"attackLosses": losses, **{k: v.item() for k, v in terms.items()}, "gradientNorm": norm.item()})
        if number in (1, 3):
            after[str(number)] = {n: numbers(p.T) for n, p in parameters.items()}
    return {"options": options, "steps": steps, "adapterAfter": after}
