// SPDX-License-Identifier: Apache-2.0
// Operators that become sequences, with constant operands (in ONNX's cases these are inputs): bit-equal to the Tpu stage, no hazard, nothing
// read that nobody wrote.
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/exec/checked.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/ir/builder.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace tmpu;

value ramp(const shape& d, float scale) {
  value v(dtype_id::f32, d);
  for (std::size_t i = 0; i < v.f.size(); ++i) v.f[i] = scale * (static_cast<float>(i * 37 % 23) - 11.0F);
  return v;
}
tensor_id numbers(model_builder& m, std::string_view name, std::initializer_list<std::int64_t> v) {
  return m.constant(name, make_value(dtype_id::i64, {static_cast<std::int64_t>(v.size())}, {v.begin(), v.size()}));
}

graph<stage::origin> build() {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 4, 6, 8});
  for (const char* mode : {"nearest", "linear"}) {
    top::resize::attributes a{};
    a.mode = text(mode);
    const float scales[] = {1.0F, 1.0F, 2.0F, 1.5F};
    m.output(m.add<top::resize>(text("resize_") << mode, a,
                                {x, none, m.constant(text("scales_") << mode, make_value({4}, scales))}));
  }
  top::pad::attributes mirrored{};
  mirrored.mode = text("reflect");
  m.output(m.add<top::pad>("padded", mirrored, {x, numbers(m, "pads", {0, 0, 5, 2, 0, 0, 1, 6})}));
  m.output(m.add<top::slice>(
      "reversed", {},
      {x, numbers(m, "starts", {-1}), numbers(m, "ends", {-9}), numbers(m, "axes", {3}), numbers(m, "steps", {-1})}));
  top::reshape::attributes flat{};
  flat.shape = {6, 32};
  const auto rows = m.add<top::reshape>("rows", flat, {x});
  m.output(m.add<top::gather>("gathered", {1}, {rows, numbers(m, "columns", {31, 0, 7, -2})}));
  m.output(m.add<top::scatter_nd>(
      "scattered", {},
      {rows, m.constant("at", make_value(dtype_id::i64, {2, 1}, std::initializer_list<std::int64_t>{4, 1})),
       m.constant("updates", ramp({2, 32}, 0.1F))}));
  top::reshape::attributes deep{};
  deep.shape = {1, 2, 2, 6, 8};
  const auto volume = m.add<top::reshape>("volume", deep, {x});
  top::conv::attributes wide{};
  wide.pads = {1, 1, 1, 0, 0, 1};
  m.output(m.add<top::conv>("conv", wide, {volume, m.constant("w", ramp({5, 2, 2, 3, 3}, 0.05F))}));
  top::average_pool::attributes window{};
  window.kernel_shape = {2, 3, 2};
  m.output(m.add<top::average_pool>("pooled", window, {volume}));
  m.output(m.add<top::instance_normalization>(
      "normalized", {}, {x, m.constant("factor", ramp({4}, 0.3F)), m.constant("term", ramp({4}, 0.1F))}));
  top::reshape::attributes steps{};
  steps.shape = {6, 2, 16};
  const auto walk = m.add<top::reshape>("sequence", steps, {x});
  top::lstm::attributes both{};
  both.direction = text("bidirectional");
  m.output(
      m.add<top::lstm>("states", both,
                       {walk, m.constant("of_x", ramp({2, 20, 16}, 0.02F)), m.constant("of_h", ramp({2, 20, 5}, 0.03F)),
                        m.constant("bias", ramp({2, 40}, 0.01F)), numbers(m, "lengths", {6, 3})}));
  return m.take();
}

