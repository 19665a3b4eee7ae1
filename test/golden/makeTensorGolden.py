"""Makes tensor.json: what PyTorch computes for the functions of src/tensor. Run: python3 test/golden/makeTensorGolden.py"""

import json
import pathlib

import torch

torch.set_num_threads(1)
torch.manual_seed(1)


def plain(tensor):
    return [round(x, 9) if abs(x) > 1e-3 else x for x in tensor.detach().double().flatten().tolist()]


golden = {"torch": torch.__version__.split("+")[0]}

# log-probabilities of targets; the third row is so sharp that the softmax of its target is 0 in float32
logits = torch.randn(4, 7) * 3
logits[2] = torch.tensor([200.0, 0, 0, 0, -50, 0, 0])
ids = torch.tensor([3, 0, 4, 6])
dy = torch.randn(4)
x = logits.clone().requires_grad_()
logp = torch.log_softmax(x, -1).gather(1, ids[:, None])[:, 0]
(logp * dy).sum().backward()
golden["logProbs"] = {
    "logits": plain(logits), "ids": ids.tolist(), "dy": plain(dy), "value": plain(logp), "grad": plain(x.grad),
}

# AdamW and clipping, four steps with a changing rate
parameters = {"a": torch.randn(2, 3), "b": torch.randn(4)}
steps = [{k: torch.randn_like(v) * scale for k, v in parameters.items()} for scale in (1, 0.01, 3, 0.3)]
rates = [2e-4, 1e-2, 5e-3, 1e-3]
module = {k: v.clone().requires_grad_() for k, v in parameters.items()}
optimizer = torch.optim.AdamW(module.values(), lr=1, weight_decay=1e-3)
trace = []
for grads, rate in zip(steps, rates):
    for k, p in module.items():
        p.grad = grads[k].clone()
    norm = torch.nn.utils.clip_grad_norm_(module.values(), 0.3)
    clipped = {k: plain(p.grad) for k, p in module.items()}
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()
    trace.append({
        "grads": {k: plain(v) for k, v in grads.items()}, "rate": rate, "norm": norm.item(),
        "clipped": clipped, "after": {k: plain(p) for k, p in module.items()},
    })
golden["adamW"] = {"start": {k: plain(v) for k, v in parameters.items()}, "steps": trace}

# optimizers of delta [1, 3, 4]; one coordinate and one token have no gradient
delta = torch.randn(1, 3, 4) * 0.01
gradients = [torch.randn(1, 3, 4) * s for s in (1, 1e-4, 2)]
for g in gradients:
    g[0, 0, 1] = 0
    g[0, 2] = 0
golden["delta"] = {"start": plain(delta), "grads": [plain(g) for g in gradients], "stepSize": 1e-3}
for name, make in (
    ("adam", lambda p: torch.optim.Adam([p], lr=1e-3)),
    ("rms", lambda p: torch.optim.RMSprop([p], lr=1e-3)),
):
    p = delta.clone().requires_grad_()
    optimizer = make(p)
    golden["delta"][name] = []
    for g in gradients:
        p.grad = g.clone()
        optimizer.step()
        golden["delta"][name].append(plain(p))
for name, direction in (("sign", torch.sign), ("normalized", lambda g: torch.nn.functional.normalize(g, dim=-1))):
    p = delta.clone()
    golden["delta"][name] = []
    for g in gradients:
        p = p - 1e-3 * direction(g)
        golden["delta"][name].append(plain(p))

# the ball: one token outside, one inside, one zero
delta = torch.stack([torch.randn(4) * 3, torch.randn(4) * 0.01, torch.zeros(4)])[None]
norms = delta.norm(dim=-1)
scale = torch.where(norms > 0.5, 0.5 / norms.clamp(min=1e-30), torch.ones_like(norms))
golden["ball"] = {
    "delta": plain(delta), "radius": 0.5, "norms": plain(norms), "projected": plain(delta * scale[..., None]),
}

path = pathlib.Path(__file__).parent / "tensor.json"
path.write_text(json.dumps(golden) + "\n")
