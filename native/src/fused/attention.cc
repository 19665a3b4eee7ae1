#include <vector>

#include "../compute/attention.h"
#include "../parallel.h"
#include "fused.h"
#include "room.h"

namespace {

using ::attention::Form;
using ::attention::Given;

// in: q, k, v, cos, sin, holes.
std::string check(const Shapes& in, const Sizes& sizes, float scale, Form* form) {
  const char* wrong = "was given heads, tables or holes that do not fit its sizes B, H, KV, hd, rotary, window";
  if (sizes.size() != 6) return wrong;
  *form = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], 0, 0, 0, scale};
  Form& f = *form;
  if (f.batch < 1 || f.kv < 1 || f.heads < f.kv || f.heads % f.kv != 0 || f.size < 1 || f.size > 1024 || f.rotary > f.size || f.rotary % 2 != 0)
    return wrong;
  const Shape &q = in[0], &k = in[1], &cos = in[3], &holes = in[5];
  if (q.size() != 2 || q[0] < 1 || q[0] % f.batch != 0 || q[1] != f.heads * f.size) return wrong;
  f.length = q[0] / f.batch;
  if (k != Shape{q[0], f.kv * f.size} || in[2] != k) return wrong;
  if (cos.size() != 3 || (cos[0] != 1 && cos[0] != f.batch) || cos[1] != f.length || cos[2] != f.size || in[4] != cos) return wrong;
  if (holes.size() != 2 || holes[1] != 2 || holes[0] < 1 || f.batch % holes[0] != 0) return wrong;
  f.tableRows = cos[0];
  f.holeRows = holes[0];
  return "";
}

Shapes shapesOf(const Inputs& in, size_t from) {
  Shapes shapes;
  for (size_t i = from; i < in.size(); i++) shapes.push_back(in[i].shape);
  return shapes;
}

Form formOf(const Inputs& in, size_t from, const Sizes& sizes, float scale) {
  Form form;
  check(shapesOf(in, from), sizes, scale, &form);
  return form;
}

Given givenOf(const Inputs& in, size_t from) {
  return {in[from].floats(), in[from + 1].floats(), in[from + 2].floats(), in[from + 3].floats(), in[from + 4].floats(), in[from + 5].ints()};
}

// In numbers touched, as parallel::rows counts: a product touches each about an eighth of a time.
int64_t costOf(const Form& f, int64_t products) { return f.batch * f.heads * f.length * f.length / 2 * f.size * products / 8; }

}  // namespace

namespace fused {

std::string attentionShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  Form f;
  const std::string wrong = check(in, sizes, 1.0f, &f);
  if (wrong.empty()) *out = {in[0], {f.batch * f.kv, f.queries()}};
  return wrong;
}
std::string attentionValues(const Inputs& in, const Sizes&) { return holesWithin(in[5], in[3].shape[1]); }
void attention(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) {
  const Form f = formOf(in, 0, sizes, scale);
  const Given given = givenOf(in, 0);
  parallel::rows(f.batch * f.kv, costOf(f, 2), [&](int64_t from, int64_t to) {
    const ::attention::Room own{room(::attention::roomOf(f, false))};
    for (int64_t item = from; item < to; item++) ::attention::forward(f, given, item, own, out[0], out[1]);
  });
}

std::string attentionGradShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  Form f;
  const std::string wrong = check(Shapes(in.begin() + 2, in.end()), sizes, 1.0f, &f);
  if (!wrong.empty()) return wrong;
  if (in[0] != in[2] || in[1] != Shape{f.batch * f.kv, f.queries()}) return "takes dy as q and log_sums [B * KV, T * G]";
  *out = {in[2], in[3], in[4]};
  return "";
}
std::string attentionGradValues(const Inputs& in, const Sizes&) { return holesWithin(in[7], in[5].shape[1]); }
void attentionGrad(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) {
  const Form f = formOf(in, 2, sizes, scale);
  const Given given = givenOf(in, 2);
  parallel::rows(f.batch * f.kv, costOf(f, 5), [&](int64_t from, int64_t to) {
    const ::attention::Room own{room(::attention::roomOf(f, true))};
    for (int64_t item = from; item < to; item++)
      ::attention::backward(f, given, in[0].floats(), in[1].floats(), item, own, {out[0], out[1], out[2]});
  });
}

}  // namespace fused
