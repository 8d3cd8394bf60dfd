// preprocessor_json.h — where a folder says how its pictures become numbers.
#pragma once
#include "io/section.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// The object image_processor of processor_config.json, where it is there, else preprocessor_config.json. Throws Error naming both if neither is.
Section preprocessing_section(const std::string& folder);
}  // namespace siglip::inline SIGLIP_FLAVOUR
