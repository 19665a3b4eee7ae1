#include "../compute/softmax.h"
#include "../parallel.h"
#include "fused.h"

namespace {

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
std::string causalSoftmaxValues(const Inputs& in, const Sizes&) { return holesWithin(in[1], in[0].shape[2]); }
void causalSoftmax(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Shape& shape = in[0].shape;
  const int64_t rows = shape[0] * shape[1];
  const Seen seen = seenOf(shape, in[1], sizes);
  parallel::rows(rows, 2 * rows * shape[2],
                 [&](int64_t from, int64_t to) { softmax::forward(in[0].floats(), seen, shape[2], from, to, out[0]); });
}

std::string causalSoftmaxGradShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  *out = {in[0]};
  return in[0] == in[1] ? check(in[0], in[2], sizes) : "takes dy and y of one shape";
}
std::string causalSoftmaxGradValues(const Inputs& in, const Sizes&) { return holesWithin(in[2], in[0].shape[2]); }
void causalSoftmaxGrad(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Shape& shape = in[0].shape;
  const int64_t rows = shape[0] * shape[1];
  const Seen seen = seenOf(shape, in[2], sizes);
  parallel::rows(rows, 2 * rows * shape[2], [&](int64_t from, int64_t to) {
    softmax::backward(in[0].floats(), in[1].floats(), seen, shape[2], from, to, out[0]);
  });
}

}  // namespace fused
