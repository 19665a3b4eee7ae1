#include "../compute/nextToken.h"

#include "../parallel.h"
#include "fused.h"
#include "room.h"

namespace {

using ::nextToken::Form;

// in: q, k, v, cos, sin, keys, values, seen, cap.
std::string check(const Shapes& in, const Sizes& sizes, float scale, Form* form) {
  const char* wrong = "was given heads, tables or a cache that do not fit its sizes B, H, KV, hd, rotary";
  if (sizes.size() != 5) return wrong;
  *form = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], 0, 0, 0, scale};
  Form& f = *form;
  if (f.batch < 1 || f.kv < 1 || f.heads < f.kv || f.heads % f.kv != 0 || f.size < 1 || f.size > 1024 || f.rotary > f.size || f.rotary % 2 != 0)
    return wrong;
  const Shape &k = in[1], &cos = in[3], &keys = in[5];
  if (in[0] != Shape{f.batch, f.heads * f.size} || k != Shape{f.batch, f.kv * f.size} || in[2] != k) return wrong;
  if (cos.size() != 3 || (cos[0] != 1 && cos[0] != f.batch) || cos[1] != 1 || cos[2] != f.size || in[4] != cos) return wrong;
  if (keys.size() != 3 || keys[2] < 1 || keys[2] % product::kWide != 0 || keys != Shape{f.batch * f.kv, f.size, keys[2]}) return wrong;
  const Shape& values = in[6];
  if (values.size() != 3 || values[2] < f.size || values[2] % product::kWide != 0) return wrong;
  f.places = keys[2];
  f.wide = values[2];
  f.tableRows = cos[0];
  if (values != Shape{f.batch * f.kv, f.places, f.wide} || in[7] != Shape{f.batch, 2} || in[8] != Shape{1}) return wrong;
  return "";
}

Form formOf(const Inputs& in, const Sizes& sizes, float scale) {
  Shapes shapes;
  for (const Input& one : in) shapes.push_back(one.shape);
  Form form;
  check(shapes, sizes, scale, &form);
  return form;
}

}  // namespace

namespace fused {

std::string nextTokenShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  Form f;
  const std::string wrong = check(in, sizes, 1.0f, &f);
  if (wrong.empty()) *out = {in[0]};
  return wrong;
}
std::string nextTokenValues(const Inputs& in, const Sizes&) {
  const int64_t places = in[5].shape[2];
  for (int64_t b = 0; b < in[7].shape[0]; b++) {
    const int32_t first = in[7].ints()[2 * b], own = in[7].ints()[2 * b + 1];
    if (first < 0 || first > own || own >= places) return "was given places that are none: " + std::to_string(first) + " to " + std::to_string(own);
  }
  return "";
}
// Writes to the cache that it is given.
void nextToken(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) {
  const Form f = formOf(in, sizes, scale);
  const ::nextToken::Given given{in[0].floats(), in[1].floats(), in[2].floats(), in[3].floats(), in[4].floats(), in[7].ints(), in[8].floats()};
  float* keys = const_cast<float*>(in[5].floats());
  float* values = const_cast<float*>(in[6].floats());
  int64_t seen = 0;
  for (Index b = 0; b < f.batch; b++) seen += given.seen[2 * b + 1] - given.seen[2 * b] + 1;
  parallel::rows(f.batch * f.kv, seen * f.kv * f.size * (2 + f.group() / 4), [&](int64_t from, int64_t to) {
    float* own = room(::nextToken::roomOf(f));
    for (Index item = from; item < to; item++) ::nextToken::forward(f, given, item, own, keys, values, out[0]);
  });
}

}  // namespace fused
