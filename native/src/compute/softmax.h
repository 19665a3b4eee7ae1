// Softmax over the keys that a query sees. Scores [A, G * T, S]: query t of each group stands at past + t and sees the keys up to its own,
// with a window only the last `window` of them; what it does not see gets exactly 0. sizes: T, past, window (0: none).
// holes [n, 2], n dividing A: a query at or behind the place holes[1] of its row does not see the keys from holes[0] up to there: two
// answers behind one prompt. Equal places are no hole. Gradient: dx = y (dy - sum(dy y)).
#pragma once
#include "math.h"
#include "seen.h"

namespace softmax {

EVERY_PROCESSOR void forward(const float* x, Seen seen, Index width, Index from, Index to, float* y) {
  for (Index row = from; row < to; row++) {
    const float* in = x + row * width;
    float* out = y + row * width;
    const Index first = seen.first(row), end = seen.end(row);
    Index gap, back;
    seen.hole(row, &gap, &back);
    const float most = largest(in, first, gap, back, end);
    for (Index i = 0; i < first; i++) out[i] = 0.0f;
    float sum = powers(in, most, first, gap, out);
    if (back < end) sum += powers(in, most, back, end, out);
    const float scale = 1.0f / sum;
    for (Index i = first; i < gap; i++) out[i] *= scale;
    for (Index i = gap; i < back; i++) out[i] = 0.0f;
    for (Index i = back; i < end; i++) out[i] *= scale;
    for (Index i = end; i < width; i++) out[i] = 0.0f;
  }
}

EVERY_PROCESSOR void backward(const float* dy, const float* y, Seen seen, Index width, Index from, Index to, float* dx) {
  for (Index row = from; row < to; row++) {
    const float* up = dy + row * width;
    const float* shares = y + row * width;
    float* out = dx + row * width;
    const Index first = seen.first(row), end = seen.end(row);
    // Shares are 0 inside a hole, and so is what comes out there.
    const float mean = dot(up, shares, first, end);
    for (Index i = 0; i < first; i++) out[i] = 0.0f;
    for (Index i = first; i < end; i++) out[i] = shares[i] * (up[i] - mean);
    for (Index i = end; i < width; i++) out[i] = 0.0f;
  }
}

}  // namespace softmax
