#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../parallel.h"
#include "fused.h"
#include "math.h"
#include "product.h"
#include "seen.h"
#include "turn.h"

// Causal attention with grouped queries on flat rows of heads: q [B * T, H * hd], k and v [B * T, KV * hd] -> y [B * T, H * hd]. q and k are
// turned by their positions (cos and sin [1 or B, T, hd]) and q is scaled; query t sees the keys up to its own, with a window only the last
// `window` of them, and none of a hole (softmax.cc). sizes: B, H, KV, hd, rotary, window (0: none).
//
// Scores are never whole in memory: some queries at a time, and the gradient computes them anew from log_sums [B * KV, T * G], the log of
// each query's sum of exp(score), queries in the order of t, then of the group (arXiv 2205.14135).

namespace {

using product::kTile;
using product::Left;

// Queries whose scores are in memory at a time: whole tiles.
constexpr int64_t kBlock = 16 * kTile;

struct Form {
  int64_t batch, heads, kv, size, rotary, window, length, tableRows, holeRows;
  float scale;
  int64_t group() const { return heads / kv; }
  int64_t queries() const { return group() * length; }
  int64_t wide() const { return product::padded(size); }
  int64_t keys() const { return product::padded(length); }
};

struct Given {
  const float *q, *k, *v, *cos, *sin;
  const int32_t* holes;
};

// Room for one head of keys and its group of queries; a thread keeps its own from call to call.
struct Room {
  std::vector<float> q, k, v, kTurned, vTurned, scores, shares, dk, dv, dy;
};
thread_local Room room;

float* sized(std::vector<float>& numbers, int64_t count) {
  if (numbers.size() < static_cast<size_t>(count)) numbers.resize(static_cast<size_t>(count));
  return numbers.data();
}

// With zeros behind each row's numbers, or everywhere.
float* padded(std::vector<float>& numbers, int64_t rows, int64_t size, int64_t wide) {
  float* data = sized(numbers, rows * wide);
  if (size < wide) std::fill(data, data + rows * wide, 0.0f);
  return data;
}

// Where head h of token t in row b begins, among `heads`.
INLINE int64_t place(const Form& f, int64_t b, int64_t t, int64_t heads, int64_t h) { return ((b * f.length + t) * heads + h) * f.size; }

// Queries (turned and scaled; or as they are: gradients of y) of a group, [T * G, wide], query t of head g at t * G + g.
INLINE void takeQueries(const Form& f, const float* from, const Given& in, int64_t b, int64_t head, bool turned, float* to) {
  const int64_t group = f.group(), table = f.tableRows == 1 ? 0 : b * f.length;
  for (int64_t t = 0; t < f.length; t++)
    for (int64_t g = 0; g < group; g++) {
      const float* row = from + place(f, b, t, f.heads, head * group + g);
      const int64_t angle = (table + t) * f.size;
      turn(row, in.cos + angle, in.sin + angle, turned ? f.scale : 1.0f, turned ? f.rotary : 0, f.size, false, to + (t * group + g) * f.wide());
    }
}

// Keys or values, [T, wide].
INLINE void takeKeys(const Form& f, const float* from, const Given& in, int64_t b, int64_t head, bool turned, float* to) {
  const int64_t table = f.tableRows == 1 ? 0 : b * f.length;
  for (int64_t t = 0; t < f.length; t++) {
    const int64_t angle = (table + t) * f.size;
    turn(from + place(f, b, t, f.kv, head), in.cos + angle, in.sin + angle, 1.0f, turned ? f.rotary : 0, f.size, false, to + t * f.wide());
  }
}

// [T, wide] -> [wide, keys]
INLINE void transpose(const Form& f, const float* __restrict from, float* __restrict to) {
  const int64_t wide = f.wide(), keys = f.keys();
  for (int64_t t = 0; t < f.length; t += product::kWide) {
    const int64_t count = std::min(product::kWide, f.length - t);
    for (int64_t i = 0; i < f.size; i++)
      for (int64_t j = 0; j < count; j++) to[i * keys + t + j] = from[(t + j) * wide + i];
  }
}

INLINE Seen seenOf(const Form& f, const Given& in, int64_t b) {
  return {f.length, 0, f.window, in.holes + 2 * (b / (f.batch / f.holeRows)), std::numeric_limits<int64_t>::max()};
}

// Calls work(row, rows, end) for the tiles of queries from .. to: `end` keys and no more are seen by one of them.
template <class Work>
INLINE void tiles(const Form& f, int64_t from, int64_t to, const Work& work) {
  for (int64_t row = from; row < to; row += kTile) {
    const int64_t count = std::min(kTile, to - row);
    work(row, count, (row + count - 1) / f.group() + 1);
  }
}

EVERY_PROCESSOR void forward(const Form& f, const Given& in, int64_t item, float* y, float* logSums) {
  const int64_t b = item / f.kv, head = item % f.kv, wide = f.wide(), keys = f.keys(), group = f.group();
  float* q = padded(room.q, f.queries(), f.size, wide);
  float* k = padded(room.k, f.length, f.size, wide);
  float* v = padded(room.v, f.length, f.size, wide);
  float* kTurned = padded(room.kTurned, f.size, f.length, keys);
  float* scores = sized(room.scores, kBlock * keys);
  float mixed[kTile * 1024];
  takeQueries(f, in.q, in, b, head, true, q);
  takeKeys(f, in.k, in, b, head, true, k);
  takeKeys(f, in.v, in, b, head, false, v);
  transpose(f, k, kTurned);
  const Seen seen = seenOf(f, in, b);
  tiles(f, 0, f.queries(), [&](int64_t row, int64_t count, int64_t end) __attribute__((always_inline)) {
    product::rows(count, Left{q + row * wide, wide, 1}, kTurned, keys, f.size, product::padded(end), false, scores, keys);
    for (int64_t i = 0; i < count; i++) {
      const int64_t t = (row + i) / group, first = seen.first(t), last = seen.end(t);
      float* own = scores + i * keys;
      int64_t gap, back;
      seen.hole(t, &gap, &back);
      float most = own[last - 1];
      for (int64_t s = first; s < gap; s++) most = own[s] > most ? own[s] : most;
      for (int64_t s = back; s < last; s++) most = own[s] > most ? own[s] : most;
      for (int64_t s = 0; s < first; s++) own[s] = 0.0f;
      float sum = powers(own, most, first, gap, own);
      for (int64_t s = gap; s < back; s++) own[s] = 0.0f;
      if (back < last) sum += powers(own, most, back, last, own);
      for (int64_t s = last; s < end; s++) own[s] = 0.0f;
      const float scale = 1.0f / sum;
      for (int64_t s = first; s < last; s++) own[s] *= scale;
      logSums[item * f.queries() + row + i] = most + std::log(sum);
    }
    product::rows(count, Left{scores, keys, 1}, v, wide, end, wide, false, mixed, wide);
    for (int64_t i = 0; i < count; i++) {
      float* to = y + place(f, b, (row + i) / group, f.heads, head * group + (row + i) % group);
      for (int64_t d = 0; d < f.size; d++) to[d] = mixed[i * wide + d];
    }
  });
}

struct Gradients {
  float *q, *k, *v;
};

EVERY_PROCESSOR void backward(const Form& f, const Given& in, const float* dy, const float* logSums, int64_t item, const Gradients& out) {
  const int64_t b = item / f.kv, head = item % f.kv, wide = f.wide(), keys = f.keys(), group = f.group(), length = f.length;
  float* q = padded(room.q, f.queries(), f.size, wide);
  float* up = padded(room.dy, f.queries(), f.size, wide);
  float* k = padded(room.k, length, f.size, wide);
  float* v = padded(room.v, length, f.size, wide);
  float* kTurned = padded(room.kTurned, f.size, f.length, keys);
  float* vTurned = padded(room.vTurned, f.size, length, keys);
  float* shares = sized(room.shares, kBlock * keys);
  float* scores = sized(room.scores, kBlock * keys);
  float* dk = padded(room.dk, length, 0, wide);
  float* dv = padded(room.dv, length, 0, wide);
  float dq[kTile * 1024];
  takeQueries(f, in.q, in, b, head, true, q);
  takeQueries(f, dy, in, b, head, false, up);
  takeKeys(f, in.k, in, b, head, true, k);
  takeKeys(f, in.v, in, b, head, false, v);
  transpose(f, k, kTurned);
  transpose(f, v, vTurned);
  const Seen seen = seenOf(f, in, b);
  const int64_t table = f.tableRows == 1 ? 0 : b * length;
  for (int64_t from = 0; from < f.queries(); from += kBlock) {
    const int64_t to = std::min(from + kBlock, f.queries());
    const int64_t blockEnd = (to - 1) / group + 1;
    tiles(f, from, to, [&](int64_t row, int64_t count, int64_t end) __attribute__((always_inline)) {
      float* p = shares + (row - from) * keys;
      float* ds = scores + (row - from) * keys;
      product::rows(count, Left{q + row * wide, wide, 1}, kTurned, keys, f.size, product::padded(end), false, p, keys);
      product::rows(count, Left{up + row * wide, wide, 1}, vTurned, keys, f.size, product::padded(end), false, ds, keys);
      for (int64_t i = 0; i < count; i++) {
        const int64_t t = (row + i) / group, first = seen.first(t), last = seen.end(t);
        float* share = p + i * keys;
        float* own = ds + i * keys;
        int64_t gap, back;
        seen.hole(t, &gap, &back);
        const float logSum = logSums[item * f.queries() + row + i];
        for (int64_t s = 0; s < first; s++) share[s] = 0.0f;
        powers(share, logSum, first, gap, share);
        for (int64_t s = gap; s < back; s++) share[s] = 0.0f;
        if (back < last) powers(share, logSum, back, last, share);
        // Up to what any query of the block sees, which the products with the block's queries read.
        for (int64_t s = last; s < blockEnd; s++) share[s] = own[s] = 0.0f;
        const float mean = dot(own, share, first, last);
        for (int64_t s = 0; s < last; s++) own[s] = share[s] * (own[s] - mean);
      }
      product::rows(count, Left{ds, keys, 1}, k, wide, end, wide, false, dq, wide);
      for (int64_t i = 0; i < count; i++) {
        const int64_t t = (row + i) / group, angle = (table + t) * f.size;
        turn(dq + i * wide, in.cos + angle, in.sin + angle, f.scale, f.rotary, f.size, true,
             out.q + place(f, b, t, f.heads, head * group + (row + i) % group));
      }
    });
    for (int64_t s = 0; s < blockEnd; s += kTile) {
      // Only the queries at or behind the first of these keys see one of them.
      const int64_t start = std::max(from, s * group), count = std::min(kTile, blockEnd - s);
      const int64_t behind = to - start, skip = (start - from) * keys + s;
      if (behind <= 0) continue;
      product::rows(count, Left{scores + skip, 1, keys}, q + start * wide, wide, behind, wide, true, dk + s * wide, wide);
      product::rows(count, Left{shares + skip, 1, keys}, up + start * wide, wide, behind, wide, true, dv + s * wide, wide);
    }
  }
  for (int64_t t = 0; t < length; t++) {
    const int64_t angle = (table + t) * f.size, row = place(f, b, t, f.kv, head);
    turn(dk + t * wide, in.cos + angle, in.sin + angle, 1.0f, f.rotary, f.size, true, out.k + row);
    for (int64_t d = 0; d < f.size; d++) out.v[row + d] = dv[t * wide + d];
  }
}

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
std::string attentionValues(const Inputs& in) { return holesWithin(in[5], in[3].shape[1]); }
void attention(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) {
  const Form f = formOf(in, 0, sizes, scale);
  const Given given = givenOf(in, 0);
  parallel::rows(f.batch * f.kv, costOf(f, 2), [&](int64_t from, int64_t to) {
    for (int64_t item = from; item < to; item++) forward(f, given, item, out[0], out[1]);
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
std::string attentionGradValues(const Inputs& in) { return holesWithin(in[7], in[5].shape[1]); }
void attentionGrad(const Inputs& in, const Sizes& sizes, float scale, const Outputs& out) {
  const Form f = formOf(in, 2, sizes, scale);
  const Given given = givenOf(in, 2);
  parallel::rows(f.batch * f.kv, costOf(f, 5), [&](int64_t from, int64_t to) {
    for (int64_t item = from; item < to; item++)
      backward(f, given, in[0].floats(), in[1].floats(), item, {out[0], out[1], out[2]});
  });
}

}  // namespace fused
