// evaluate.cpp — do the matching pairs find each other? Retrieval in both directions and zero-shot classes.
#include <algorithm>
#include <charconv>
#include <map>
#include "siglip/error.h"
#include "siglip/train.h"
#include "train/evaluate.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Candidates Candidates::parse(const std::string& text) {
  if (text == "split") return {split, 0};
  if (text == "all") return {all, 0};
  Dim number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  require(error == std::errc() && end == text.data() + text.size() && number >= 2, "--candidates", "split, all or a number from 2, got \"", text,
          "\"");
  return {groups, number};
}

Embeddings embed(const Siglip& model, const Samples& samples, Dim count, Dim batch) {
  const Dim N = count ? std::min(count, samples.size()) : samples.size(), E = model.config.projection;
  const Device device = model.log_t.device();
  Embeddings all{Tensor({N, E}), Tensor({N, E})};
  for (Dim begin = 0; begin < N; begin += batch) {
    const Dim end = std::min(N, begin + batch);
    const Tensor pictures = samples.images(begin, end);
    pictures.move_to(device);
    const Tensor u = model.vision(pictures), v = model.text(samples.tokens(begin, end).to(device));
    u.read(all.images.data() + begin * E, 0, u.size());
    v.read(all.texts.data() + begin * E, 0, v.size());
  }
  return all;
}

