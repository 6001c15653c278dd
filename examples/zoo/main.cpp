// SPDX-License-Identifier: Apache-2.0
// Writes the graphs of classic networks as ONNX files, with weights from a seeded generator: inputs for measuring compilers.
//     example_zoo resnet50 -o FOLDER
// Without -o it builds all of them, or the one that is named, compares the parameters with the published counts and writes nothing.
// The `_decode` variants of detectors end in boxes and scores, the others in the convolutions of the heads.
#include "network.hpp"

#include <cstdio>
#include <fstream>

namespace {

struct entry {
  const char* name;
  network (*build)(bool data);
  /// As published: torchvision's table of models, the model summaries of YOLOv5 6.x and YOLOv8, the checkpoint of bert-base-uncased.
  /// Summaries of YOLO are before batch normalization is folded; yolov5s has 7,225,885 after it. Those of YOLOv8 count the 16
  /// fixed distances of a box, too.
  std::int64_t parameters;
};
constexpr entry zoo[] = {
    {"resnet18", resnet18, 11'689'512},
    {"resnet50", resnet50, 25'557'032},
    {"mobilenet_v2", mobilenet_v2, 3'504'872},
    {"yolov5s", [](bool data) { return yolov5s(data, false); }, 7'235'389},
    {"yolov5s_decode", [](bool data) { return yolov5s(data, true); }, 7'235'389},
    {"yolov8n", [](bool data) { return yolov8("yolov8n", data, false, 1.0 / 3, 0.25, 1024); }, 3'157'200},
    {"yolov8n_decode", [](bool data) { return yolov8("yolov8n_decode", data, true, 1.0 / 3, 0.25, 1024); }, 3'157'200},
    {"yolov8s", [](bool data) { return yolov8("yolov8s", data, false, 1.0 / 3, 0.5, 1024); }, 11'166'560},
    {"yolov8m", [](bool data) { return yolov8("yolov8m", data, false, 2.0 / 3, 0.75, 768); }, 25'902'640},
    {"yolov8l", [](bool data) { return yolov8("yolov8l", data, false, 1, 1, 512); }, 43'691'520},
    {"yolov8x", [](bool data) { return yolov8("yolov8x", data, false, 1, 1.25, 512); }, 68'229'648},
    {"vit_b_16", vit_b_16, 86'567'656},
    {"bert_base", bert_base, 109'482'240},
};

} // namespace

int main(int argc, char** argv) {
  std::string wanted;
  std::string folder;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-o" && i + 1 < argc) {
      folder = argv[++i];
    } else {
      wanted = word;
    }
  }
  bool known = wanted.empty();
  for (const entry& e : zoo) {
    if (!wanted.empty() && wanted != e.name) continue;
    known = true;
    const network n = e.build(!folder.empty());
    std::printf("%-14s %4d nodes %9lld parameters\n", e.name, n.model().graph().node_size(),
                static_cast<long long>(n.parameters()));
    if (n.parameters() != e.parameters) {
      std::fprintf(stderr, "zoo: %s has %lld parameters and must have %lld\n", e.name,
                   static_cast<long long>(n.parameters()), static_cast<long long>(e.parameters));
      return 1;
    }
    if (folder.empty()) continue;
    std::ofstream file(folder + "/" + e.name + ".onnx", std::ios::binary);
    if (!n.model().SerializeToOstream(&file) || !file.flush()) {
      std::fprintf(stderr, "zoo: '%s/%s.onnx' cannot be written\n", folder.c_str(), e.name);
      return 2;
    }
  }
  if (!known) {
    std::fprintf(stderr, "zoo: there is no network '%s'\n", wanted.c_str());
    return 2;
  }
  return 0;
}
