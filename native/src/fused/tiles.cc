#include "tiles.h"

#if defined(SPARRING_TILES)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#if !defined(__clang__)
// The compiler's own header leaves what it does not use without a value.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

namespace tiles {

#if !defined(SPARRING_TILES)
bool found() { return false; }
#else
#define ALWAYS ON_TILES __attribute__((always_inline))

namespace {

// Numbers of one tile: 16 rows of 32 parts, or of a panel 16 pairs of rows and 16 columns.
constexpr Index kTile = 512;

bool has() {
  const char* wanted = std::getenv("SPARRING_AMX");
  if (wanted != nullptr && std::strcmp(wanted, "0") == 0) return false;
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v4")) return false;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAvx512Bf16 = 1u << 5;
  if ((d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & kAvx512Bf16) == 0) return false;
  // The system keeps a thread's tiles only for processes that have asked (ARCH_REQ_XCOMP_PERM, XTILEDATA).
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

struct alignas(64) Configuration {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// Two vectors of numbers taken apart, side by side: every lane has a part of `first` in its lower half and one of `second` in its upper half. What
// rounding to a part leaves goes into the next one; what is left at last has no more digits than a part. A NaN stays one in the last.
ALWAYS inline void apart(__m512 first, __m512 second, Part* to) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u)), half = _mm512_set1_epi32(0x8000);
  for (int part = 0; part < 2; part++) {
    const __m512i one = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(first), half), upper);
    const __m512i other = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(second), half), upper);
    _mm512_store_si512(to + 2 * part * kTile, _mm512_or_si512(_mm512_srli_epi32(one, 16), other));
    first = _mm512_sub_ps(first, _mm512_castsi512_ps(one));
    second = _mm512_sub_ps(second, _mm512_castsi512_ps(other));
  }
  const __m512i one = _mm512_srli_epi32(_mm512_castps_si512(first), 16), other = _mm512_and_si512(_mm512_castps_si512(second), upper);
  _mm512_store_si512(to + 4 * kTile, _mm512_or_si512(one, other));
}

// Inner numbers that share a lane are 16 apart, in rows and in panels. Of 32 rows of a panel, `left` of which there are, one unit: two rows' halves.
ALWAYS inline void unitApart(const float* panel, Index left, int unit, Part* parts) {
  const int row = unit / 2, half = unit % 2;
  const float* from = panel + row * kSide + half * 16;
  const __m512 none = _mm512_setzero_ps();
  apart(row < left ? _mm512_loadu_ps(from) : none, row + 16 < left ? _mm512_loadu_ps(from + 16 * kSide) : none, parts + half * kTile + row * 32);
}

}  // namespace

bool found() {
  static const bool answer = has();
  return answer;
}

void begin() {
  Configuration all;
  for (int i = 0; i < 8; i++) {
    all.bytes[i] = 64;
    all.rows[i] = 16;
  }
  // _tile_loadconfig does not tell the compiler that all of it is read.
  asm volatile("ldtilecfg %0" : : "m"(all));
}
void end() { _tile_release(); }

void apart(const Next& next, Index inner) {
  for (Index k = 0; k < inner; k += kSide)
    for (int unit = next.from; unit < next.end; unit++) unitApart(next.panel + k * kSide, inner - k, unit, next.parts + k / kSide * kBlock);
}

void rowsApart(const float* a, Index row, bool turned, Index rows, Index inner, Part* parts) {
  alignas(64) float piece[kSide * kSide];
  for (Index k = 0; k < inner; k += kSide, parts += kBlock) {
    const Index count = math::smaller(kSide, inner - k);
    const float* from = a + k;
    Index step = row;
    if (turned) {
      for (Index done = 0; done < count; done += 16)
        product::turned<product::Registers<64, 14>>(a + (k + done) * row, row, math::smaller(16, count - done), rows, piece + done, kSide);
      from = piece;
      step = kSide;
    }
    const __mmask16 first = static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
    const __mmask16 second = static_cast<__mmask16>(count >= 32 ? 0xffff : (count > 16 ? (1 << (count - 16)) - 1 : 0));
    for (Index i = 0; i < kSide; i++) {
      Part* to = parts + i / 16 * kTile + i % 16 * 32;
      if (i < rows) apart(_mm512_maskz_loadu_ps(first, from + i * step), _mm512_maskz_loadu_ps(second, from + i * step + 16), to);
      else apart(_mm512_setzero_ps(), _mm512_setzero_ps(), to);
    }
  }
}

void block(const Part* a, const Part* b, Index inner, product::Ahead ahead, const Next& next, const float* start, Index startRow, float* y, Index yRow) {
  if (start != nullptr) {
    _tile_loadd(0, start, startRow * 4);
    _tile_loadd(1, start + 16, startRow * 4);
    _tile_loadd(2, start + 16 * startRow, startRow * 4);
    _tile_loadd(3, start + 16 * startRow + 16, startRow * 4);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  // Where y will be written is fetched meanwhile.
  const Index steps = (inner + kSide - 1) / kSide, rowsEach = (kSide + steps - 1) / math::larger(1, steps);
  Index fetched = 0;
  const int units = next.end - next.from;
  const auto some = [&](Index step, int part) ALWAYS {
    for (int unit = next.from + units * part / 4; unit < next.from + units * (part + 1) / 4; unit++)
      unitApart(next.panel + step * kSide * kSide, next.inner - step * kSide, unit, next.parts + step * kBlock);
  };
  const auto twoOfA = [&](int part) ALWAYS {
    _tile_loadd(4, a + 2 * part * kTile, 64);
    _tile_loadd(5, a + (2 * part + 1) * kTile, 64);
  };
  const auto twoOfB = [&](int part) ALWAYS {
    _tile_loadd(6, b + 2 * part * kTile, 64);
    _tile_loadd(7, b + (2 * part + 1) * kTile, 64);
  };
  const auto multiply = [&]() ALWAYS {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  };
  // Parts: 0 the high ones, 1 the middle ones, 2 the low ones; in such an order that the product of a number and 1 is the number.
  for (Index step = 0; step < steps; step++, a += kBlock, b += kBlock) {
    // Lines are fetched as often as in product::tile, eight times for 32 inner numbers, and evenly.
    twoOfA(0);
    twoOfB(0);
    multiply();
    ahead.fetch();
    some(step, 0);
    ahead.fetch();
    twoOfA(1);
    multiply();
    ahead.fetch();
    some(step, 1);
    twoOfB(1);
    multiply();
    ahead.fetch();
    some(step, 2);
    ahead.fetch();
    twoOfA(0);
    multiply();
    ahead.fetch();
    some(step, 3);
    twoOfB(2);
    multiply();
    ahead.fetch();
    twoOfA(2);
    twoOfB(0);
    multiply();
    ahead.fetch();
    for (Index i = 0; i < rowsEach && fetched < kSide; i++, fetched++) {
      __builtin_prefetch(y + fetched * yRow, 1, 2);
      __builtin_prefetch(y + fetched * yRow + kSide - 1, 1, 2);
    }
  }
  _tile_stored(0, y, yRow * 4);
  _tile_stored(1, y + 16, yRow * 4);
  _tile_stored(2, y + 16 * yRow, yRow * 4);
  _tile_stored(3, y + 16 * yRow + 16, yRow * 4);
}
#endif

}  // namespace tiles
