// SPDX-License-Identifier: Apache-2.0
// A. Dosovitskiy et al., "An Image is Worth 16x16 Words" (ViT-B/16 at 224x224, 1000 classes), and J. Devlin et al., "BERT"
// (base, uncased, 128 tokens, with embeddings and pooler).
#include "network.hpp"

namespace {

constexpr std::int64_t width = 768;
constexpr std::int64_t heads = 12;
constexpr std::int64_t wide = 3072;
constexpr int blocks = 12;

class transformer : public network {
public:
  transformer(const std::string& name, bool data, std::int64_t tokens, float epsilon)
      : network(name, data), tokens_(tokens), epsilon_(epsilon) {}

  std::string dense(const std::string& name, const std::string& x, std::int64_t in, std::int64_t out,
                    float gain = 1.0F) {
    const std::string y = node("MatMul", name + ".product",
                               {x, weights(name + ".weight", {in, out}, std::sqrt(gain / static_cast<float>(in)))});
    return node("Add", name, {y, weights(name + ".bias", {out}, 0.02F)});
  }
  std::string norm(const std::string& name, const std::string& x) {
    node("LayerNormalization", name,
         {x, constant(name + ".weight", {width}, 1.0F), weights(name + ".bias", {width}, 0.02F)});
    set("axis", -1);
    set("epsilon", epsilon_);
    return name;
  }
  /// x / 2 * (1 + erf(x / sqrt(2)))
  std::string gelu(const std::string& name, const std::string& x) {
    std::string y = node("Div", name + ".scaled", {x, number("sqrt2", 1.41421356F)});
    y = node("Add", name + ".cdf", {node("Erf", name + ".erf", {y}), number("one", 1.0F)});
    return node("Mul", name, {node("Mul", name + ".product", {x, y}), number("half", 0.5F)});
  }
  std::string feed_forward(const std::string& name, const std::string& x) {
    return dense(name + ".2", gelu(name + ".gelu", dense(name + ".1", x, width, wide)), wide, width, 2.35F);
  }
  /// Tokens [1, tokens, width] from queries, keys and values [1, heads, tokens, width / heads].
  std::string attend(const std::string& name, const std::string& q, const std::string& k_transposed,
                     const std::string& v, const std::string& mask) {
    std::string s = node("MatMul", name + ".products", {q, k_transposed});
    s = node("Mul", name + ".scores", {s, number("scale", 0.125F)});
    if (!mask.empty()) s = node("Add", name + ".masked", {s, mask});
    node("Softmax", name + ".softmax", {s});
    set("axis", -1);
    const std::string y =
        transpose(name + ".joined", node("MatMul", name + ".heads", {name + ".softmax", v}), {0, 2, 1, 3});
    return reshape(name + ".tokens", y, {1, tokens_, width});
  }
  std::string in_heads(const std::string& name, const std::string& x, const dims& order) {
    return transpose(name + ".heads", reshape(name + ".split", x, {1, tokens_, heads, width / heads}), order);
  }

private:
  std::int64_t tokens_;
  float epsilon_;
};

} // namespace

