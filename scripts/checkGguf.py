"""Compares logits of a GGUF file with those of transformers on the dequantized weights, and the ids of a prompt.

    python3 scripts/checkGguf.py FILE.gguf WRITTEN.json      needs torch, transformers, gguf

WRITTEN.json: { text: a rendered chat, ids: its token ids, logits: flat [length, V] }, as test/model/smollm.test.ts writes it. The exit
code is 1 where ids differ or a logit by more than 1e-3.
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(path, written):
    torch.set_num_threads(2)
    ours = json.load(open(written))
    path = pathlib.Path(path)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    ids = tokenizer.encode(ours["text"], add_special_tokens=False)
    assert ids == ours["ids"], f"ids differ: {ids} and {ours['ids']}"
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(torch.tensor([ids])).logits[0].double()
    apart = (theirs - torch.tensor(ours["logits"]).double().reshape(theirs.shape)).abs().max().item()
    print(f"{len(ids)} tokens, vocabulary {theirs.shape[-1]}: largest difference of a logit {apart:.2e}")
    return 0 if apart <= 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
