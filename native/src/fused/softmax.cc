#include <algorithm>

#include "../parallel.h"
#include "fused.h"
#include "math.h"

// Softmax over the keys that a query sees. Scores [A, G * T, S]: query t of each group stands at past + t and sees the keys up to its own,
// with a window only the last `window` of them; what it does not see gets exactly 0. sizes: T, past, window (0: none).
// Gradient: dx = y (dy - sum(dy y)).

namespace {

struct Seen {
  int64_t length, past, window;
  int64_t first(int64_t row) const { return window > 0 ? std::max<int64_t>(0, past + row % length + 1 - window) : 0; }
  int64_t end(int64_t row) const { return past + row % length + 1; }
};

EVERY_PROCESSOR void forward(const float* x, Seen seen, int64_t width, int64_t from, int64_t to, float* y) {
  for (int64_t row = from; row < to; row++) {
    const float* in = x + row * width;
    float* out = y + row * width;
    const int64_t first = seen.first(row), end = seen.end(row);
    float most = in[first];
    for (int64_t i = first; i < end; i++) most = in[i] > most ? in[i] : most;
    float lanes[math::kLanes] = {0};
    for (int64_t i = 0; i < first; i++) out[i] = 0.0f;
    int64_t i = first;
    for (; i + math::kLanes <= end; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) {
        const float value = math::exponential(in[i + lane] - most);
        out[i + lane] = value;
        lanes[lane] += value;
      }
    for (; i < end; i++) {
      out[i] = math::exponential(in[i] - most);
      lanes[0] += out[i];
    }
    const float scale = 1.0f / math::sumLanes(lanes);
    for (i = first; i < end; i++) out[i] *= scale;
    for (i = end; i < width; i++) out[i] = 0.0f;
  }
}

EVERY_PROCESSOR void backward(const float* dy, const float* y, Seen seen, int64_t width, int64_t from, int64_t to, float* dx) {
  for (int64_t row = from; row < to; row++) {
    const float* up = dy + row * width;
    const float* shares = y + row * width;
    float* out = dx + row * width;
    const int64_t first = seen.first(row), end = seen.end(row);
    float lanes[math::kLanes] = {0};
    int64_t i = first;
    for (; i + math::kLanes <= end; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += up[i + lane] * shares[i + lane];
    for (; i < end; i++) lanes[0] += up[i] * shares[i];
    const float mean = math::sumLanes(lanes);
    for (i = 0; i < first; i++) out[i] = 0.0f;
    for (i = first; i < end; i++) out[i] = shares[i] * (up[i] - mean);
    for (i = end; i < width; i++) out[i] = 0.0f;
  }
}

std::string check(const Shape& scores, const Sizes& sizes) {
  if (sizes.size() != 3 || scores.size() != 3) return "takes scores [A, G T, S] and the sizes T, past, window";
  if (sizes[0] < 1 || sizes[1] < 0 || sizes[2] < 0 || scores[1] % sizes[0] != 0 || scores[2] != sizes[0] + sizes[1])
    return "was given sizes that do not fit the scores";
  return "";
}

}  // namespace

namespace fused {

std::string causalSoftmaxShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  *out = {in[0]};
  return check(in[0], sizes);
}
void causalSoftmax(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Shape& shape = in[0].shape;
  const int64_t rows = shape[0] * shape[1];
  parallel::rows(rows, 2 * rows * shape[2], [&](int64_t from, int64_t to) {
    forward(in[0].floats(), {sizes[0], sizes[1], sizes[2]}, shape[2], from, to, out[0]);
  });
}

std::string causalSoftmaxGradShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  *out = {in[0]};
  return in[0] == in[1] ? check(in[0], sizes) : "takes dy and y of one shape";
}
void causalSoftmaxGrad(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Shape& shape = in[0].shape;
  const int64_t rows = shape[0] * shape[1];
  parallel::rows(rows, 2 * rows * shape[2], [&](int64_t from, int64_t to) {
    backward(in[0].floats(), in[1].floats(), {sizes[0], sizes[1], sizes[2]}, shape[2], from, to, out[0]);
  });
}

}  // namespace fused
