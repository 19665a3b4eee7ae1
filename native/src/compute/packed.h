// Matrices of fewer bits (src/model/packed.ts), unpacked where a product lays them out: no whole matrix of floats is ever made.
#pragma once
#include "math.h"

namespace packed {

// As src/tensor/fused.ts numbers them.
enum Kind { kBfloat16, kFloat16, kInt8, kNf4 };
// Numbers that share a scale.
constexpr Index kBlock = 64;
// The numbers that codes of four bits stand for, before the scales.
constexpr Index kBook = 16;

struct Matrix {
  Index kind;
  const uint8_t* codes;
  const float* scales;
};

INLINE Index bitsOf(Index kind) { return kind == kNf4 ? 4 : (kind == kInt8 ? 8 : 16); }

INLINE float ofBits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

INLINE uint32_t asBits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

INLINE void sixteenBits(const Matrix& m, Index first, Index count, float* to) {
  const uint16_t* bits = reinterpret_cast<const uint16_t*>(m.codes) + first;
  if (m.kind == kBfloat16) {
    for (Index i = 0; i < count; i++) to[i] = ofBits(static_cast<uint32_t>(bits[i]) << 16);
    return;
  }
  for (Index i = 0; i < count; i++) {
    const uint32_t half = bits[i], magnitude = half & 0x7fff;
    // Below 2^-14 the mantissa is the number, in units of 2^-24.
    const uint32_t below = magnitude < 0x400 ? 0xffffffff : 0;
    const uint32_t bitsBelow = asBits(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
    to[i] = ofBits((bitsBelow & below) | (((magnitude << 13) + 0x38000000) & ~below) | (half & 0x8000) << 16);
  }
}

INLINE void eightBits(const uint8_t* codes, float scale, Index count, float* to) {
  for (Index i = 0; i < count; i++) to[i] = static_cast<float>(static_cast<int32_t>(codes[i]) - 128) * scale;
}

#if defined(__GNUC__) && !defined(__clang__)
// Numbers from the beginning of a byte on, as many at a time as two vectors have; how many that were. The 16 numbers that codes stand for are one
// vector, or two, and a code picks its own.
template <int kBytes>
struct Lookup {
  static constexpr int kEach = kBytes / 4;
  typedef float Vector __attribute__((vector_size(kBytes)));
  typedef float Anywhere __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef int32_t Places __attribute__((vector_size(kBytes)));
  typedef uint8_t Bytes __attribute__((vector_size(kEach), aligned(1), may_alias));
};
template <int kBytes>
INLINE Index lookedUp(const uint8_t* codes, const float* book, Index count, float* to) {
  using Vector = typename Lookup<kBytes>::Vector;
  using Anywhere = typename Lookup<kBytes>::Anywhere;
  using Places = typename Lookup<kBytes>::Places;
  using Bytes = typename Lookup<kBytes>::Bytes;
  constexpr int n = kBytes / 4;
  const Vector first = *reinterpret_cast<const Anywhere*>(book), second = *reinterpret_cast<const Anywhere*>(book + kBook - n);
  Places early, late;
  for (int i = 0; i < n; i++) {
    early[i] = i / 2 + i % 2 * n;
    late[i] = n / 2 + i / 2 + i % 2 * n;
  }
  Index i = 0;
  for (; i + 2 * n <= count; i += 2 * n) {
    const Places both = __builtin_convertvector(*reinterpret_cast<const Bytes*>(codes + i / 2), Places);
    const Places low = both & 15, high = both >> 4;
    const Vector even = n == kBook ? __builtin_shuffle(first, low) : __builtin_shuffle(first, second, low);
    const Vector odd = n == kBook ? __builtin_shuffle(first, high) : __builtin_shuffle(first, second, high);
    *reinterpret_cast<Anywhere*>(to + i) = __builtin_shuffle(even, odd, early);
    *reinterpret_cast<Anywhere*>(to + i + n) = __builtin_shuffle(even, odd, late);
  }
  return i;
}
#endif

// The numbers from place `at` on, two in a byte, the first in the low half.
template <int kBytes>
INLINE void fourBits(const Matrix& m, Index at, Index count, float scale, float* to) {
  float book[kBook];
  for (Index i = 0; i < kBook; i++) book[i] = m.scales[i] * scale;
  Index i = 0;
#if defined(__GNUC__) && !defined(__clang__)
  if constexpr (kBytes >= 32)
    if (at % 2 == 0) {
      i = lookedUp<kBytes>(m.codes + at / 2, book, count, to);
      at += i;
      to += i;
      count -= i;
      i = 0;
    }
#endif
  if (at % 2 == 1) to[i++] = book[m.codes[at / 2] >> 4];
  const uint8_t* codes = m.codes + (at + i) / 2;
  for (; i + 2 <= count; i += 2, codes++) {
    to[i] = book[*codes & 15];
    to[i + 1] = book[*codes >> 4];
  }
  if (i < count) to[i] = book[*codes & 15];
}

// `count` numbers of the matrix, row by row, from place `first` on, by a processor whose vectors have kBytes.
template <int kBytes>
INLINE void numbers(const Matrix& m, Index first, Index count, float* to) {
  if (m.kind == kBfloat16 || m.kind == kFloat16) return sixteenBits(m, first, count, to);
  const float* scales = m.kind == kNf4 ? m.scales + kBook : m.scales;
  for (Index done = 0; done < count;) {
    const Index at = first + done, some = math::smaller(kBlock - at % kBlock, count - done);
    if (m.kind == kInt8) eightBits(m.codes + at, scales[at / kBlock], some, to + done);
    else fourBits<kBytes>(m, at, some, scales[at / kBlock], to + done);
    done += some;
  }
}

}  // namespace packed
