// precompiled.h — what most pages include, parsed once for all of them. No page relies on it: each includes what it uses.
#pragma once
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>
#include "core/eigen.h"
#include "io/json.h"
