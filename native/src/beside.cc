#include "beside.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "values.h"

namespace {

// Of each JavaScript thread that loaded the addon: how it is told, and how many it waits for, which keep its process alive.
struct Listener {
  napi_threadsafe_function tell = nullptr;
  size_t waitsFor = 0;
};

struct Job {
  std::unique_ptr<Execution> execution;
  int64_t ticket;
  Listener* listener;
  napi_deferred promise;
};

struct Worker {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<Job*> waiting;
  // By ticket, until JavaScript has been told.
  std::unordered_map<int64_t, Job*> jobs;
  bool begun = false, busy = false;

  void run() {
    for (;;) {
      Job* job;
      {
        std::unique_lock<std::mutex> held(lock);
        changed.wait(held, [&] { return !waiting.empty(); });
        job = waiting.front();
        waiting.pop_front();
        busy = true;
      }
      job->execution->runAside();
      napi_call_threadsafe_function(job->listener->tell, job, napi_tsfn_nonblocking);
      std::lock_guard<std::mutex> held(lock);
      busy = false;
      changed.notify_all();
    }
  }

  void add(Job* job) {
    std::lock_guard<std::mutex> held(lock);
    if (!begun) std::thread([this] { run(); }).detach();
    begun = true;
    jobs[job->ticket] = job;
    waiting.push_back(job);
    changed.notify_all();
  }
};

// Never destroyed: its thread lives as long as the process.
Worker& worker() {
  static Worker* only = new Worker();
  return *only;
}

// In JavaScript's thread, or with no env when that ends.
void tell(napi_env env, napi_value, void*, void* given) {
  const std::unique_ptr<Job> job(static_cast<Job*>(given));
  {
    std::lock_guard<std::mutex> held(worker().lock);
    worker().jobs.erase(job->ticket);
  }
  if (env == nullptr) return;
  if (--job->listener->waitsFor == 0) napi_unref_threadsafe_function(env, job->listener->tell);
  napi_value results = job->execution->results(env), error;
  if (results != nullptr) napi_resolve_deferred(env, job->promise, results);
  else if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_reject_deferred(env, job->promise, error);
}

// A process that ends does not do so in the middle of an op.
void endAll(void*) {
  Worker& all = worker();
  std::unique_lock<std::mutex> held(all.lock);
  for (const auto& one : all.jobs) one.second->execution->cancel();
  all.changed.wait(held, [&] { return all.waiting.empty() && !all.busy; });
}

// Of this JavaScript thread; null with a pending exception.
Listener* listenerOf(napi_env env) {
  void* known = nullptr;
  napi_get_instance_data(env, &known);
  if (known != nullptr) return static_cast<Listener*>(known);
  auto listener = std::make_unique<Listener>();
  const napi_value name = values::ofText(env, "sparring");
  if (!values::ok(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, tell, &listener->tell), "a listener"))
    return nullptr;
  napi_unref_threadsafe_function(env, listener->tell);
  napi_add_env_cleanup_hook(env, endAll, nullptr);
  // It stays: what is told at the end still looks at it.
  napi_set_instance_data(env, listener.get(), nullptr, nullptr);
  return listener.release();
}

}  // namespace

napi_value beside::promise(napi_env env, std::unique_ptr<Execution> execution, int64_t ticket) {
  {
    std::lock_guard<std::mutex> held(worker().lock);
    if (worker().jobs.count(ticket) > 0) {
      values::fail(env, "the ticket " + std::to_string(ticket) + " is in use");
      return nullptr;
    }
  }
  Listener* listener = listenerOf(env);
  if (listener == nullptr) return nullptr;
  napi_value made;
  napi_deferred promise;
  if (!values::ok(env, napi_create_promise(env, &promise, &made), "a promise")) return nullptr;
  if (listener->waitsFor++ == 0) napi_ref_threadsafe_function(env, listener->tell);
  worker().add(new Job{std::move(execution), ticket, listener, promise});
  return made;
}

void beside::cancel(int64_t ticket) {
  std::lock_guard<std::mutex> held(worker().lock);
  const auto found = worker().jobs.find(ticket);
  if (found != worker().jobs.end()) found->second->execution->cancel();
}
