#include "../compute/norm.h"
#include "../parallel.h"
#include "fused.h"

namespace {

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
    norm::forward(in[0].floats(), nullptr, in[1].floats(), epsilon, d, from, to, nullptr, out[0]);
  });
}

std::string rmsNormGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return check(in, 2);
}
void rmsNormGrad(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    norm::backward(in[0].floats(), in[1].floats(), in[2].floats(), nullptr, epsilon, d, from, to, out[0]);
  });
}

std::string addRmsNormShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0], in[0]};
  return check(in, 2);
}
void addRmsNorm(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    norm::forward(in[0].floats(), in[1].floats(), in[2].floats(), epsilon, d, from, to, out[0], out[1]);
  });
}

std::string addRmsNormGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return check(in, 3);
}
void addRmsNormGrad(const Inputs& in, const Sizes&, float epsilon, const Outputs& out) {
  const int64_t n = in[0].shape[0], d = in[0].shape[1];
  parallel::rows(n, n * d, [&](int64_t from, int64_t to) {
    norm::backward(in[1].floats(), in[2].floats(), in[3].floats(), in[0].floats(), epsilon, d, from, to, out[0]);
  });
}

}  // namespace fused
