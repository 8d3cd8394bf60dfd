// evaluate.cpp — do the matching pairs find each other? Retrieval in both directions and zero-shot classes.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
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

// (n, 3, S, S) and (n, T)
Tensor images_of(const Samples& samples, std::span<const Dim> which) {
  std::vector<Image> pictures;
  for (const Dim i : which) pictures.push_back(samples.picture(i));
  return to_tensor(pictures, samples.table());
}
Ids tokens_of(const Samples& samples, std::span<const Dim> which) {
  std::vector<std::int32_t> values;
  for (const Dim i : which) values.insert(values.end(), samples.ids(i).begin(), samples.ids(i).end());
  return Ids({std::ssize(which), std::ssize(samples.ids(0))}, values);
}

Embeddings embed(const Siglip& model, const Samples& samples, std::span<const Dim> which, std::size_t batch, TextRows& seen) {
  const Dim N = std::ssize(which), E = model.config.projection;
  const Device device = model.log_t.device();
  Embeddings all{Tensor({N, E}), Tensor({N, E})};
  for (std::size_t begin = 0; begin < which.size(); begin += batch) {
    const std::span<const Dim> part = which.subspan(begin, std::min(batch, which.size() - begin));
    const Tensor pictures = images_of(samples, part);
    pictures.move_to(device);
    const Tensor u = model.vision(pictures), v = model.text(tokens_of(samples, part).to(device));
    u.read(all.images.data() + static_cast<Dim>(begin) * E, 0, u.size());
    v.read(all.texts.data() + static_cast<Dim>(begin) * E, 0, v.size());
  }
  for (Dim i = 0; i < N; ++i) {
    Real* row = all.texts.data() + i * E;
    const Real* first = seen.try_emplace(samples.ids(which[static_cast<std::size_t>(i)]), row).first->second;
    if (first != row) std::copy_n(first, E, row);
  }
  return all;
}

std::vector<Dim> first_ones(Dim count) {
  std::vector<Dim> which(static_cast<std::size_t>(count));
  std::iota(which.begin(), which.end(), Dim{0});
  return which;
}
}  // namespace

void require_finite(const Tensor& embeddings, const std::string& who) {
  const Real* x = embeddings.data();
  for (Dim i = 0; i < embeddings.size(); ++i)
    require(std::isfinite(x[i]), who, "finite embeddings are expected, got ", x[i], "; siglip doctor examines the model's weights");
}