network vit_b_16(bool data) {
  constexpr std::int64_t side = 224;
  constexpr std::int64_t patch = 16;
  constexpr std::int64_t patches = (side / patch) * (side / patch);
  transformer n("vit_b_16", data, patches + 1, 1e-6F);
  std::string x = n.conv("patches", n.input("image", {1, 3, side, side}), 3, width, patch, patch, 0, 1, 1.0F, true);
  x = n.transpose("patches.tokens", n.reshape("patches.flat", x, {1, width, patches}), {0, 2, 1});
  x = n.concat("with.class", {n.weights("class", {1, 1, width}, 1.0F), x}, 1);
  x = n.node("Add", "embedded", {x, n.weights("positions", {1, patches + 1, width}, 0.2F)});
  for (int i = 0; i < blocks; ++i) {
    const std::string name = "block" + std::to_string(i);
    // Queries, keys and values in one product.
    std::string y = n.dense(name + ".qkv", n.norm(name + ".norm1", x), width, 3 * width);
    y = n.reshape(name + ".qkv.split", y, {1, patches + 1, 3, heads, width / heads});
    y = n.transpose(name + ".qkv.heads", y, {2, 0, 3, 1, 4});
    std::vector<std::string> parts = n.split(name + ".qkv.parts", y, {1, 1, 1}, 0);
    for (std::string& p : parts) p = n.node("Squeeze", p + ".squeezed", {p, n.axes({0})});
    const std::string keys = n.transpose(name + ".keys", parts[1], {0, 1, 3, 2});
    y = n.attend(name + ".attention", parts[0], keys, parts[2], "");
    x = n.node("Add", name + ".residual1", {x, n.dense(name + ".projection", y, width, width)});
    x = n.node("Add", name, {x, n.feed_forward(name + ".mlp", n.norm(name + ".norm2", x))});
  }
  n.node("Gather", "class.token", {n.norm("norm", x), n.integers("first", {}, {0})});
  n.set("axis", 1);
  n.node("Gemm", "scores",
         {"class.token", n.weights("head.weight", {1000, width}, 1.0F / std::sqrt(static_cast<float>(width))),
          n.weights("head.bias", {1000}, 0.02F)});
  n.set("transB", 1);
  n.output("scores", {1, 1000});
  return n;
}

network bert_base(bool data) {
  constexpr std::int64_t tokens = 128;
  constexpr int type = onnx::TensorProto::INT64;
  transformer n("bert_base", data, tokens, 1e-12F);
  const std::string ids = n.input("input_ids", {1, tokens}, type);
  const std::string given = n.input("attention_mask", {1, tokens}, type);
  const std::string kinds = n.input("token_type_ids", {1, tokens}, type);

  std::string mask = n.node("Unsqueeze", "mask.4d", {given, n.axes({1, 2})});
  n.node("Cast", "mask.float", {mask});
  n.set("to", int{onnx::TensorProto::FLOAT});
  mask = n.node("Sub", "mask.off", {n.number("one", 1.0F), "mask.float"});
  mask = n.node("Mul", "mask", {mask, n.number("far", -10000.0F)});

  network::dims count;
  for (std::int64_t i = 0; i < tokens; ++i) count.push_back(i);
  const std::string words = n.node("Gather", "words", {n.weights("words.weight", {30522, width}, 1.0F), ids});
  const std::string types = n.node("Gather", "types", {n.weights("types.weight", {2, width}, 0.2F), kinds});
  const std::string places =
      n.node("Gather", "places",
             {n.weights("places.weight", {512, width}, 0.2F), n.integers("position_ids", {1, tokens}, count)});
  std::string x = n.norm("embedded", n.add(n.add(words, types), places));
  for (int i = 0; i < blocks; ++i) {
    const std::string name = "layer" + std::to_string(i);
    const std::string q = n.in_heads(name + ".q", n.dense(name + ".query", x, width, width), {0, 2, 1, 3});
    const std::string k = n.in_heads(name + ".k", n.dense(name + ".key", x, width, width), {0, 2, 3, 1});
    const std::string v = n.in_heads(name + ".v", n.dense(name + ".value", x, width, width), {0, 2, 1, 3});
    const std::string y = n.dense(name + ".output", n.attend(name + ".attention", q, k, v, mask), width, width);
    x = n.norm(name + ".norm1", n.add(y, x));
    x = n.norm(name, n.add(n.feed_forward(name + ".mlp", x), x));
  }
  n.output(x, {1, tokens, width});
  n.node("Gather", "first.token", {x, n.integers("first", {}, {0})});
  n.set("axis", 1);
  n.node("Gemm", "pooler",
         {"first.token", n.weights("pooler.weight", {width, width}, 1.0F / std::sqrt(static_cast<float>(width))),
          n.weights("pooler.bias", {width}, 0.02F)});
  n.set("transB", 1);
  n.output(n.node("Tanh", "pooled", {"pooler"}), {1, width});
  return n;
}
