// shards.cpp — where one file ends and the next begins.
#include "io/shards.h"
#include <algorithm>
#include <cstdio>
#include "io/dtype.h"
#include "io/json.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
ShardWriter::ShardWriter(const std::string& folder, const std::vector<TensorInfo>& tensors, const std::map<std::string, std::string>& metadata,
                         std::int64_t most_bytes)
    : folder_(folder), metadata_(metadata) {
  for (const TensorInfo& tensor : tensors) {
    const std::int64_t bytes = element_count(tensor.shape) * element_bytes(tensor.dtype);
    if (shards_.empty() || (most_bytes && shards_.back().bytes && shards_.back().bytes + bytes > most_bytes)) shards_.emplace_back();
    shards_.back().tensors.push_back(tensor);
    shards_.back().bytes += bytes;
  }
  require(shards_.size() <= 200, folder, "at most 200 shards are expected, got ", shards_.size(), " of at most ", most_bytes, " bytes");
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    char name[64] = "model.safetensors";
    if (shards_.size() > 1) std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, shards_.size());
    shards_[i].name = name;
  }
}

void ShardWriter::next_file() {
  if (file_) file_->commit();
  require(at_ < shards_.size(), folder_, "as much data as the tensors have is expected, got more");
  const Shard& shard = shards_[at_++];
  file_ = std::make_unique<SafetensorsWriter>(folder_ + "/" + shard.name, shard.tensors, metadata_);
  left_ = shard.bytes;
}

void ShardWriter::write(const void* bytes, std::int64_t count) {
  for (const char* from = static_cast<const char*>(bytes); count > 0;) {
    while (left_ == 0) next_file();
    const std::int64_t now = std::min(count, left_);
    file_->write(from, now);
    from += now, count -= now, left_ -= now;
  }
}

void ShardWriter::finish() {
  while (left_ == 0 && at_ < shards_.size()) next_file();
  if (file_) file_->commit();
  require(at_ == shards_.size(), folder_, "as much data as the tensors have is expected, got less");
  if (shards_.size() < 2) return;
  std::int64_t total = 0;
  std::map<std::string, std::string> places;  // sorted, as transformers has it
  for (const Shard& shard : shards_) {
    total += shard.bytes;
    for (const TensorInfo& tensor : shard.tensors) places[tensor.name] = shard.name;
  }
  const Json json = {{"metadata", {{"total_size", total}}}, {"weight_map", places}};
  write_file(folder_ + "/model.safetensors.index.json", json.dump(2) + "\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
