#include "../compute/heads.h"
#include "../parallel.h"
#include "fused.h"

namespace {

using heads::Layout;

bool layout(const Sizes& sizes, Layout* out) {
  if (sizes.size() != 5) return false;
  *out = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], 0};
  const Layout& l = *out;
  return l.batch > 0 && l.kv > 0 && l.heads >= l.kv && l.heads % l.kv == 0 && l.size > 0 && l.rotary >= 0 && l.rotary <= l.size &&
         l.rotary % 2 == 0;
}

// Everything fits; the result's shape is `to`.
std::string check(const Shapes& in, const Sizes& sizes, bool back, Shape* to, Layout* l) {
  const char* wrong = "was given heads and tables that do not fit its sizes B, n, KV, hd, rotary";
  if (!layout(sizes, l)) return wrong;
  const Shape& x = in[0];
  if (back) {
    if (x.size() != 3 || x[0] != l->batch * l->kv || x[1] % l->group() != 0 || x[2] != l->size) return wrong;
    l->length = x[1] / l->group();
    *to = {l->batch * l->length, l->heads * l->size};
  } else {
    if (x.size() != 2 || x[0] % l->batch != 0 || x[1] != l->heads * l->size) return wrong;
    l->length = x[0] / l->batch;
    *to = {l->batch * l->kv, l->group() * l->length, l->size};
  }
  for (size_t i = 1; i < 3; i++)
    if (in[i].size() != 3 || (in[i][0] != 1 && in[i][0] != l->batch) || in[i][1] != l->length || in[i][2] != l->size) return wrong;
  return in[1] == in[2] && l->length > 0 ? "" : wrong;
}

void run(const Inputs& in, const Sizes& sizes, float scale, bool back, float* out) {
  Layout l;
  Shape to;
  check({in[0].shape, in[1].shape, in[2].shape}, sizes, back, &to, &l);
  const int64_t count = l.batch * l.length;
  parallel::rows(count, 2 * count * l.heads * l.size, [&](int64_t from, int64_t end) {
    heads::tokens(in[0].floats(), in[0].floats(), in[1].floats(), in[2].floats(), in[1].shape[0], scale, l, back, from, end, out);
  });
}

}  // namespace

namespace fused {

std::string splitHeadsShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  Layout l;
  out->resize(1);
  return check(in, sizes, false, &(*out)[0], &l);
}
void splitHeads(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) { run(in, sizes, scale, false, out[0]); }

std::string mergeHeadsShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  Layout l;
  out->resize(1);
  return check(in, sizes, true, &(*out)[0], &l);
}
void mergeHeads(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) { run(in, sizes, scale, true, out[0]); }

}  // namespace fused
