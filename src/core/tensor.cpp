// tensor.cpp — values, their gradient and their device behind a handle; ids; threads.
#include "siglip/tensor.h"
#include <omp.h>
#include <algorithm>
#include <atomic>
#include <mutex>
#include "core/pool.h"
#include "kernels.h"
#include "siglip/config.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Dim element_count(const Shape& shape) {
  constexpr Dim most = Dim{1} << 59;  // so that their bytes can be counted
  Dim count = 1;
  for (Dim axis : shape) {
    require(axis >= 0 && (axis == 0 || count <= most / axis), "Tensor", "axes are at least 0 and their product at most 2^59, got shape ", shape);
    count *= axis;
  }
  return count;
}

struct Tensor::Storage {
  // Values that are fetched once, by whichever thread asks first; the others wait for it.
  struct Deferred {
    std::mutex mutex;  // of the two below, until `fetched`
    Fetch fetch;
    Buffer value;
    std::atomic<bool> fetched = false;
    Real* data(Dim size, Device device);
  };

  Device device = Device::cpu;
  bool requires_grad = false;
  Buffer value, grad;
  const Real* borrowed = nullptr;  // instead of value
  std::shared_ptr<const void> owner;
  std::unique_ptr<Deferred> later;  // instead of value
};

static std::size_t bytes_of(Dim reals) { return static_cast<std::size_t>(reals) * sizeof(Real); }

Tensor::Tensor(Shape shape, Device device) : shape_(std::move(shape)), size_(element_count(shape_)), storage_(std::make_shared<Storage>()) {
  storage_->device = device;
}

Tensor Tensor::full(Shape shape, Real value, Device device) {
  Tensor x(std::move(shape), device);
  x.fill(value);
  return x;
}

Tensor Tensor::from(Shape shape, const std::vector<Real>& values, Device device) {
  Tensor x(std::move(shape), device);
  require(x.size() == static_cast<Dim>(values.size()), "Tensor", "as many values as shape ", x.shape(), " has, got ", values.size());
  x.copy_from(values.data());
  return x;
}

Device Tensor::device() const {
  require(defined(), "Tensor", "a tensor with a shape is expected, got an undefined one");
  return storage_->device;
}
Dim Tensor::dim(Dim axis) const {
  require(axis >= 0 && axis < rank(), "Tensor", "an axis from 0 to ", rank() - 1, " is expected, got ", axis);
  return shape_[static_cast<std::size_t>(axis)];
}
bool Tensor::allocated() const { return storage_ && (storage_->value || storage_->borrowed || (storage_->later && storage_->later->fetched)); }
bool Tensor::deferred() const { return storage_ && storage_->later && !storage_->later->fetched; }

Real* Tensor::data() const {
  require(defined(), "Tensor", "a tensor with a shape is expected, got an undefined one");
  if (storage_->borrowed) return const_cast<Real*>(storage_->borrowed);
  if (storage_->later) return storage_->later->data(size_, device());
  if (!storage_->value) storage_->value = Buffer(bytes_of(size_), storage_->device);
  return static_cast<Real*>(storage_->value.data());
}

Real* Tensor::Storage::Deferred::data(Dim size, Device device) {
  if (fetched) return static_cast<Real*>(value.data());
  const std::lock_guard lock(mutex);
  if (fetched) return static_cast<Real*>(value.data());
  Buffer all(bytes_of(size), device);
  if (device == Device::cpu) {
    fetch(static_cast<Real*>(all.data()), 0, size);
  } else {
    std::vector<Real> host(static_cast<std::size_t>(size));
    fetch(host.data(), 0, size);
    LAUNCH(device, copy_in, all.data(), host.data(), bytes_of(size));
  }
  value = std::move(all);
  fetch = nullptr;
  fetched = true;
  return static_cast<Real*>(value.data());
}

void Tensor::borrow(const Real* values, std::shared_ptr<const void> owner) const {
  require(device() == Device::cpu, "borrow", "a tensor on the CPU, got one on another device");
  storage_->value = Buffer();
  storage_->later = nullptr;
  storage_->borrowed = values;
  storage_->owner = std::move(owner);
}

void Tensor::defer(Fetch fetch) const {
  require(defined(), "defer", "a tensor with a shape is expected, got an undefined one");
  storage_->value = Buffer();
  storage_->borrowed = nullptr;
  storage_->owner = nullptr;
  storage_->later = std::make_unique<Storage::Deferred>();
  storage_->later->fetch = std::move(fetch);
}

void Tensor::read(Real* to, Dim begin, Dim count) const {
  require(begin >= 0 && count >= 0 && count <= size_ && begin <= size_ - count, "read", "elements within 0 to ", size_, ", got ", count, " from ",
          begin, " on");
  if (deferred()) {
    std::unique_lock lock(storage_->later->mutex);
    const Fetch fetch = storage_->later->fetch;  // gone if another thread has just fetched all
    lock.unlock();
    if (fetch) return fetch(to, begin, count);
  }
  LAUNCH(device(), copy_out, to, data() + begin, bytes_of(count));
}

std::vector<Real> Tensor::to_vector() const {
  std::vector<Real> host(static_cast<std::size_t>(size_));
  LAUNCH(device(), copy_out, host.data(), data(), bytes_of(size_));
  return host;
}

