// report.h — everything the HTML report shows, as plain data: whoever fills it in knows the model, the report does not.
#pragma once
#include <string>
#include <vector>
#include "siglip/data.h"
#include "siglip/metrics.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// p_positive, p_negative: mean probabilities of matching and of other pairs among the first 256 of the batch.
struct LogRow {
  Dim step = 0;
  double loss = 0, lr = 0, t = 0, b = 0, grad_norm = 0, p_positive = 0, p_negative = 0, samples_per_second = 0, peak_memory = 0;
};
struct EvalRow {
  Dim step = 0;
  std::string split;
  Recall image_to_text, text_to_image;
  double accuracy = -1;  // zero-shot; -1 without classes
};
/// A retrieval: one query and its best candidates. Either the query is a picture and the candidates are captions, or the reverse.
struct GalleryItem {
  Image image;       // what the query shows, or the picture that the query's caption belongs to
  std::string text;  // the query's own caption
  bool image_query = true;
  bool held_out = false;  // the query was never seen in training
  Dim rank = 0;           // of the right one
  struct Candidate {
    Image image;
    std::string text;
    double probability = 0, cosine = 0;
    bool right = false;
  };
  std::vector<Candidate> best;  // top 5
};
struct Confusion {
  Image image;
  std::string right, wrong;
  double p_right = 0, p_wrong = 0;
};
struct ReportData {
  std::string title;                                       // the run's name
  std::vector<std::pair<std::string, std::string>> facts;  // headline figures: label, value
  std::vector<LogRow> log;
  std::vector<EvalRow> evaluations;
  std::vector<std::string> classes;  // names; empty without classes
  std::vector<Dim> class_counts;     // classes x classes pictures of class_split: rows are right, columns what they were taken for
  std::string class_split;
  Dim shown_step = 0;                      // the step after which the checkpoint was saved that everything below is about
  std::vector<Image> matrix_images;        // n of the validation batch
  std::vector<std::string> matrix_texts;   // n
  std::vector<double> matrix;              // n x n sigmoid probabilities, rows are images
  std::vector<GalleryItem> gallery;        // held-out ones first
  std::vector<Confusion> confusions;       // worst first
  std::vector<std::string> next_commands;  // what to try now
  std::string config_json;
};
/// One self-contained file: inline styles, SVG and base64 pictures; no script is needed to read it, nothing is fetched.
void write_report(const std::string& path, const ReportData& data);
}  // namespace siglip::inline SIGLIP_FLAVOUR
