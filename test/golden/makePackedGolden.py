"""Makes packed.json: what bitsandbytes makes of a matrix in NF4, and what plain PyTorch makes of it in 8-bit blocks and in 16 bits.

    python3 test/golden/makePackedGolden.py          needs torch, bitsandbytes

values    [7, 30] row by row; the last block of 64 is not full, one block is all zero
nf4       dequantize_4bit(quantize_4bit(values, blocksize=64, quant_type="nf4"))
int8      round(v / m * 127) * m / 127, m the largest magnitude of the block
bfloat16  values.to(torch.bfloat16)
float16   values.to(torch.float16)
"""
import json
import pathlib

import bitsandbytes.functional as bnb
import torch

HERE = pathlib.Path(__file__).parent


def main():
    torch.manual_seed(5)
    values = torch.randn(7, 30)
    values.view(-1)[64:128] = 0
    packed, state = bnb.quantize_4bit(values, blocksize=64, quant_type="nf4")
    flat = torch.nn.functional.pad(values.reshape(-1), (0, 46)).reshape(-1, 64)
    most = flat.abs().amax(-1, keepdim=True).clamp(min=1e-30)
    eight = ((flat / most * 127).round() * (most / 127)).reshape(-1)[:210]
    numbers = lambda x: [float(f"{v:.9g}") for v in x.reshape(-1).tolist()]
    result = {"values": numbers(values), "nf4": numbers(bnb.dequantize_4bit(packed, state)), "int8": numbers(eight)}
    for name in ("bfloat16", "float16"):
        result[name] = numbers(values.to(getattr(torch, name)).float())
    (HERE / "packed.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
