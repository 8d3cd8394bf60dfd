// shards.h — weights of any size, written from front to back as one file or as several with an index.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "io/safetensors_writer.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// model.safetensors in `folder`; or, if that would hold more than `most_bytes` of data (0: no limit), model-00001-of-00003.safetensors, … and
/// model.safetensors.index.json. A tensor is never cut, so one alone may exceed the limit.
class ShardWriter {
 public:
  ShardWriter(const std::string& folder, const std::vector<TensorInfo>& tensors, const std::map<std::string, std::string>& metadata,
              std::int64_t most_bytes = 0);
  void write(const void* bytes, std::int64_t count);  // the data in the order of `tensors`
  void finish();
  std::size_t files() const { return shards_.size(); }

 private:
  struct Shard {
    std::string name;
    std::vector<TensorInfo> tensors;
    std::int64_t bytes = 0;
  };
  void next_file();
  std::string folder_;
  std::map<std::string, std::string> metadata_;
  std::vector<Shard> shards_;
  std::size_t at_ = 0;  // shards begun
  std::int64_t left_ = 0;
  std::unique_ptr<SafetensorsWriter> file_;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