Embeddings embed(const Siglip& model, const Samples& samples, Dim count, Dim batch) {
  TextRows seen;
  return embed(model, samples, first_ones(count ? std::min(count, samples.size()) : samples.size()), static_cast<std::size_t>(batch), seen);
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
void search(Tally& tally, const Numbered& from, Dim begin, Dim end, const Rows& pictures, const Rows& captions) {
  Rows image_queries, text_queries;
  for (Dim i = begin; i < end; ++i) {
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

std::vector<Pair> pairs_of(const Samples& samples, const std::vector<Dim>& which) {
  std::vector<Pair> pairs;
  for (const Dim i : which) pairs.push_back(samples.pair(i));
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

double accuracy_of(const std::vector<Prediction>& predictions) {
  const auto right = std::count_if(predictions.begin(), predictions.end(), [](const Prediction& p) { return p.predicted == p.label; });
  return predictions.empty() ? -1 : double(right) / double(predictions.size());
}

Tally search_groups(const Numbered& from, const Candidates& candidates, const std::vector<bool>& nothing_seen) {
  Tally tally;
  const Dim group = group_size(from.split->pairs, candidates);
  for (Dim begin = 0; begin + group <= from.size(); begin += group) {
    Rows pictures, captions;
    std::vector<bool> seen = nothing_seen;
    add_candidates(pictures, captions, seen, from, begin, begin + group);
    search(tally, from, begin, begin + group, pictures, captions);
  }
  return tally;
}
}  // namespace

void require_queries(const NamedSamples& split) {
  for (Dim i = 0; i < split.samples->size(); ++i)
    if (!split.samples->pair(i).distractor) return;
  fail(split.name, "at least one query, got only distractors");
}

std::vector<Dim> sampled(const Samples& samples, const Candidates& candidates, Dim most) {
  const std::vector<Dim> everything = first_ones(samples.size());
  const Dim N = samples.size(), group = candidates.kind == Candidates::groups ? candidates.group : 1;
  const Dim groups = N / group, wanted = (most + group - 1) / group;
  if (most == 0 || candidates.kind == Candidates::all || wanted >= groups || has_distractors(pairs_of(samples, everything))) return everything;
  std::vector<Dim> which;
  for (Dim k = 0; k < wanted; ++k)
    for (Dim i = k * groups / wanted * group, end = i + group; i < end; ++i) which.push_back(i);
  return which;
}

std::vector<Prediction> predictions(const EmbeddedSplit& split, const Tensor& classes) {
  std::vector<Prediction> all;
  for (std::size_t i = 0; i < split.pairs.size(); ++i) {
    const Pair& pair = split.pairs[i];
    if (pair.label < 0) continue;
    const Match best = best_matches(split.embeddings.images.data() + static_cast<Dim>(i) * classes.columns(), classes, 1)[0];
    all.push_back({pair.image, pair.label, static_cast<std::int32_t>(best.candidate), best.cosine});
  }
  return all;
}

ClassMatrix class_matrix(const std::vector<Prediction>& predictions, Dim classes) {
  ClassMatrix matrix{classes, std::vector<Dim>(static_cast<std::size_t>(classes * classes))};
  for (const Prediction& p : predictions) {
    require(p.label >= 0 && p.label < classes && p.predicted >= 0 && p.predicted < classes, "class matrix", "classes below ", classes,
            " are expected, got ", p.label, " taken for ", p.predicted);
    ++matrix.counts[static_cast<std::size_t>(p.label * classes + p.predicted)];
  }
  return matrix;
}

Dim ClassMatrix::support(Dim c) const {
  Dim sum = 0;
  for (Dim k = 0; k < classes; ++k) sum += at(c, k);
  return sum;
}
double ClassMatrix::recall(Dim c) const { return double(at(c, c)) / double(support(c)); }
double ClassMatrix::precision(Dim c) const {
  Dim taken = 0;
  for (Dim k = 0; k < classes; ++k) taken += at(k, c);
  return double(at(c, c)) / double(taken);
}

std::vector<Evaluation> evaluate(const std::vector<EmbeddedSplit>& splits, const std::vector<EmbeddedSplit>& others, const Candidates& candidates,
                                 const Tensor& classes) {
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
      search(tally, all[s], 0, all[s].size(), all_pictures, all_captions);
    else
      tally = search_groups(all[s], candidates, nothing_seen);
    const std::vector<Prediction> predicted = classes.defined() ? predictions(splits[s], classes) : std::vector<Prediction>();
    results.push_back({splits[s].name, std::ssize(tally.image_ranks), tally.captions, recall(tally.image_ranks, tally.captions),
                       recall(tally.text_ranks, tally.pictures), accuracy_of(predicted), predicted});
  }
  return results;
}

std::vector<Evaluation> evaluate(const Siglip& model, const std::vector<NamedSamples>& splits, const std::vector<NamedSamples>& others,
                                 const Candidates& candidates, const Ids& class_texts, Dim most, bool finite) {
  for (const NamedSamples& split : splits) require_queries(split);
  TextRows seen;
  const auto embedded = [&](const std::vector<NamedSamples>& parts, Dim pairs) {
    std::vector<EmbeddedSplit> result;
    for (const NamedSamples& part : parts) {
      const std::vector<Dim> which = sampled(*part.samples, candidates, pairs);
      result.push_back({part.name, pairs_of(*part.samples, which), embed(model, *part.samples, which, 256, seen)});
      if (!finite) continue;
      for (const Tensor& rows : {result.back().embeddings.images, result.back().embeddings.texts}) require_finite(rows, "eval " + part.name);
    }
    return result;
  };
  const std::vector<NamedSamples> none;
  const Tensor classes = class_texts.defined() ? model.text(class_texts.to(model.log_t.device())) : Tensor();
  if (classes.defined()) classes.move_to(Device::cpu);
  const std::vector<EmbeddedSplit> asked = embedded(splits, most), beside = embedded(candidates.kind == Candidates::all ? others : none, 0);
  return evaluate(asked, beside, candidates, classes);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
