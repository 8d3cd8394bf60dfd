// loader.cpp — batches prepared on background threads, in an order that does not depend on them.
//
// Workers take batch numbers in order; batch `step` is filled into slot step mod ahead, which is free as soon as next() has copied batch
// step - ahead out of it. All that threads share is guarded by one mutex; a slot's contents belong to its worker until it is ready.
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>
#include <utility>
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// The augmentation draws from another seed, so no stream is used twice.
std::vector<Dim> permutation(Dim samples, std::uint64_t seed, Dim epoch) {
  std::vector<Dim> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), Dim{0});
  Rng(seed, static_cast<std::uint64_t>(epoch)).shuffle(order);
  return order;
}
constexpr std::uint64_t augmentation_seed(std::uint64_t seed) { return ~seed; }

/// The order of one epoch, kept until another is asked for.
struct Epoch {
  Dim number = -1;
  std::vector<Dim> order;
};

std::vector<Dim> batch_of(Epoch& epoch, Dim samples, Dim batch_size, std::uint64_t seed, Dim step) {
  const Dim steps = Loader::steps_per_epoch(samples, batch_size), number = step / steps;
  if (epoch.number != number) epoch = {number, permutation(samples, seed, number)};
  const auto begin = epoch.order.begin() + step % steps * batch_size;
  return {begin, begin + batch_size};
}

struct Slot {
  std::vector<Real> images;
  std::vector<std::int32_t> tokens, caption_ids;
  std::vector<Dim> samples;
  Batch batch;  // of a device: what next() gives
  bool ready = false;
};

// The tensors of a filled slot. b pairs of pictures with `size` pixels an edge.
Batch tensors_of(const Slot& slot, Dim b, Dim size, Device device) {
  return {Tensor::from({b, 3, size, size}, slot.images, device), Ids({b, static_cast<Dim>(slot.tokens.size()) / b}, slot.tokens, device),
          Ids({b}, slot.caption_ids, device), slot.samples};
}
}  // namespace

struct Loader::State {
  std::shared_ptr<const Samples> samples;
  LoaderOptions options;

  std::mutex mutex;
  std::condition_variable filled, freed;
  std::vector<Slot> slots;
  Dim taken = 0;  // the next step that a worker takes
  Dim given = 0;  // the next step that next() gives
  bool stopping = false;
  std::exception_ptr failure;
  std::vector<std::thread> workers;

  bool sends() const { return options.device != Device::cpu; }
  Batch batch(const Slot& slot) const { return tensors_of(slot, options.batch_size, samples->image_size(), options.device); }
  void reserve() const;
  Slot& slot(Dim step) { return slots[static_cast<std::size_t>(step % options.ahead)]; }
  void fill(Slot& slot, Epoch& epoch, Dim step) const;
  void work();
  void stop();
};

void Loader::State::fill(Slot& slot, Epoch& epoch, Dim step) const {
  const Dim size = samples->image_size(), reals = 3 * size * size;
  const Dim epoch_number = step / steps_per_epoch(samples->size(), options.batch_size);
  slot.samples = batch_of(epoch, samples->size(), options.batch_size, options.seed, step);
  slot.images.resize(static_cast<std::size_t>(options.batch_size * reals));
  slot.tokens.clear();
  slot.caption_ids.clear();
  Real* to = slot.images.data();
  for (Dim i : slot.samples) {
    const Image view = samples->augmented(i, options.augmentation, augmentation_seed(options.seed), static_cast<std::uint64_t>(epoch_number));
    to_reals(to, view, samples->table());
    to += reals;
    slot.tokens.insert(slot.tokens.end(), samples->ids(i).begin(), samples->ids(i).end());
    slot.caption_ids.push_back(samples->text_id(i));
  }
  if (sends()) slot.batch = batch(slot);
}

// Memory of the device for all batches that there can be at once, so that no step waits for an allocation.
void Loader::State::reserve() const {
  const Dim b = options.batch_size, size = samples->image_size();
  Slot any;
  any.images.resize(static_cast<std::size_t>(b * 3 * size * size));
  any.tokens.resize(static_cast<std::size_t>(b) * samples->ids(0).size());
  any.caption_ids.resize(static_cast<std::size_t>(b));
  std::vector<Batch> room;
  for (Dim i = 0; i <= options.ahead; ++i) room.push_back(batch(any));
}

void Loader::State::work() {
  Epoch epoch;
  for (std::unique_lock lock(mutex);;) {
    freed.wait(lock, [&] { return stopping || failure || taken < given + options.ahead; });
    if (stopping || failure) return;
    const Dim step = taken++;
    lock.unlock();
    std::exception_ptr problem;
    try {
      fill(slot(step), epoch, step);
    } catch (...) {
      problem = std::current_exception();
    }
    lock.lock();
    if (problem) failure = problem;
    slot(step).ready = !problem;
    filled.notify_all();
    if (problem) freed.notify_all();
  }
}

void Loader::State::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  freed.notify_all();
  for (std::thread& worker : workers) worker.join();
  workers.clear();
}

Loader::Loader(std::shared_ptr<const Samples> samples, const LoaderOptions& options) : state_(std::make_unique<State>()) {
  require(samples != nullptr, "loader", "samples are expected, got none");
  require(options.batch_size >= 1 && options.batch_size <= samples->size(), "loader", "a batch of 1 to ", samples->size(),
          " pairs (as many as are usable) is expected, got ", options.batch_size);
  require(options.workers >= 1 && options.workers <= 1024, "loader", "1 to 1024 workers are expected, got ", options.workers);
  require(options.ahead >= 1 && options.ahead <= 1024, "loader", "1 to 1024 batches ahead are expected, got ", options.ahead);
  require(options.first_step >= 0, "loader", "a first step of at least 0 is expected, got ", options.first_step);
  State& state = *state_;
  state.samples = std::move(samples);
  state.options = options;
  state.slots.resize(static_cast<std::size_t>(options.ahead));
  state.taken = state.given = options.first_step;
  if (state.sends()) state.reserve();
  try {
    for (int i = 0; i < options.workers; ++i) state.workers.emplace_back([&state] { state.work(); });
  } catch (const std::system_error& error) {  // fewer threads prepare the same batches
    require(!state.workers.empty(), "loader", "a thread that prepares batches is expected, got none: ", error.code().message());
  } catch (...) {
    state.stop();
    throw;
  }
}

Loader::~Loader() { state_->stop(); }

Batch Loader::next() {
  State& state = *state_;
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(state.mutex);
  Slot& slot = state.slot(state.given);
  state.filled.wait(lock, [&] { return slot.ready || state.failure; });
  if (!slot.ready) std::rethrow_exception(state.failure);
  lock.unlock();  // a ready slot is nobody else's

  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
  Batch batch = state.sends() ? std::exchange(slot.batch, {}) : state.batch(slot);
  batch.wait_seconds = waited.count();

  lock.lock();
  slot.ready = false;
  ++state.given;
  lock.unlock();
  state.freed.notify_all();
  return batch;
}

std::vector<Dim> Loader::order(Dim samples, Dim batch_size, std::uint64_t seed, Dim step) {
  require(batch_size >= 1 && batch_size <= samples && step >= 0, "loader", "a batch of 1 to ", samples,
          " pairs and a step of at least 0 are expected, got ", batch_size, " and ", step);
  Epoch epoch;
  return batch_of(epoch, samples, batch_size, seed, step);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
