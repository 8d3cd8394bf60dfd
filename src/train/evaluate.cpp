// evaluate.cpp — do the matching pairs find each other? Retrieval in both directions and zero-shot classes.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include "siglip/error.h"
#include "siglip/train.h"
#include "train/evaluate.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Candidates Candidates::parse(const std::string& text, const std::string& where) {
  if (text == "split") return {split, 0};
  if (text == "all") return {all, 0};
  Dim number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  require(error == std::errc() && end == text.data() + text.size() && number >= 2, where, "split, all or a number from 2, got \"", text, "\"");
  return {groups, number};
}

namespace {
// Where the embedding of a text lies, by its tokens. A row's last bit may depend on its place in the batch, so texts of equal tokens share the
// row of the first: they must tie.
using TextRows = std::map<std::vector<std::int32_t>, const Real*>;

Embeddings embed(const Siglip& model, const Samples& samples, Dim count, Dim batch, TextRows& seen) {
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
  for (Dim i = 0; i < N; ++i) {
    Real* row = all.texts.data() + i * E;
    const Real* first = seen.try_emplace(samples.ids(i), row).first->second;
    if (first != row) std::copy_n(first, E, row);
  }
  return all;
}
}  // namespace

void require_finite(const Tensor& embeddings, const std::string& who) {
  const Real* x = embeddings.data();
  for (Dim i = 0; i < embeddings.size(); ++i)
    require(std::isfinite(x[i]), who, "finite embeddings are expected, got ", x[i], "; siglip doctor examines the model's weights");
}

Embeddings embed(const Siglip& model, const Samples& samples, Dim count, Dim batch) {
  TextRows seen;
  return embed(model, samples, count, batch, seen);
}

