#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// About what one number costs in a loop, in nanoseconds; `cost` counts such numbers.
constexpr double kNanosecondsEach = 0.3;
// More threads must save this many times what waking them costs: meanwhile they take cores from TensorFlow's own, which wait awake for
// the next product.
constexpr double kWorthIt = 20;
// How often a thread looks for work before it sleeps: not long, since TensorFlow's threads want the cores as well.
constexpr int kSpins = 200;
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
  // Loops of a lower cost run on their caller alone.
  int64_t least = 0;
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

  void run() {
    uint64_t seen = 0;
    for (;;) {
      for (int spins = 0; spins < kSpins && turn.load(std::memory_order_acquire) == seen; spins++) pause();
      if (turn.load(std::memory_order_acquire) == seen) {
        std::unique_lock<std::mutex> held(lock);
        wake.wait(held, [&] { return turn.load(std::memory_order_acquire) != seen; });
      }
      seen = turn.load(std::memory_order_acquire);
      takePieces();
    }
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

  // What it takes until a sleeping thread has woken: microseconds on a machine of its own, much more on some virtual ones.
  void measure() {
    std::vector<double> times;
    std::atomic<bool> woken{false};
    const auto caller = std::this_thread::get_id();
    const std::function<void(int64_t, int64_t)> waits = [&](int64_t, int64_t) {
      if (std::this_thread::get_id() != caller) woken.store(true);
      while (!woken.load()) pause();
    };
    for (int i = 0; i < 15; i++) {
      std::this_thread::sleep_for(std::chrono::microseconds(300));
      woken.store(false);
      const auto began = Clock::now();
      share(threads, waits, threads);
      times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - began).count());
    }
    std::sort(times.begin(), times.end());
    const double saved = kNanosecondsEach * (1 - 1.0 / threads);
    least = static_cast<int64_t>(kWorthIt * times[times.size() / 2] / saved);
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
  all.measure();
}

void parallel::rows(int64_t count, int64_t cost, const std::function<void(int64_t, int64_t)>& work) {
  Pool& all = pool();
  if (all.threads < 2 || all.alone.load(std::memory_order_relaxed) > 0 || cost < all.least || count < all.threads || !all.busy.try_lock()) {
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
