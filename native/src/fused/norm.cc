#include <cmath>

#include "../parallel.h"
#include "fused.h"
#include "math.h"

// The root-mean-square norm of the Llama family, y = x / sqrt(mean(x^2) + epsilon) * weight, and its gradient for x:
// dx = r (w dy - x r^2 mean(x w dy)), r = 1 / sqrt(mean(x^2) + epsilon). Rows of D numbers.

namespace {

EVERY_PROCESSOR void normRows(const float* x, const float* added, const float* w, float epsilon, int64_t d, int64_t from, int64_t to,
                              float* sum, float* y) {
  for (int64_t row = from; row < to; row++) {
    const float* in = x + row * d;
    float* out = y + row * d;
    float lanes[math::kLanes] = {0};
    if (added != nullptr) {
      const float* more = added + row * d;
      float* both = sum + row * d;
      for (int64_t i = 0; i < d; i++) both[i] = in[i] + more[i];
      in = both;
    }
    int64_t i = 0;
    for (; i + math::kLanes <= d; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += in[i + lane] * in[i + lane];
    for (; i < d; i++) lanes[i % math::kLanes] += in[i] * in[i];
    const float r = 1.0f / std::sqrt(math::sumLanes(lanes) / static_cast<float>(d) + epsilon);
    for (i = 0; i < d; i++) out[i] = in[i] * r * w[i];
  }
}

EVERY_PROCESSOR void gradRows(const float* dy, const float* x, const float* w, const float* dsum, float epsilon, int64_t d, int64_t from,
                              int64_t to, float* dx) {
  for (int64_t row = from; row < to; row++) {
    const float* in = x + row * d;
    const float* up = dy + row * d;
    float* out = dx + row * d;
    float squares[math::kLanes] = {0}, products[math::kLanes] = {0};
    int64_t i = 0;
    for (; i + math::kLanes <= d; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) {
        squares[lane] += in[i + lane] * in[i + lane];
        products[lane] += in[i + lane] * w[i + lane] * up[i + lane];
      }
    for (; i < d; i++) {
      squares[i % math::kLanes] += in[i] * in[i];
      products[i % math::kLanes] += in[i] * w[i] * up[i];
    }
    const float r = 1.0f / std::sqrt(math::sumLanes(squares) / static_cast<float>(d) + epsilon);
    const float back = r * r * r * math::sumLanes(products) / static_cast<float>(d);
    if (dsum == nullptr) {
      for (i = 0; i < d; i++) out[i] = r * w[i] * up[i] - in[i] * back;
    } else {
      const float* straight = dsum + row * d;
      for (i = 0; i < d; i++) out[i] = straight[i] + (r * w[i] * up[i] - in[i] * back);
    }
  }
}

// All given shapes are one of rows; the weight has a row's length.
std::string check(const Shapes& in, size_t rows) {
  if (in[0].size() != 2 || in[rows].size() != 1 || in[rows][0] != in[0][1]) return "takes rows [N, D] and a weight [D]";
  for (size_t i = 1; i < rows; i++)
    if (in[i] != in[0]) return "takes rows of one shape";
  return "";
}

}  // namespace

namespace fused {

std::string rmsNormShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return check(in, 1);
}
void rmsNorm(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    normRows(in[0].floats(), nullptr, in[1].floats(), epsilon, d, from, to, nullptr, out[0]);
  });
}

std::string rmsNormGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return check(in, 2);
}
void rmsNormGrad(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    gradRows(in[0].floats(), in[1].floats(), in[2].floats(), nullptr, epsilon, d, from, to, out[0]);
  });
}

std::string addRmsNormShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0], in[0]};
  return check(in, 2);
}
void addRmsNorm(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    normRows(in[0].floats(), in[1].floats(), in[2].floats(), epsilon, d, from, to, out[0], out[1]);
  });
}

std::string addRmsNormGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return check(in, 3);
}
void addRmsNormGrad(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    gradRows(in[1].floats(), in[2].floats(), in[3].floats(), in[0].floats(), epsilon, d, from, to, out[0]);
  });
}

}  // namespace fused