namespace {
using CaptionIds = std::map<std::string, std::int32_t>;  // equal texts, equal id, across splits

struct Numbered {
  const EmbeddedSplit* split;
  std::vector<std::int32_t> captions;
  Dim size() const { return static_cast<Dim>(captions.size()); }
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
void add_candidates(Rows& pictures, Rows& captions, std::vector<bool>& seen, const Numbered& from, Dim begin, Dim end) {
  for (Dim i = begin; i < end; ++i) {
    const std::int32_t id = from.captions[static_cast<std::size_t>(i)];
    pictures.add(from.split->embeddings.images, i, id);
    if (seen[static_cast<std::size_t>(id)]) continue;
    seen[static_cast<std::size_t>(id)] = true;
    captions.add(from.split->embeddings.texts, i, id);
  }
}

struct Tally {
  std::vector<Dim> image_ranks, text_ranks;
  Dim captions = 0, pictures = 0;
};

// The queries of samples begin … end-1 search among the candidates.
void search(Tally& tally, const Numbered& from, Dim begin, Dim end, Dim most, const Rows& pictures, const Rows& captions) {
  Rows image_queries, text_queries;
  for (Dim i = begin; i < end && (most == 0 || static_cast<Dim>(tally.image_ranks.size() + image_queries.ids.size()) < most); ++i) {
    if (from.split->pairs[static_cast<std::size_t>(i)].distractor) continue;
    const std::int32_t id = from.captions[static_cast<std::size_t>(i)];
    image_queries.add(from.split->embeddings.images, i, id);
    text_queries.add(from.split->embeddings.texts, i, id);
  }
  if (image_queries.ids.empty()) return;
  const auto append = [](std::vector<Dim>& to, const std::vector<Dim>& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(tally.image_ranks, ranks(image_queries.tensor(), captions.tensor(), image_queries.ids, captions.ids));
  append(tally.text_ranks, ranks(text_queries.tensor(), pictures.tensor(), text_queries.ids, pictures.ids));
  tally.captions = std::max(tally.captions, static_cast<Dim>(captions.ids.size()));
  tally.pictures = std::max(tally.pictures, static_cast<Dim>(pictures.ids.size()));
}

std::vector<Pair> first_pairs(const Samples& samples, Dim count) {
  std::vector<Pair> pairs;
  for (Dim i = 0; i < count; ++i) pairs.push_back(samples.pair(i));
  return pairs;
}

bool has_distractors(const std::vector<Pair>& pairs) {
  return std::any_of(pairs.begin(), pairs.end(), [](const Pair& pair) { return pair.distractor; });
}

// Groups are whole, so that every query has as many candidates. A split smaller than one group is one group, and so is a split with
// distractors: they are its candidates.
Dim group_size(const std::vector<Pair>& pairs, const Candidates& candidates) {
  const Dim N = std::ssize(pairs);
  return candidates.kind != Candidates::groups || has_distractors(pairs) ? N : std::min(candidates.group, N);
}

double zero_shot_accuracy(const EmbeddedSplit& split, const Tensor& classes) {
  Dim right = 0, labelled = 0;
  for (Dim i = 0; i < std::ssize(split.pairs); ++i) {
    const Dim label = split.pairs[static_cast<std::size_t>(i)].label;
    if (label < 0) continue;
    ++labelled;
    right += best_matches(split.embeddings.images.data() + i * classes.columns(), classes, 1)[0].candidate == label;
  }
  return labelled ? double(right) / double(labelled) : -1;
}

Tally search_groups(const Numbered& from, const Candidates& candidates, Dim most, const std::vector<bool>& nothing_seen) {
  Tally tally;
  const Dim group = group_size(from.split->pairs, candidates);
  for (Dim begin = 0; begin + group <= from.size(); begin += group) {
    Rows pictures, captions;
    std::vector<bool> seen = nothing_seen;
    add_candidates(pictures, captions, seen, from, begin, begin + group);
    search(tally, from, begin, begin + group, most, pictures, captions);
  }
  return tally;
}
}  // namespace

void require_queries(const NamedSamples& split) {
  for (Dim i = 0; i < split.samples->size(); ++i)
    if (!split.samples->pair(i).distractor) return;
  fail(split.name, "at least one query, got only distractors");
}

Dim samples_needed(const Samples& samples, const Candidates& candidates, Dim most, bool classes) {
  const Dim N = samples.size(), group = group_size(first_pairs(samples, N), candidates);
  if (most == 0 || classes || group == N) return N;
  return std::min(N, (most + group - 1) / group * group);
}

std::vector<Evaluation> evaluate(const std::vector<EmbeddedSplit>& splits, const std::vector<EmbeddedSplit>& others, const Candidates& candidates,
                                 const Tensor& classes, Dim most) {
  CaptionIds caption_ids;
  std::vector<Numbered> all;
  for (const std::vector<EmbeddedSplit>* part : {&splits, &others})
    for (const EmbeddedSplit& split : *part) {
      all.push_back({&split, {}});
      for (const Pair& pair : split.pairs)
        all.back().captions.push_back(caption_ids.try_emplace(pair.text, static_cast<std::int32_t>(caption_ids.size())).first->second);
    }
  const std::vector<bool> nothing_seen(caption_ids.size());
  Rows all_pictures, all_captions;
  if (candidates.kind == Candidates::all) {
    std::vector<bool> seen = nothing_seen;
    for (const Numbered& from : all) add_candidates(all_pictures, all_captions, seen, from, 0, from.size());
  }

  std::vector<Evaluation> results;
  for (std::size_t s = 0; s < splits.size(); ++s) {
    Tally tally;
    if (candidates.kind == Candidates::all)
      search(tally, all[s], 0, all[s].size(), most, all_pictures, all_captions);
    else
      tally = search_groups(all[s], candidates, most, nothing_seen);
    results.push_back({splits[s].name, std::ssize(tally.image_ranks), tally.captions, recall(tally.image_ranks, tally.captions),
                       recall(tally.text_ranks, tally.pictures), classes.defined() ? zero_shot_accuracy(splits[s], classes) : -1});
  }
  return results;
}

std::vector<Evaluation> evaluate(const Siglip& model, const std::vector<NamedSamples>& splits, const std::vector<NamedSamples>& others,
                                 const Candidates& candidates, const Ids& class_texts, Dim most, bool finite) {
  for (const NamedSamples& split : splits) require_queries(split);
  TextRows seen;
  const auto embedded = [&](const std::vector<NamedSamples>& parts, Dim queries) {
    std::vector<EmbeddedSplit> result;
    for (const NamedSamples& part : parts) {
      const Dim count = samples_needed(*part.samples, candidates, queries, class_texts.defined());
      result.push_back({part.name, first_pairs(*part.samples, count), embed(model, *part.samples, count, 256, seen)});
      if (!finite) continue;
      for (const Tensor& rows : {result.back().embeddings.images, result.back().embeddings.texts}) require_finite(rows, "eval " + part.name);
    }
    return result;
  };
  const std::vector<NamedSamples> none;
  const Tensor classes = class_texts.defined() ? model.text(class_texts.to(model.log_t.device())) : Tensor();
  if (classes.defined()) classes.move_to(Device::cpu);
  const std::vector<EmbeddedSplit> asked = embedded(splits, most), beside = embedded(candidates.kind == Candidates::all ? others : none, 0);
  return evaluate(asked, beside, candidates, classes, most);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
