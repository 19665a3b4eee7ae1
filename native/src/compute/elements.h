// What a decoder needs besides its own parts: number by number, sums, copies. Strides are in numbers, 0 where something is repeated.
#pragma once
#include "math.h"

namespace elements {

// A row's number in three outer dimensions, and where it begins in a tensor with these strides.
struct Outer {
  Index second, third;
  Index of(Index row, const Index* strides) const {
    const Index last = row % third, rest = row / third;
    return rest / second * strides[0] + rest % second * strides[1] + last * strides[2];
  }
};

// y[row, i] = f(a, b) over rows of `inner` numbers; where there is one row only, `from` and `to` are numbers of it.
struct Pairs {
  const float *a, *b;
  float* y;
  Index inner, flat;
  Outer outer;
  Index aStrides[3], bStrides[3];
  // 0 or 1
  Index aEach, bEach;
};

template <class F>
INLINE void row(const float* a, Index aEach, const float* b, Index bEach, float* y, Index count, F f) {
  if (aEach != 0 && bEach != 0) {
    for (Index i = 0; i < count; i++) y[i] = f(a[i], b[i]);
  } else if (aEach != 0) {
    const float right = *b;
    for (Index i = 0; i < count; i++) y[i] = f(a[i], right);
  } else if (bEach != 0) {
    const float left = *a;
    for (Index i = 0; i < count; i++) y[i] = f(left, b[i]);
  } else {
    const float both = f(*a, *b);
    for (Index i = 0; i < count; i++) y[i] = both;
  }
}

template <class F>
INLINE void pairs(const Pairs& p, Index from, Index to, F f) {
  if (p.flat != 0) {
    row(p.a + from * p.aEach, p.aEach, p.b + from * p.bEach, p.bEach, p.y + from, to - from, f);
    return;
  }
  for (Index r = from; r < to; r++)
    row(p.a + p.outer.of(r, p.aStrides), p.aEach, p.b + p.outer.of(r, p.bStrides), p.bEach, p.y + r * p.inner, p.inner, f);
}

template <class F>
INLINE void each(const float* x, float* y, Index from, Index to, F f) {
  for (Index i = from; i < to; i++) y[i] = f(x[i]);
}

// Sums over the middle of [outer, count, inner], one per outer and inner number; `from` and `to` count outer ones, or inner ones where there is one
// outer one only.
struct Sums {
  const float* x;
  float* y;
  Index outer, count, inner;
  float factor;
};

EVERY_PROCESSOR static void sums(const Sums& s, Index from, Index to) {
  if (s.inner == 1) {
    for (Index o = from; o < to; o++) {
      const float* x = s.x + o * s.count;
      float lanes[math::kLanes] = {0};
      Index i = 0;
      for (; i + math::kLanes <= s.count; i += math::kLanes)
        for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += x[i + lane];
      for (; i < s.count; i++) lanes[i % math::kLanes] += x[i];
      s.y[o] = math::sumLanes(lanes) * s.factor;
    }
    return;
  }
  const bool alone = s.outer == 1;
  for (Index o = alone ? 0 : from; o < (alone ? 1 : to); o++) {
    const Index begin = alone ? from : 0, end = alone ? to : s.inner;
    float* y = s.y + o * s.inner;
    for (Index j = begin; j < end; j++) y[j] = 0.0f;
    for (Index i = 0; i < s.count; i++) {
      const float* x = s.x + (o * s.count + i) * s.inner;
      for (Index j = begin; j < end; j++) y[j] += x[j];
    }
    for (Index j = begin; j < end; j++) y[j] *= s.factor;
  }
}

// Rows of `inner` numbers from one layout to another.
struct Copies {
  const void* x;
  void* y;
  Index inner;
  Outer outer;
  Index xStrides[3], yStrides[3];
  // From one number of a row to the next.
  Index xEach, yEach, xFirst, yFirst;
};

template <class T>
EVERY_PROCESSOR void copies(const Copies& c, Index from, Index to) {
  for (Index r = from; r < to; r++) {
    const T* x = static_cast<const T*>(c.x) + c.xFirst + c.outer.of(r, c.xStrides);
    T* y = static_cast<T*>(c.y) + c.yFirst + c.outer.of(r, c.yStrides);
    if (c.xEach == 1 && c.yEach == 1)
      for (Index i = 0; i < c.inner; i++) y[i] = x[i];
    else
      for (Index i = 0; i < c.inner; i++) y[i * c.yEach] = x[i * c.xEach];
  }
}

// Rows of x [M, width] at places -> y.
EVERY_PROCESSOR static void gather(const float* x, const int32_t* places, Index width, Index from, Index to, float* y) {
  for (Index i = from; i < to; i++) {
    const float* row = x + places[i] * width;
    // A call of memory.copy costs more than a short row's loop.
    for (Index j = 0; j < width; j++) y[i * width + j] = row[j];
  }
}

// y [rows, width]: 0, and rows of x added at their places; columns `from` to `to`.
EVERY_PROCESSOR static void scatter(const float* x, const int32_t* places, Index count, Index rows, Index width, Index from, Index to, float* y) {
  for (Index r = 0; r < rows; r++)
    for (Index j = from; j < to; j++) y[r * width + j] = 0.0f;
  for (Index i = 0; i < count; i++)
    for (Index j = from; j < to; j++) y[places[i] * width + j] += x[i * width + j];
}

}  // namespace elements
