"""What both PyTorch programs share: a model folder, token ids on stdin, results on stdout.

A program is started as `python3 released.py FOLDER THREADS [PRECISION]`, says {"ready": ..., "load": seconds} and then answers one JSON request a line:
{"task": ..., "rows": ..., ...} -> {"seconds": of the work alone, "losses": {...}, "peak": MB resident at most during it}.
Rows are token ids, the same for every program of the benchmark.
"""
import json
import sys
import time


def peak_reset():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak():
    """Most resident memory since peak_reset, MB; None where the system does not say."""
    try:
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) / 1000
    except (OSError, KeyError):
        return None


def serve(make):
    """make(folder, precision) -> {task: function(request) -> losses}; load time is that of make. precision: float32, or nf4."""
    import torch

    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    began = time.perf_counter()
    tasks = make(folder, sys.argv[3] if len(sys.argv) > 3 else "float32")
    print(json.dumps({"ready": True, "version": torch.__version__, "load": time.perf_counter() - began}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["task"] not in tasks:
            print(json.dumps({"unsupported": True}), flush=True)
            continue
        peak_reset()
        began = time.perf_counter()
        losses = tasks[request["task"]](request)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "losses": losses, "peak": peak()}), flush=True)


def pad(pairs, length=0):
    """(prompt, answer) rows of ids -> ids and labels [B, T], padded on the right; label -100 where there is no target."""
    import torch

    longest = max(length, max(len(p) + len(a) for p, a in pairs))
    fill = lambda p, a: longest - len(p) - len(a)
    ids = torch.tensor([p + a + [0] * fill(p, a) for p, a in pairs])
    labels = torch.tensor([[-100] * len(p) + a + [-100] * fill(p, a) for p, a in pairs])
    return ids, labels


def cat_terms(away, toward, away_cutoff=-5.0, toward_cutoff=0.5):
    """arXiv 2405.15589, eq. 4, with the released code's cutoffs: mean cross-entropies -> away and toward terms."""
    a = -away if -away >= away_cutoff else away_cutoff + 0.001 * -away
    t = toward if toward >= toward_cutoff else toward_cutoff + 0.001 * toward
    return a, t
