#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

// About what one number costs in a loop, in nanoseconds; `cost` counts such numbers.
constexpr double kNanosecondsEach = 0.3;
// A loop is shared from so many nanoseconds per thread on while another thread waits awake for it, and where one has to be woken: who calls does not
// wait for it to wake, but it takes a core from TensorFlow's own, which wait awake for the next product.
constexpr double kWorthSharing = 5e3, kWorthWaking = 75e3;
// So long a thread looks for work before it sleeps: a generation's next loop comes sooner, and to wake takes as long as such a loop on some virtual
// machines. Not while functions run on all threads anyway.
constexpr auto kAwake = std::chrono::microseconds(200);
constexpr int kSpins = 32;
// Pieces of a loop per thread: whoever has time takes the next one, so that nobody waits for a thread that has not woken or has no core.
constexpr int kPieces = 4;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Pool {
  int threads = 1;
  std::atomic<int> alone{0};
  // Threads that look for work.
  std::atomic<int> awake{0};
  std::mutex busy;  // one loop at a time
  std::mutex lock;
  std::condition_variable wake;
  std::atomic<uint64_t> turn{0};
  const std::function<void(int64_t, int64_t)>* work = nullptr;
  int64_t count = 0, pieces = 0;
  // Pieces to take, and pieces done. A loop does not end, nor do its fields change, before a piece that was taken is done.
  std::atomic<int64_t> left{0}, done{0};

  void takePieces() {
    for (;;) {
      int64_t now = left.load(std::memory_order_acquire);
      do {
        if (now <= 0) return;
      } while (!left.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel));
      (*work)(count * (now - 1) / pieces, count * now / pieces);
      done.fetch_add(1, std::memory_order_acq_rel);
    }
  }

  bool called(uint64_t seen) const { return turn.load(std::memory_order_acquire) != seen; }

  void lookForWork(uint64_t seen) {
    awake.fetch_add(1, std::memory_order_relaxed);
    const auto until = Clock::now() + kAwake;
    do {
      for (int spins = 0; spins < kSpins && !called(seen); spins++) pause();
    } while (!called(seen) && alone.load(std::memory_order_relaxed) == 0 && Clock::now() < until);
    awake.fetch_sub(1, std::memory_order_relaxed);
  }

  void run() {
    uint64_t seen = 0;
    for (;;) {
      lookForWork(seen);
      if (!called(seen)) {
        std::unique_lock<std::mutex> held(lock);
        wake.wait(held, [&] { return called(seen); });
      }
      seen = turn.load(std::memory_order_acquire);
      takePieces();
    }
  }

  bool worthIt(int64_t cost) const {
    const double least = awake.load(std::memory_order_relaxed) > 0 ? kWorthSharing : kWorthWaking;
    return kNanosecondsEach * static_cast<double>(cost) > threads * least;
  }

  void share(int64_t rows, const std::function<void(int64_t, int64_t)>& given, int64_t most) {
    work = &given;
    count = rows;
    pieces = std::min(rows, most);
    done.store(0, std::memory_order_relaxed);
    left.store(pieces, std::memory_order_release);
    {
      std::lock_guard<std::mutex> held(lock);
      turn.fetch_add(1, std::memory_order_acq_rel);
    }
    wake.notify_all();
    takePieces();
    while (done.load(std::memory_order_acquire) < pieces) pause();
  }
};

// Never destroyed: its threads live as long as the process.
Pool& pool() {
  static Pool* only = new Pool();
  return *only;
}

}  // namespace

void parallel::setThreads(int count) {
  Pool& all = pool();
  if (all.threads > 1 || count < 2) return;
  all.threads = count;
  for (int thread = 1; thread < count; thread++) std::thread([&all] { all.run(); }).detach();
}

void parallel::rows(int64_t count, int64_t cost, const std::function<void(int64_t, int64_t)>& work) {
  Pool& all = pool();
  if (all.threads < 2 || all.alone.load(std::memory_order_relaxed) > 0 || count < all.threads || !all.worthIt(cost) || !all.busy.try_lock()) {
    work(0, count);
    return;
  }
  all.share(count, work, kPieces * all.threads);
  all.busy.unlock();
}

parallel::Alone::Alone(bool on) : on_(on) {
  if (on_) pool().alone.fetch_add(1, std::memory_order_relaxed);
}

parallel::Alone::~Alone() {
  if (on_) pool().alone.fetch_sub(1, std::memory_order_relaxed);
}