namespace {
using CaptionIds = std::map<std::vector<std::int32_t>, std::int32_t>;  // equal tokens, equal id, across splits

// The first `count` samples of a split.
struct Embedded {
  const Samples* samples;
  Dim count;
  Embeddings embeddings;
  std::vector<std::int32_t> captions;
};

// Rows of a matrix with their caption ids: queries or candidates.
struct Rows {
  std::vector<Real> values;
  std::vector<std::int32_t> ids;
  void add(const Tensor& from, Dim row, std::int32_t id) {
    const Dim E = from.columns();
    values.insert(values.end(), from.data() + row * E, from.data() + (row + 1) * E);
    ids.push_back(id);
  }
  Tensor tensor() const {
    const Dim N = static_cast<Dim>(ids.size());
    return Tensor::from({N, N ? static_cast<Dim>(values.size()) / N : 0}, values);
  }
};

// Candidates of some samples: every picture, and each distinct caption once.
void add_candidates(Rows& pictures, Rows& captions, std::vector<bool>& seen, const Embedded& from, Dim begin, Dim end) {
  for (Dim i = begin; i < end; ++i) {
    const std::int32_t id = from.captions[static_cast<std::size_t>(i)];
    pictures.add(from.embeddings.images, i, id);
    if (seen[static_cast<std::size_t>(id)]) continue;
    seen[static_cast<std::size_t>(id)] = true;
    captions.add(from.embeddings.texts, i, id);
  }
}

struct Tally {
  std::vector<Dim> image_ranks, text_ranks;
  Dim captions = 0, pictures = 0;
};

// The queries of samples begin … end-1 search among the candidates.
void search(Tally& tally, const Embedded& split, Dim begin, Dim end, Dim most, const Rows& pictures, const Rows& captions) {
  Rows image_queries, text_queries;
  for (Dim i = begin; i < end && (most == 0 || static_cast<Dim>(tally.image_ranks.size() + image_queries.ids.size()) < most); ++i) {
    if (split.samples->pair(i).distractor) continue;
    const std::int32_t id = split.captions[static_cast<std::size_t>(i)];
    image_queries.add(split.embeddings.images, i, id);
    text_queries.add(split.embeddings.texts, i, id);
  }
  if (image_queries.ids.empty()) return;
  const auto append = [](std::vector<Dim>& to, const std::vector<Dim>& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(tally.image_ranks, ranks(image_queries.tensor(), captions.tensor(), image_queries.ids, captions.ids));
  append(tally.text_ranks, ranks(text_queries.tensor(), pictures.tensor(), text_queries.ids, pictures.ids));
  tally.captions = std::max(tally.captions, static_cast<Dim>(captions.ids.size()));
  tally.pictures = std::max(tally.pictures, static_cast<Dim>(pictures.ids.size()));
}

bool has(const Samples& samples, bool distractor) {
  for (Dim i = 0; i < samples.size(); ++i)
    if (samples.pair(i).distractor == distractor) return true;
  return false;
}

// Groups are whole, so that every query has as many candidates. A split smaller than one group is one group, and so is a split with
// distractors: they are its candidates.
Dim group_size(const Samples& samples, const Candidates& candidates) {
  const bool whole = candidates.kind != Candidates::groups || has(samples, true);
  return whole ? samples.size() : std::min(candidates.group, samples.size());
}

double zero_shot_accuracy(const Embedded& split, const Tensor& classes) {
  Dim right = 0, labelled = 0;
  for (Dim i = 0; i < split.count; ++i) {
    const Dim label = split.samples->pair(i).label;
    if (label < 0) continue;
    ++labelled;
    right += best_matches(split.embeddings.images.data() + i * classes.columns(), classes, 1)[0].candidate == label;
  }
  return labelled ? double(right) / double(labelled) : -1;
}
}  // namespace

void require_queries(const NamedSamples& split) { require(has(*split.samples, false), split.name, "at least one query, got only distractors"); }

Dim samples_needed(const Samples& samples, const Candidates& candidates, Dim most, bool classes) {
  const Dim N = samples.size(), group = group_size(samples, candidates);
  if (most == 0 || classes || group == N) return N;
  return std::min(N, (most + group - 1) / group * group);
}

std::vector<Evaluation> evaluate(const Siglip& model, const std::vector<NamedSamples>& splits, const std::vector<NamedSamples>& others,
                                 const Candidates& candidates, const Ids& class_texts, Dim most) {
  CaptionIds caption_ids;
  std::vector<Embedded> embedded;
  const auto take = [&](const NamedSamples& named, Dim queries) {
    const Samples& samples = *named.samples;
    const Dim count = samples_needed(samples, candidates, queries, class_texts.defined());
    std::vector<std::int32_t> ids;
    for (Dim i = 0; i < count; ++i)
      ids.push_back(caption_ids.try_emplace(samples.ids(i), static_cast<std::int32_t>(caption_ids.size())).first->second);
    embedded.push_back({&samples, count, embed(model, samples, count), std::move(ids)});
  };
  for (const NamedSamples& split : splits) require_queries(split);
  for (const NamedSamples& split : splits) take(split, most);
  if (candidates.kind == Candidates::all)
    for (const NamedSamples& other : others) take(other, 0);
  const std::vector<bool> nothing_seen(caption_ids.size());

  Rows all_pictures, all_captions;
  if (candidates.kind == Candidates::all) {
    std::vector<bool> seen = nothing_seen;
    for (const Embedded& e : embedded) add_candidates(all_pictures, all_captions, seen, e, 0, e.count);
  }
  const Tensor classes = class_texts.defined() ? model.text(class_texts.to(model.log_t.device())) : Tensor();
  if (classes.defined()) classes.move_to(Device::cpu);

  std::vector<Evaluation> results;
  for (std::size_t s = 0; s < splits.size(); ++s) {
    const Embedded& split = embedded[s];
    Tally tally;
    if (candidates.kind == Candidates::all) {
      search(tally, split, 0, split.count, most, all_pictures, all_captions);
    } else {
      const Dim group = group_size(*split.samples, candidates);
      for (Dim begin = 0; begin + group <= split.count; begin += group) {
        Rows pictures, captions;
        std::vector<bool> seen = nothing_seen;
        add_candidates(pictures, captions, seen, split, begin, begin + group);
        search(tally, split, begin, begin + group, most, pictures, captions);
      }
    }
    results.push_back({splits[s].name, static_cast<Dim>(tally.image_ranks.size()), tally.captions, recall(tally.image_ranks, tally.captions),
                       recall(tally.text_ranks, tally.pictures), classes.defined() ? zero_shot_accuracy(split, classes) : -1});
  }
  return results;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
