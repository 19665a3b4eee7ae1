// Causal attention with grouped queries on flat rows of heads: q [B * T, H * hd], k and v [B * T, KV * hd] -> y [B * T, H * hd]. q and k are
// turned by their positions (cos and sin [1 or B, T, hd]) and q is scaled; query t sees the keys up to its own, with a window only the last
// `window` of them, and none of a hole (softmax.cc). sizes: B, H, KV, hd, rotary, window (0: none).
//
// Scores are never whole in memory: some queries at a time, and the gradient computes them anew from log_sums [B * KV, T * G], the log of
// each query's sum of exp(score), queries in the order of t, then of the group (arXiv 2205.14135).
#pragma once
#include "math.h"
#include "product.h"
#include "seen.h"
#include "turn.h"

namespace attention {

using product::kTile;
using product::Left;

// Queries whose scores are in memory at a time: whole tiles.
constexpr Index kBlock = 16 * kTile;

struct Form {
  Index batch, heads, kv, size, rotary, window, length, tableRows, holeRows;
  float scale;
  Index group() const { return heads / kv; }
  Index queries() const { return group() * length; }
  Index wide() const { return product::padded(size); }
  Index keys() const { return product::padded(length); }
};

struct Given {
  const float *q, *k, *v, *cos, *sin;
  const int32_t* holes;
};

// Parts of one thread's room, each taken behind the one before.
struct Room {
  float* next;
  float* take(Index count) {
    float* taken = next;
    next += product::padded(count);
    return taken;
  }
  // With zeros behind each row's numbers.
  float* take(Index rows, Index size, Index wide) {
    float* taken = take(rows * wide);
    if (size < wide) math::fill(taken, rows * wide, 0.0f);
    return taken;
  }
};

// Numbers of room that a thread needs for one head of keys and its group of queries.
INLINE Index roomOf(const Form& f, bool gradient) {
  const Index queries = f.queries() * f.wide(), rows = f.length * f.wide(), turned = product::padded(f.size) * f.keys(), block = kBlock * f.keys();
  const Index tile = kTile * f.wide();
  return gradient ? 2 * queries + 4 * rows + 2 * turned + 2 * block + tile : queries + 2 * rows + turned + block + tile;
}

// Where head h of token t in row b begins, among `heads`.
INLINE Index place(const Form& f, Index b, Index t, Index heads, Index h) { return ((b * f.length + t) * heads + h) * f.size; }

// Queries (turned and scaled; or as they are: gradients of y) of a group, [T * G, wide], query t of head g at t * G + g.
INLINE void takeQueries(const Form& f, const float* from, const Given& in, Index b, Index head, bool turned, float* to) {
  const Index group = f.group(), table = f.tableRows == 1 ? 0 : b * f.length;
  for (Index t = 0; t < f.length; t++)
    for (Index g = 0; g < group; g++) {
      const float* row = from + place(f, b, t, f.heads, head * group + g);
      const Index angle = (table + t) * f.size;
      turn(row, in.cos + angle, in.sin + angle, turned ? f.scale : 1.0f, turned ? f.rotary : 0, f.size, false, to + (t * group + g) * f.wide());
    }
}

// Keys or values, [T, wide].
INLINE void takeKeys(const Form& f, const float* from, const Given& in, Index b, Index head, bool turned, float* to) {
  const Index table = f.tableRows == 1 ? 0 : b * f.length;
  for (Index t = 0; t < f.length; t++) {
    const Index angle = (table + t) * f.size;
    turn(from + place(f, b, t, f.kv, head), in.cos + angle, in.sin + angle, 1.0f, turned ? f.rotary : 0, f.size, false, to + t * f.wide());
  }
}

// [T, wide] -> [wide, keys]
INLINE void transpose(const Form& f, const float* __restrict from, float* __restrict to) {
  const Index wide = f.wide(), keys = f.keys();
  for (Index t = 0; t < f.length; t += product::kWide) {
    const Index count = math::smaller(product::kWide, f.length - t);
    for (Index i = 0; i < f.size; i++)
      for (Index j = 0; j < count; j++) to[i * keys + t + j] = from[(t + j) * wide + i];
  }
}

INLINE Seen seenBy(const Form& f, const Given& in, Index b) {
  return {f.length, 0, f.window, in.holes + 2 * (b / (f.batch / f.holeRows)), PTRDIFF_MAX};
}

// Calls work(row, rows, end) for the tiles of queries from .. to: `end` keys and no more are seen by one of them.
template <class Work>
INLINE void tiles(const Form& f, Index from, Index to, const Work& work) {
  for (Index row = from; row < to; row += kTile) {
    const Index count = math::smaller(kTile, to - row);
    work(row, count, (row + count - 1) / f.group() + 1);
  }
}

EVERY_PROCESSOR void forward(const Form& f, const Given& in, Index item, Room room, float* y, float* logSums) {
  const Index b = item / f.kv, head = item % f.kv, wide = f.wide(), keys = f.keys(), group = f.group();
  float* q = room.take(f.queries(), f.size, wide);
  float* k = room.take(f.length, f.size, wide);
  float* v = room.take(f.length, f.size, wide);
  float* kTurned = room.take(f.size, f.length, keys);
  float* scores = room.take(kBlock * keys);
  float* mixed = room.take(kTile * wide);
  takeQueries(f, in.q, in, b, head, true, q);
  takeKeys(f, in.k, in, b, head, true, k);
  takeKeys(f, in.v, in, b, head, false, v);
  transpose(f, k, kTurned);
  const Seen seen = seenBy(f, in, b);
  tiles(f, 0, f.queries(), [&](Index row, Index count, Index end) __attribute__((always_inline)) {
    product::rows(count, Left{q + row * wide, wide, 1}, kTurned, keys, f.size, product::padded(end), false, scores, keys);
    for (Index i = 0; i < count; i++) {
      const Index t = (row + i) / group, first = seen.first(t), last = seen.end(t);
      float* own = scores + i * keys;
      Index gap, back;
      seen.hole(t, &gap, &back);
      const float most = largest(own, first, gap, back, last);
      for (Index s = 0; s < first; s++) own[s] = 0.0f;
      float sum = powers(own, most, first, gap, own);
      for (Index s = gap; s < back; s++) own[s] = 0.0f;
      if (back < last) sum += powers(own, most, back, last, own);
      for (Index s = last; s < end; s++) own[s] = 0.0f;
      const float scale = 1.0f / sum;
      for (Index s = first; s < last; s++) own[s] *= scale;
      logSums[item * f.queries() + row + i] = most + math::logarithm(sum);
    }
    product::rows(count, Left{scores, keys, 1}, v, wide, end, wide, false, mixed, wide);
    for (Index i = 0; i < count; i++) {
      float* to = y + place(f, b, (row + i) / group, f.heads, head * group + (row + i) % group);
      for (Index d = 0; d < f.size; d++) to[d] = mixed[i * wide + d];
    }
  });
}

struct Gradients {
  float *q, *k, *v;
};

EVERY_PROCESSOR void backward(const Form& f, const Given& in, const float* dy, const float* logSums, Index item, Room room, const Gradients& out) {
  const Index b = item / f.kv, head = item % f.kv, wide = f.wide(), keys = f.keys(), group = f.group(), length = f.length;
  float* q = room.take(f.queries(), f.size, wide);
  float* up = room.take(f.queries(), f.size, wide);
  float* k = room.take(length, f.size, wide);
  float* v = room.take(length, f.size, wide);
  float* kTurned = room.take(f.size, f.length, keys);
  float* vTurned = room.take(f.size, length, keys);
  float* shares = room.take(kBlock * keys);
  float* scores = room.take(kBlock * keys);
  float* dk = room.take(length, 0, wide);
  float* dv = room.take(length, 0, wide);
  float* dq = room.take(kTile * wide);
  takeQueries(f, in.q, in, b, head, true, q);
  takeQueries(f, dy, in, b, head, false, up);
  takeKeys(f, in.k, in, b, head, true, k);
  takeKeys(f, in.v, in, b, head, false, v);
  transpose(f, k, kTurned);
  transpose(f, v, vTurned);
  const Seen seen = seenBy(f, in, b);
  const Index table = f.tableRows == 1 ? 0 : b * length;
  for (Index from = 0; from < f.queries(); from += kBlock) {
    const Index to = math::smaller(from + kBlock, f.queries());
    const Index blockEnd = (to - 1) / group + 1;
    tiles(f, from, to, [&](Index row, Index count, Index end) __attribute__((always_inline)) {
      float* p = shares + (row - from) * keys;
      float* ds = scores + (row - from) * keys;
      product::rows(count, Left{q + row * wide, wide, 1}, kTurned, keys, f.size, product::padded(end), false, p, keys);
      product::rows(count, Left{up + row * wide, wide, 1}, vTurned, keys, f.size, product::padded(end), false, ds, keys);
      for (Index i = 0; i < count; i++) {
        const Index t = (row + i) / group, first = seen.first(t), last = seen.end(t);
        float* share = p + i * keys;
        float* own = ds + i * keys;
        Index gap, back;
        seen.hole(t, &gap, &back);
        const float logSum = logSums[item * f.queries() + row + i];
        for (Index s = 0; s < first; s++) share[s] = 0.0f;
        powers(share, logSum, first, gap, share);
        for (Index s = gap; s < back; s++) share[s] = 0.0f;
        if (back < last) powers(share, logSum, back, last, share);
        // Up to what any query of the block sees, which the products with the block's queries read.
        for (Index s = last; s < blockEnd; s++) share[s] = own[s] = 0.0f;
        const float mean = dot(own, share, first, last);
        for (Index s = 0; s < last; s++) own[s] = share[s] * (own[s] - mean);
      }
      product::rows(count, Left{ds, keys, 1}, k, wide, end, wide, false, dq, wide);
      for (Index i = 0; i < count; i++) {
        const Index t = (row + i) / group, angle = (table + t) * f.size;
        turn(dq + i * wide, in.cos + angle, in.sin + angle, f.scale, f.rotary, f.size, true,
             out.q + place(f, b, t, f.heads, head * group + (row + i) % group));
      }
    });
    for (Index s = 0; s < blockEnd; s += kTile) {
      // Only the queries at or behind the first of these keys see one of them.
      const Index start = math::larger(from, s * group), count = math::smaller(kTile, blockEnd - s);
      const Index behind = to - start, skip = (start - from) * keys + s;
      if (behind <= 0) continue;
      product::rows(count, Left{scores + skip, 1, keys}, q + start * wide, wide, behind, wide, true, dk + s * wide, wide);
      product::rows(count, Left{shares + skip, 1, keys}, up + start * wide, wide, behind, wide, true, dv + s * wide, wide);
    }
  }
  for (Index t = 0; t < length; t++) {
    const Index angle = (table + t) * f.size, row = place(f, b, t, f.kv, head);
    turn(dk + t * wide, in.cos + angle, in.sin + angle, 1.0f, f.rotary, f.size, true, out.k + row);
    for (Index d = 0; d < f.size; d++) out.v[row + d] = dv[t * wide + d];
  }
}

}  // namespace attention
