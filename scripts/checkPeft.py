"""Loads an adapter of ours in PEFT and compares its logits with those that our own decoder wrote.

    npx tsx scripts/writeLogits.ts MODEL ADAPTER OUT.json
    python3 scripts/checkPeft.py MODEL ADAPTER OUT.json      needs torch, transformers, peft

Prints the largest differences; the exit code is 1 where one is above 1e-4, or where the adapter changes nothing at all.
"""
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def main(model_folder, adapter_folder, written):
    torch.set_num_threads(1)
    ours = json.load(open(written))
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter_folder).eval()
    worst, worst_base, change = 0.0, 0.0, 0.0
    with torch.no_grad():
        for ids, with_adapter, without in zip(ours["ids"], ours["logits"], ours["base"]):
            row = torch.tensor([ids])
            theirs = model(row).logits[0].double()
            with model.disable_adapter():
                plain = model(row).logits[0].double()
            worst = max(worst, (theirs - torch.tensor(with_adapter).double().reshape(theirs.shape)).abs().max().item())
            worst_base = max(worst_base, (plain - torch.tensor(without).double().reshape(plain.shape)).abs().max().item())
            change = max(change, (theirs - plain).abs().max().item())
    print(f"rows of {[len(ids) for ids in ours['ids']]} tokens, vocabulary {theirs.shape[-1]}")
    print(f"largest difference without adapter: {worst_base:.2e}")
    print(f"largest difference with adapter:    {worst:.2e}  (the adapter moves logits by up to {change:.2e})")
    return 0 if max(worst, worst_base) <= TOLERANCE and change > 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
