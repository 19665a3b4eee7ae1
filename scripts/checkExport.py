"""Compares a folder written by `sparring model export` with what PEFT merges itself.

    python3 scripts/checkExport.py MODEL ADAPTER EXPORTED      needs torch, transformers, peft

PEFT merges in float32, then its weights are rounded to the type that EXPORTED has. Prints how many numbers differ, by how many steps of
that type, and the largest difference of the logits; the exit code is 1 where more than 1 % of the numbers differ, one by more than a
step, or logits by more than 1e-4 of their range.
"""
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def steps(a, b):
    """Distance in representable numbers."""
    view = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}[a.dtype]
    a, b = a.view(view).long(), b.view(view).long()
    order = lambda x: torch.where(x < 0, torch.iinfo(view).min - x, x)
    return (order(a) - order(b)).abs()


def main(model_folder, adapter_folder, exported):
    torch.set_num_threads(1)
    ours = AutoModelForCausalLM.from_pretrained(exported, dtype="auto").eval()
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, adapter_folder).merge_and_unload().to(ours.dtype).eval()
    theirs = merged.state_dict()
    total, differ, worst = 0, 0, 0
    for name, tensor in ours.state_dict().items():
        distance = steps(tensor.contiguous(), theirs.pop(name).contiguous())
        total, differ, worst = total + distance.numel(), differ + (distance > 0).sum().item(), max(worst, distance.max().item())
    assert not theirs, f"tensors that were not exported: {list(theirs)}"
    dtype = ours.dtype
    with torch.no_grad():
        ids = torch.arange(5, 5 + 12)[None]
        a, b = ours.float()(ids).logits, merged.float()(ids).logits
    apart = ((a - b).abs().max() / b.abs().max()).item()
    print(f"{ours.config.model_type} {dtype}: {differ} of {total} numbers differ, by {worst} steps at most; logits by {apart:.1e}")
    limit = 64 if dtype == torch.float32 else 1
    return 0 if worst <= limit and differ <= 0.01 * total + (total if limit > 1 else 0) and apart <= 1e-2 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