Real Tensor::item() const {
  require(size_ == 1, "item", "a tensor of one number, got shape ", shape_);
  return to_vector()[0];
}

void Tensor::copy_from(const Real* host) const { LAUNCH(device(), copy_in, data(), host, bytes_of(size_)); }
void Tensor::fill(Real value) const { LAUNCH(device(), fill, data(), value, size_); }

Tensor Tensor::to(Device device) const {
  Tensor copy(shape_, device);
  if (this->device() == Device::cpu)
    copy.copy_from(data());
  else
    copy.copy_from(to_vector().data());
  return copy;
}

void Tensor::move_to(Device device) const {
  require_device(device, "move_to");
  if (device == this->device()) return;
  Buffer moved;
  if (allocated()) {  // otherwise there is nothing to carry: the memory is taken there when it is asked for
    moved = Buffer(bytes_of(size_), device);
    if (device == Device::cpu)
      LAUNCH(this->device(), copy_out, moved.data(), data(), bytes_of(size_));
    else
      LAUNCH(device, copy_in, moved.data(), data(), bytes_of(size_));
  }
  if (!deferred()) storage_->later = nullptr;
  storage_->value = std::move(moved);
  storage_->borrowed = nullptr;
  storage_->owner = nullptr;
  storage_->grad = Buffer();
  storage_->device = device;
}

void move_to(const Parameters& parameters, Device device) {
  for (const Parameter& p : parameters) p.value.move_to(device);
}

Tensor Tensor::reshape(Shape shape) const {
  Tensor other = *this;
  other.size_ = element_count(shape);
  require(other.size_ == size_, "reshape", "the new shape has as many elements as ", shape_, ", got ", shape);
  other.shape_ = std::move(shape);
  return other;
}

bool Tensor::requires_grad() const { return storage_ && storage_->requires_grad; }
bool Tensor::has_grad() const { return storage_ && storage_->grad; }

const Tensor& Tensor::require_grad(bool wanted) const {
  require(defined(), "require_grad", "a tensor with a shape is expected, got an undefined one");
  storage_->requires_grad = wanted;
  return *this;
}

Real* Tensor::grad() const {
  if (!requires_grad()) return nullptr;
  if (!storage_->grad) {
    storage_->grad = Buffer(bytes_of(size_), device());
    zero_grad();
  }
  return static_cast<Real*>(storage_->grad.data());
}

std::vector<Real> Tensor::grad_to_vector() const {
  std::vector<Real> host(static_cast<std::size_t>(size_), Real(0));
  if (has_grad()) LAUNCH(device(), copy_out, host.data(), storage_->grad.data(), bytes_of(size_));
  return host;
}

void Tensor::zero_grad() const {
  if (has_grad()) LAUNCH(device(), fill, static_cast<Real*>(storage_->grad.data()), Real(0), size_);
}

bool Tensor::adopt_grad(const Tensor& d) const {
  require(d.size() == size_ && d.device() == device(), "adopt_grad", "a gradient of ", size_, " reals on the same device, got shape ", d.shape());
  if (!requires_grad() || has_grad() || d.storage_->borrowed || d.storage_->later) return false;
  d.data();
  storage_->grad = std::move(d.storage_->value);
  return true;
}

struct Ids::Storage {
  Device device = Device::cpu;
  Buffer value;
};

Ids::Ids(Shape shape, const std::vector<std::int32_t>& values, Device device)
    : shape_(std::move(shape)), size_(element_count(shape_)), storage_(std::make_shared<Storage>()) {
  require(size_ == static_cast<Dim>(values.size()), "Ids", "as many values as shape ", shape_, " has, got ", values.size());
  storage_->device = device;
  const std::size_t bytes = values.size() * sizeof(std::int32_t);
  storage_->value = Buffer(bytes, device);
  LAUNCH(device, copy_in, storage_->value.data(), values.data(), bytes);
  if (!values.empty()) {
    smallest_ = *std::min_element(values.begin(), values.end());
    largest_ = *std::max_element(values.begin(), values.end());
  }
}

Device Ids::device() const { return storage_->device; }
const std::int32_t* Ids::data() const { return storage_ ? static_cast<const std::int32_t*>(storage_->value.data()) : nullptr; }

std::vector<std::int32_t> Ids::to_vector() const {
  std::vector<std::int32_t> host(static_cast<std::size_t>(size_));
  LAUNCH(device(), copy_out, host.data(), data(), host.size() * sizeof(std::int32_t));
  return host;
}

Ids Ids::to(Device device) const { return device == this->device() ? *this : Ids(shape_, to_vector(), device); }

void require_device(Device device, const std::string& who) {
  if (device == Device::cuda) cuda::require_backend(who.c_str());
}

Device find_device(const std::string& name, const std::string& where) {
  require_word(name, {"cpu", "cuda"}, where);
  const Device device = name == "cuda" ? Device::cuda : Device::cpu;
  require_device(device, where + " cuda");
  return device;
}

std::string device_name(Device device) {
  char name[256] = "";
  LAUNCH(device, device_name, name, static_cast<Dim>(sizeof name));
  return name;
}

bool built_for(Device device) { return device == Device::cpu || cuda::is_built(); }

void set_threads(int count) {
  require(count >= 1, "set_threads", "at least 1 thread, got ", count);
  omp_set_num_threads(std::min(count, 4 * omp_get_num_procs()));
}
int threads() { return omp_get_max_threads(); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
