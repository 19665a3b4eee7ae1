#include <algorithm>

#include "../parallel.h"
#include "fused.h"
#include "math.h"

// Softmax over the keys that a query sees. Scores [A, G * T, S]: query t of each group stands at past + t and sees the keys up to its own,
// with a window only the last `window` of them; what it does not see gets exactly 0. sizes: T, past, window (0: none).
// holes [n, 2], n dividing A: a query at or behind the place holes[1] of its row does not see the keys from holes[0] up to there: two
// answers behind one prompt. Equal places are no hole. Gradient: dx = y (dy - sum(dy y)).

namespace {

struct Seen {
  int64_t length, past, window;
  const int32_t* holes;
  // Rows of scores per hole.
  int64_t each;

  int64_t first(int64_t row) const { return window > 0 ? std::max<int64_t>(0, past + row % length + 1 - window) : 0; }
  int64_t end(int64_t row) const { return past + row % length + 1; }
  // What of first .. end is not seen: from .. to, empty where all is.
  void hole(int64_t row, int64_t* from, int64_t* to) const {
    const int32_t* own = holes + 2 * (row / each);
    const int64_t first_ = first(row), end_ = end(row);
    *from = *to = end_;
    if (own[1] <= own[0] || end_ <= own[1]) return;
    *from = std::max<int64_t>(first_, own[0]);
    *to = std::max<int64_t>(*from, own[1]);
  }
};

// exp(x - most) of from .. to into y; its sum.
INLINE float powers(const float* x, float most, int64_t from, int64_t to, float* y) {
  float lanes[math::kLanes] = {0};
  int64_t i = from;
  for (; i + math::kLanes <= to; i += math::kLanes)
    for (int lane = 0; lane < math::kLanes; lane++) {
      const float value = math::exponential(x[i + lane] - most);
      y[i + lane] = value;
      lanes[lane] += value;
    }
  for (; i < to; i++) {
    y[i] = math::exponential(x[i] - most);
    lanes[0] += y[i];
  }
  return math::sumLanes(lanes);
}

INLINE float dot(const float* a, const float* b, int64_t from, int64_t to) {
  float lanes[math::kLanes] = {0};
  int64_t i = from;
  for (; i + math::kLanes <= to; i += math::kLanes)
    for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  for (; i < to; i++) lanes[0] += a[i] * b[i];
  return math::sumLanes(lanes);
}

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

// Every hole stands inside the keys, and a query sees its own key.
std::string holesWithin(const Input& holes, int64_t end) {
  const int32_t* values = holes.ints();
  for (int64_t i = 0; i < holes.shape[0]; i++)
    if (values[2 * i] < 0 || values[2 * i] > values[2 * i + 1] || values[2 * i + 1] > end)
      return "was given a hole that is none: " + std::to_string(values[2 * i]) + " to " + std::to_string(values[2 * i + 1]);
  return "";
}

}  // namespace

namespace fused {

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
