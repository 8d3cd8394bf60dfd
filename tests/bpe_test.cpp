// Byte pair encoding: the ids of the tokenizers library, and files that are not what they claim to be.
#include <doctest/doctest.h>
#include <chrono>
#include <functional>
#include "data/bpe_file.h"
#include "temporary_folder.h"
#include "tokenizer_goldens.h"
using namespace siglip;
using Row = std::vector<std::int32_t>;
using Pieces = std::vector<std::string>;

TEST_CASE("bpe: the ids of the tokenizers library, lowered and not") {
  check_goldens(*read_tokenizer(golden_folder + "gemma"), "siglip2", 0);
  check_goldens(*read_tokenizer(golden_folder + "gemma", {.lower = false}), "siglip2-cased", 0);
}
