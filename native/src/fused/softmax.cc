#include "../parallel.h"
#include "fused.h"
#include "math.h"
#include "seen.h"

// Softmax over the keys that a query sees. Scores [A, G * T, S]: query t of each group stands at past + t and sees the keys up to its own,
// with a window only the last `window` of them; what it does not see gets exactly 0. sizes: T, past, window (0: none).
// holes [n, 2], n dividing A: a query at or behind the place holes[1] of its row does not see the keys from holes[0] up to there: two
// answers behind one prompt. Equal places are no hole. Gradient: dx = y (dy - sum(dy y)).

namespace {

EVERY_PROCESSOR void forward(const float* x, Seen seen, int64_t width, int64_t from, int64_t to, float* y) {
  for (int64_t row = from; row < to; row++) {
    const float* in = x + row * width;
    float* out = y + row * width;
    const int64_t first = seen.first(row), end = seen.end(row);
    int64_t gap, back;
    seen.hole(row, &gap, &back);
    float most = in[end - 1];
    for (int64_t i = first; i < gap; i++) most = in[i] > most ? in[i] : most;
    for (int64_t i = back; i < end; i++) most = in[i] > most ? in[i] : most;
    for (int64_t i = 0; i < first; i++) out[i] = 0.0f;
    float sum = powers(in, most, first, gap, out);
    if (back < end) sum += powers(in, most, back, end, out);
    const float scale = 1.0f / sum;
    for (int64_t i = first; i < gap; i++) out[i] *= scale;
    for (int64_t i = gap; i < back; i++) out[i] = 0.0f;
    for (int64_t i = back; i < end; i++) out[i] *= scale;
    for (int64_t i = end; i < width; i++) out[i] = 0.0f;
  }
}

EVERY_PROCESSOR void backward(const float* dy, const float* y, Seen seen, int64_t width, int64_t from, int64_t to, float* dx) {
  for (int64_t row = from; row < to; row++) {
    const float* up = dy + row * width;
    const float* shares = y + row * width;
    float* out = dx + row * width;
    const int64_t first = seen.first(row), end = seen.end(row);
    // Shares are 0 inside a hole, and so is what comes out there.
    const float mean = dot(up, shares, first, end);
    for (int64_t i = 0; i < first; i++) out[i] = 0.0f;
    for (int64_t i = first; i < end; i++) out[i] = shares[i] * (up[i] - mean);
    for (int64_t i = end; i < width; i++) out[i] = 0.0f;
  }
}

std::string check(const Shape& scores, const Shape& holes, const Sizes& sizes) {
  if (sizes.size() != 3 || scores.size() != 3 || holes.size() != 2 || holes[1] != 2)
    return "takes scores [A, G T, S], holes [n, 2] and the sizes T, past, window";
  if (sizes[0] < 1 || scores[1] % sizes[0] != 0 || scores[2] != sizes[0] + sizes[1] || holes[0] < 1 || scores[0] % holes[0] != 0)
    return "was given sizes that do not fit the scores";
  return "";
}

Seen seenOf(const Shape& scores, const Input& holes, const Sizes& sizes) {
  return {sizes[0], sizes[1], sizes[2], holes.ints(), scores[0] / holes.shape[0] * scores[1]};
}

}  // namespace

namespace fused {

// Every hole stands inside the keys, and a query sees its own key.
std::string holesWithin(const Input& holes, int64_t end) {
  const int32_t* values = holes.ints();
  for (int64_t i = 0; i < holes.shape[0]; i++)
    if (values[2 * i] < 0 || values[2 * i] > values[2 * i + 1] || values[2 * i + 1] > end)
      return "was given a hole that is none: " + std::to_string(values[2 * i]) + " to " + std::to_string(values[2 * i + 1]);
  return "";
}

std::string causalSoftmaxShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  *out = {in[0]};
  return check(in[0], in[1], sizes);
}
std::string causalSoftmaxValues(const Inputs& in) { return holesWithin(in[1], in[0].shape[2]); }
void causalSoftmax(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Shape& shape = in[0].shape;
  const int64_t rows = shape[0] * shape[1];
  const Seen seen = seenOf(shape, in[1], sizes);
  parallel::rows(rows, 2 * rows * shape[2],
                 [&](int64_t from, int64_t to) { forward(in[0].floats(), seen, shape[2], from, to, out[0]); });
}

std::string causalSoftmaxGradShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  *out = {in[0]};
  return in[0] == in[1] ? check(in[0], in[2], sizes) : "takes dy and y of one shape";
}
std::string causalSoftmaxGradValues(const Inputs& in) { return holesWithin(in[2], in[0].shape[2]); }
void causalSoftmaxGrad(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Shape& shape = in[0].shape;
  const int64_t rows = shape[0] * shape[1];
  const Seen seen = seenOf(shape, in[2], sizes);
  parallel::rows(rows, 2 * rows * shape[2], [&](int64_t from, int64_t to) {
    backward(in[0].floats(), in[1].floats(), seen, shape[2], from, to, out[0]);
  });
}

}  // namespace fused
