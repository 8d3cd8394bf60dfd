// tensor.h — Tensor: a value handle on a shared, contiguous, row-major buffer.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
using Shape = std::vector<Dim>;
/// The product of all axes; 1 for a scalar. Throws Error on a negative axis or a product beyond 2^59.
Dim element_count(const Shape& shape);

/// Copies share the buffer, the gradient and requires_grad. There are no strides and no views but reshape().
/// Memory is taken from a pool at the first data(), so a Tensor that is only asked for its shape costs nothing.
class Tensor {
 public:
  Tensor() = default;                                         // no tensor: defined() is false
  explicit Tensor(Shape shape, Device device = Device::cpu);  // uninitialised
  static Tensor like(const Tensor& other) { return Tensor(other.shape(), other.device()); }
  static Tensor full(Shape shape, Real value, Device device = Device::cpu);
  /// Copies `values` (row-major) in. Throws Error if their number is not the shape's.
  static Tensor from(Shape shape, const std::vector<Real>& values, Device device = Device::cpu);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Device device() const;  // throws Error if there is no tensor
  Dim rank() const { return static_cast<Dim>(shape_.size()); }
  Dim dim(Dim axis) const;                                            // throws Error unless 0 <= axis < rank()
  Dim size() const { return size_; }                                  // product of all axes
  Dim columns() const { return shape_.empty() ? 1 : shape_.back(); }  // C: the last axis; 1 for a scalar
  Dim rows() const { return columns() ? size_ / columns() : 0; }      // N: the product of the others; 0 if C is 0

  Real* data() const;  // on device(); 64-byte aligned unless borrowed
  bool allocated() const;
  std::vector<Real> to_vector() const;     // a copy on the host
  Real item() const;                       // the value of a one-element tensor
  void copy_from(const Real* host) const;  // size() values from the host
  void fill(Real value) const;
  Tensor to(Device device) const;  // a copy there, without gradient
  /// The values themselves go there, for every handle that shares them, and lose their gradient; if they are there already, nothing happens. Borrowed
  /// values are copied, deferred ones will be fetched to there. Throws NoBackend, and Error if memory is short there: then nothing has moved.
  void move_to(Device device) const;

  // Values that lie elsewhere, for weights that are used where their file has them.
  /// The values are these size() numbers of the host, which live as long as `owner`; they need not be 64-byte aligned.
  void borrow(const Real* values, std::shared_ptr<const void> owner) const;
  /// The values are fetched when they are first asked for: fetch(to, begin, count) writes elements begin … begin + count - 1 to the host. Several
  /// threads may ask at once: one fetches all, the others wait for it; `fetch` itself may be called by several for parts.
  using Fetch = std::function<void(Real* to, Dim begin, Dim count)>;
  void defer(Fetch fetch) const;
  /// Some of the values, on the host; those of a deferred tensor are fetched without keeping them. Throws Error beyond size().
  void read(Real* to, Dim begin, Dim count) const;
  bool deferred() const;  // not fetched yet

  /// The same buffer and gradient under another shape of the same size. Throws Error if the sizes differ.
  Tensor reshape(Shape shape) const;

  // The gradient adds up here. Null where none is wanted, so every backward kernel accepts null.
  Real* grad() const;
  std::vector<Real> grad_to_vector() const;  // a copy on the host; zeros if nothing was added yet
  bool has_grad() const;                     // something may have been added
  void zero_grad() const;                    // keeps the memory
  bool requires_grad() const;
  const Tensor& require_grad(bool wanted = true) const;
  /// If nothing was added to this gradient yet, the buffer of `d` becomes it (d is spent) and the answer is true.
  bool adopt_grad(const Tensor& d) const;

 private:
  struct Storage;
  Shape shape_;
  Dim size_ = 0;
  std::shared_ptr<Storage> storage_;
};
using Tensors = std::vector<Tensor>;

/// Token ids, labels, caption ids: int32, never differentiated.
class Ids {
 public:
  Ids() = default;
  Ids(Shape shape, const std::vector<std::int32_t>& values, Device device = Device::cpu);
  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Dim size() const { return size_; }
  Device device() const;
  const std::int32_t* data() const;  // on device(); null if not defined
  std::vector<std::int32_t> to_vector() const;
  Ids to(Device device) const;                         // the same there; itself if it is there already
  std::int32_t smallest() const { return smallest_; }  // both 0 if there are none
  std::int32_t largest() const { return largest_; }

 private:
  struct Storage;
  Shape shape_;
  Dim size_ = 0;
  std::int32_t smallest_ = 0, largest_ = 0;
  std::shared_ptr<Storage> storage_;
};

/// A trained tensor under its Hugging Face name, as it stands in model.safetensors.
struct Parameter {
  std::string name;
  Tensor value;
  bool decays = false;  // weight decay applies: kernels of products, nothing else
};
using Parameters = std::vector<Parameter>;
void move_to(const Parameters& parameters, Device device);

/// Throws NoBackend unless tensors can lie there: "WHO: this build has no CUDA backend", "WHO: no CUDA device".
void require_device(Device device, const std::string& who);
/// The device of a name, cpu or cuda. Throws Error for another name, and NoBackend as require_device does. `where` (a file, a flag) opens the
/// messages: "WHERE cuda: no CUDA device".
Device find_device(const std::string& name, const std::string& where = "device");
/// What the device calls itself; throws NoBackend if there is none.
std::string device_name(Device device);
bool built_for(Device device);  // whether this build has kernels for it, there or not

/// What the buffer pool of a device holds, in bytes.
struct PoolStats {
  std::int64_t in_use = 0;       // handed out now
  std::int64_t peak = 0;         // most that was handed out at once since reset_pool_peak()
  std::int64_t reserved = 0;     // in_use plus what waits to be used again
  std::int64_t allocations = 0;  // calls to the system's allocator since the start
};
PoolStats pool_stats(Device device = Device::cpu);
std::int64_t device_memory(Device device = Device::cpu);  // bytes that the machine, or the device, has in all
void reset_pool_peak(Device device = Device::cpu);
void trim_pool(Device device = Device::cpu);  // gives waiting buffers back to the system

/// Threads that a kernel may use (OpenMP), at least 1; of more than four for each processor, which the system might not be able to start, only
/// so many are used. Results do not depend on it.
void set_threads(int count);
int threads();
}  // namespace siglip::inline SIGLIP_FLAVOUR