/// What is found by places and numbers.
graph<stage::origin> build_places() {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 4, 6, 8});
  const auto whole = m.input("whole", dtype_id::i32, {5, 7});
  top::max_pool::attributes window{};
  window.kernel_shape = {3, 2};
  window.strides = {2, 2};
  window.pads = {1, 1, 1, 0};
  for (const tensor_id t : m.add_many<top::max_pool>(window, {x}, {"greatest", "places"})) m.output(t);
  top::roi_align::attributes regions{};
  regions.output_height = regions.output_width = 2;
  regions.sampling_ratio = 2;
  const float corners[] = {0.5F, 1.0F, 6.0F, 5.5F, -3.0F, 2.0F, 9.0F, 4.0F};
  m.output(m.add<top::roi_align>(
      "regions", regions, {x, m.constant("corners", make_value({2, 4}, corners)), numbers(m, "images", {0, 0})}));
  top::deform_conv::attributes bent{};
  bent.pads = {1, 1, 1, 1};
  bent.offset_group = 2;
  m.output(m.add<top::deform_conv>("bent", bent,
                                   {x, m.constant("w", ramp({3, 4, 3, 3}, 0.05F)),
                                    m.constant("offsets", ramp({1, 36, 6, 8}, 0.15F)), m.constant("b", ramp({3}, 0.1F)),
                                    m.constant("mask", ramp({1, 18, 6, 8}, 0.1F))}));
  top::reshape::attributes flat{};
  flat.shape = {6, 32};
  const auto rows = m.add<top::reshape>("rows", flat, {x});
  const auto at = m.constant("at", make_value(dtype_id::i64, {3, 1}, std::initializer_list<std::int64_t>{4, 1, 4}));
  for (const char* how : {"add", "mul", "max", "min"})
    m.output(m.add<top::scatter_nd>(how, {.reduction = how}, {rows, at, m.constant("u", ramp({3, 32}, 0.1F))}));
  m.output(m.add<top::tensor_scatter>("cache", {.mode = "circular"},
                                      {x, m.constant("update", ramp({1, 4, 3, 8}, 0.1F)), numbers(m, "first", {5})}));
  const auto ones = m.constant("ones", make_value(dtype_id::i32, {1, 7}, vec<std::int64_t>(7, 1).span()));
  const auto first = m.constant("row", make_value(dtype_id::i64, {1, 1}, std::initializer_list<std::int64_t>{2}));
  m.output(m.add<top::scatter_nd>("counted", {.reduction = "add"}, {whole, first, ones}));
  m.output(m.add<top::cum_sum>("sums", {.exclusive = 1}, {whole, numbers(m, "axis", {1})}));
  m.output(m.add<top::reduce_prod>("product", {.axes = {1}}, {whole}));
  m.output(m.add<top::arg_max>("place", {.axis = 1}, {whole}));
  const auto scale = m.constant("scale", ramp({}, -0.01F));
  const auto four = m.constant("four", make_value(dtype_id::u4, {}, std::initializer_list<std::int64_t>{8}));
  const auto q = m.add<top::quantize_linear>("few_bits", {}, {x, scale, four});
  m.output(q);
  m.output(m.add<top::dequantize_linear>("back", {}, {q, scale, four}));
  return m.take();
}

vec<value> inputs_of(const graph_body& g) {
  vec<value> inputs;
  for (const tensor_id t : g.inputs) {
    value v = ramp(g.at(t).dims, is_floating(g.at(t).type) ? 0.1F : 1.0F);
    if (!is_floating(g.at(t).type)) {
      v.type = g.at(t).type;
      for (const float x : v.f) v.i.push_back(static_cast<std::int64_t>(x));
      v.f = {};
    }
    inputs.push_back(v);
  }
  return inputs;
}

template <class DType> void check_stages(const graph<stage::origin>& model, const chip::facts& chip) {
  CAPTURE(std::string(chip.name));
  const vec<value> inputs = inputs_of(model);
  calibrate::table ranges;
  session s{.chip = chip, .network = "forms"};
  if constexpr (!is_floating(DType::id)) {
    compile<f32>(model, s, [&]<class G>(const G& g) {
      if constexpr (std::is_same_v<G, graph<stage::canonical>>) {
        calibrate::calibrator seen(g, 0);
        seen.add(inputs);
        ranges = seen.finish("minmax");
      }
    });
    s.calibration = &ranges;
  }
  graph_body lowered;
  const isa::program program = compile<DType>(model, s, [&]<class G>(const G& g) {
    if constexpr (std::is_same_v<G, graph<stage::lowered>>) lowered = g;
  });
  CHECK(program.info.networks[0].host_steps() == 0);
  host::runner machine(program);
  CHECK(exec::check(machine.executor()).empty());
  const auto expected = host::run_graph(lowered, inputs, keep::everything);
  int seen = 0;
  for (const host::named_value& got : machine.run_all(inputs)) {
    for (const host::named_value& want : expected) {
      if (want.name != got.name || !got.made.empty()) continue;
      CAPTURE(got.name);
      CHECK(to_bytes(got.content) == to_bytes(want.content));
      ++seen;
    }
  }
  CHECK(seen >= 10);
}

} // namespace

TEST_CASE("sequences of chip operators: bit-equal to the Tpu stage, no hazard") {
  for (const graph<stage::origin>& model : {build(), build_places()}) {
    check_stages<f32>(model, chip::checked<chip::nano>);
    check_stages<f16>(model, chip::checked<chip::nano>);
    check_stages<bf16>(model, chip::checked<chip::nano>);
    check_stages<i8>(model, chip::checked<chip::nano>);
    check_stages<f32>(model, chip::checked<chip::bm1684x>);
    check_stages<i8>(model, chip::checked<chip::bm1684x>);
  }
}
