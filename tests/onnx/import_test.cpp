// SPDX-License-Identifier: Apache-2.0
// The importer on models that the backend tests of ONNX do not hold: damaged ones, old forms, functions, branches, every way to
// store a tensor. Models are written in protobuf's text format.
#include "tmpu/onnx/import.hpp"

#include "tmpu/top/operators.hpp"

#include <doctest/doctest.h>
#include <google/protobuf/text_format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace {

using namespace tmpu;
namespace fs = std::filesystem;
using operators =
    list<top::add, top::mul, top::sub, top::div, top::relu, top::clip, top::concat, top::slice, top::cast, top::softmax,
         top::prelu, top::identity, top::shape, top::gather, top::reshape, top::flatten, top::unsqueeze, top::constant,
         top::constant_of_shape, top::expand, top::equal, top::gemm, top::selu, top::transpose, top::conv, top::split,
         top::squeeze, top::resize, top::group_normalization>;

/// A model of the nodes (and initializers, functions) in `graph`, with the input x f32 `dims` and the output y.
::onnx::ModelProto model(const std::string& graph, std::int64_t opset = 17, const std::string& dims = "2,3",
                         const std::string& rest = "") {
  std::string shape;
  for (std::size_t at = 0; at < dims.size();) {
    const std::size_t end = std::min(dims.find(',', at), dims.size());
    shape += "dim { dim_value: " + dims.substr(at, end - at) + " } ";
    at = end + 1;
  }
  ::onnx::ModelProto m;
  const std::string all = "ir_version: 8 opset_import { version: " + std::to_string(opset) + " } " + rest +
                          " graph { name: 'g' " + graph +
                          " input { name: 'x' type { tensor_type { elem_type: 1 shape { " + shape + "} } } }" +
                          " output { name: 'y' type { tensor_type { elem_type: 1 } } } }";
  REQUIRE(google::protobuf::TextFormat::ParseFromString(all, &m));
  return m;
}
std::string floats_of(const std::string& name, const std::string& dims, const std::string& list) {
  return "initializer { name: '" + name + "' data_type: 1 " + (dims.empty() ? "" : "dims: [" + dims + "] ") +
         "float_data: [" + list + "] } ";
}
std::string longs_of(const std::string& name, const std::string& list, std::int64_t count) {
  return "initializer { name: '" + name + "' data_type: 7 dims: " + std::to_string(count) + " int64_data: [" + list +
         "] } ";
}
std::string node(const std::string& op, const std::string& in, const std::string& out, const std::string& rest = "") {
  return "node { op_type: '" + op + "' input: [" + in + "] output: ['" + out + "'] " + rest + " } ";
}
graph<stage::origin> import(const ::onnx::ModelProto& m, const tmpu::onnx::import_options& o = {}) {
  return tmpu::onnx::import_model<operators>(m, o);
}
/// What the model is refused with; empty where it is not.
std::string refusal(const ::onnx::ModelProto& m) {
  try {
    import(m);
  } catch (const error& e) {
    CHECK(std::string_view(e.what()).find('\n') == std::string_view::npos);
    return e.what();
  }
  return "";
}
bool has(const std::string& message, std::string_view part) {
  const bool found = message.find(part) != std::string::npos;
  if (!found) MESSAGE("the message is: " << message);
  return found;
}
/// The output for x = 1, 2, 3, ...
floats run(const ::onnx::ModelProto& m) {
  const auto g = import(m);
  value x(dtype_id::f32, g.at(g.inputs[0]).dims);
  for (std::size_t i = 0; i < x.f.size(); ++i) x.f[i] = static_cast<float>(i + 1);
  const vec<value> inputs{x};
  return evaluate(g, inputs)[static_cast<std::size_t>(g.outputs[0])].f;
}

TEST_CASE("damaged models are refused in one line") {
  CHECK(has(refusal(model(node("Relu", "'nothing'", "y"))), "node 'y' (Relu) need 'nothing', which no input"));
  CHECK(has(refusal(model(node("Relu", "'b'", "a") + node("Relu", "'a'", "b") + node("Relu", "'b'", "y"))),
            "only a later node makes")); // a cycle
  CHECK(has(refusal(model(node("Relu", "'x'", "y") + node("Relu", "'x'", "y"))), "'y' is made twice"));
  CHECK(has(refusal(model(node("Relu", "'x'", "x") + node("Relu", "'x'", "y"))), "'x' is made twice"));
  CHECK(has(refusal(model(floats_of("w", "1", "1") + floats_of("w", "1", "2") + node("Add", "'x','w'", "y"))),
            "is there twice"));
  CHECK(has(refusal(model(node("Relu", "'x','x'", "y"))), "has 2 operands; it takes 1 to 1"));
  CHECK(has(refusal(model(node("Add", "'x'", "y"))), "has 1 operands; it takes 2 to 2"));
  CHECK(has(refusal(model(node("Add", "'x',''", "y"))), "has 1 operands"));
  CHECK(
      has(refusal(model("node { op_type: 'Relu' input: 'x' output: ['y', 'z'] }")), "has 2 outputs; tmpu computes 1"));
  CHECK(has(refusal(model("node { op_type: 'Relu' input: 'x' }")), "has 0 outputs"));
  CHECK(has(refusal(model(node("Relu", "'x'", "z"))), "the graph's outputs need 'y'"));
  CHECK(has(refusal(model(node("Concat", "'x'", "y", "attribute { name: 'axis' type: FLOAT f: 1 }"))),
            "must be of the kind INT, not FLOAT"));
  CHECK(has(refusal(model(node("Concat", "'x'", "y"))), "lacks the attribute 'axis'"));
  CHECK(has(refusal(model(node("Concat", "'x'", "y", "attribute { name: 'axis' type: INT i: 2 }"))),
            "axis 2 is outside of a tensor of rank 2"));
  CHECK(has(refusal(model(node("Relu", "'x'", "y", "attribute { name: 'blue' type: INT i: 2 }"))),
            "has the attribute 'blue', which tmpu does not know"));
  CHECK(has(refusal(model(node("Transpose", "'x'", "y", "attribute { name: 'perm' type: INTS ints: [0, 5] }"))),
            "is no order of the axes"));
  CHECK(has(refusal(model(node("Wibble", "'x'", "w") + node("Loop", "'w'", "y"))),
            "Wibble x1 ('w'); Loop x1 ('y'), control flow"));
  CHECK(has(refusal(model(node("Relu", "'x'", "y"), 99)), "operator set 99; tmpu reads 1 to 25"));
}

TEST_CASE("damaged tensors are refused before anything is allocated") {
  const std::string add = node("Add", "'x','w'", "y");
  CHECK(
      has(refusal(model("initializer { name: 'w' data_type: 1 dims: [1000000000, 1000000000] float_data: 1 } " + add)),
          "impossible dimension"));
  CHECK(has(refusal(model("initializer { name: 'w' data_type: 1 dims: [10000, 100000] float_data: 1 } " + add)),
            "holds 4 bytes, but its shape"));
  CHECK(has(refusal(model("initializer { name: 'w' data_type: 1 dims: -3 float_data: 1 } " + add)),
            "impossible dimension -3"));
  CHECK(has(refusal(model("initializer { name: 'w' data_type: 77 dims: 1 float_data: 1 } " + add)),
            "elements of type unknown"));
  CHECK(has(refusal(model("initializer { name: 'w' data_type: 1 dims: 2 raw_data: 'abc' } " + add)), "holds 3 bytes"));
  CHECK(has(refusal(model("initializer { name: 'w' data_type: 8 dims: 1 string_data: 'abc' } " + add)),
            "elements of type STRING"));
  CHECK(has(refusal(model("initializer { name: 'w' data_type: 1 dims: [1,1,1,1,1,1,1,1,1] float_data: 1 } " + add)),
            "has 9 dimensions"));
  CHECK(has(refusal(model(node("Relu", "'x'", "y"), 17, "-7")), "impossible dimension -7"));
  CHECK(has(refusal(model(node("Relu", "'x'", "y"), 17, "1000000000,1000000000,1000000000")), "the model is damaged"));
  // A result that no memory holds, made of nearly nothing.
  CHECK(has(refusal(model(longs_of("s", "1000000000, 1000000000", 2) + node("ConstantOfShape", "'s'", "y"))),
            "more than 2147483648 elements"));
  CHECK(has(
      refusal(model(longs_of("s", "1000000000, 1000000000, 1000000000", 3) + node("Expand", "'x','s'", "y"), 17, "1")),
      "more than 2147483648 elements"));
}

TEST_CASE("nesting and functions that call themselves end") {
  const std::string self = "functions { name: 'f' domain: 'd' input: 'a' output: 'b' opset_import { version: 17 } node "
                           "{ op_type: 'f' domain: 'd' input: 'a' output: 'b' } }";
  CHECK(has(refusal(model("node { op_type: 'f' domain: 'd' input: 'x' output: 'y' }", 17, "1", self)),
            "nested deeper than 64"));
  // Two calls of the next one in each of 40 functions: 2^40 nodes.
  std::string many;
  for (int i = 0; i < 40; ++i) {
    const std::string next = i == 39 ? "op_type: 'Relu'" : "op_type: 'f" + std::to_string(i + 1) + "' domain: 'd'";
    many += "functions { name: 'f" + std::to_string(i) +
            "' domain: 'd' input: 'a' output: 'c' opset_import { version: 17 } node { " + next +
            " input: 'a' output: 'b' } node { " + next + " input: 'b' output: 'c' } } ";
  }
  CHECK(has(refusal(model("node { op_type: 'f0' domain: 'd' input: 'x' output: 'y' }", 17, "1", many)),
            "nodes once its functions are put in"));
}

TEST_CASE("functions are put in under the names of their nodes") {
  // f(a, b; k) = Relu(a * k) + b, where b may be left out.
  const std::string f =
      "functions { name: 'f' domain: 'mine' input: ['a', 'b'] output: 'c' attribute: 'k' opset_import { version: 17 } "
      "node { op_type: 'Constant' output: 'v' attribute { name: 'value_float' ref_attr_name: 'k' type: FLOAT } } "
      "node { op_type: 'Mul' input: ['a', 'v'] output: 't' } node { op_type: 'Clip' input: ['t', '', 'b'] output: 'c' "
      "} } ";
  const auto call = [](const std::string& in, const std::string& out, const std::string& k) {
    return "node { name: 'call_" + out + "' op_type: 'f' domain: 'mine' input: [" + in + "] output: '" + out +
           "' attribute { name: 'k' type: FLOAT f: " + k + " } } ";
  };
  const auto m = model(floats_of("most", "", "4") + call("'x','most'", "z", "2") + call("'z'", "y", "-1"), 17, "3", f);
  const auto y = run(m);
  CHECK(y == floats{-2, -4, -4});
  const auto g = import(m);
  CHECK(g.find("call_z/t") != none);
  CHECK(g.find("call_y/t") != none);
  CHECK(g.name(g.outputs[0]) == "y");
}

TEST_CASE("the branch of a known condition is put in") {
  const auto choose = [](const std::string& condition) {
    return condition +
           " node { name: 'if' op_type: 'If' input: 'c' output: 'y' "
           "attribute { name: 'then_branch' type: GRAPH g { name: 't' initializer { name: 'two' data_type: 1 "
           "float_data: 2 } node { op_type: 'Mul' input: ['x', 'two'] output: 't' } output { name: 't' } } } "
           "attribute { name: 'else_branch' type: GRAPH g { name: 'e' node { op_type: 'Loop' input: 'x' output: 'e' } "
           "output { name: 'e' } } } } ";
  };
  CHECK(run(model(choose("initializer { name: 'c' data_type: 9 int32_data: 1 }"), 17, "2")) == floats{2, 4});
  CHECK(has(refusal(model(choose("initializer { name: 'c' data_type: 9 int32_data: 0 }"))),
            "Loop x1 ('e'), control flow"));
  // The condition is computed from the shape of x.
  const std::string computed = longs_of("two", "2", 1) + longs_of("zero", "0", 1) + node("Shape", "'x'", "s") +
                               node("Gather", "'s','zero'", "n") + node("Equal", "'n','two'", "c");
  CHECK(run(model(choose(computed), 17, "2")) == floats{2, 4});
  CHECK(has(refusal(model(choose(node("Relu", "'x'", "c")))), "depends on 'c', which is computed from data"));
  // A branch that gives what is outside of it.
  const std::string outside =
      "initializer { name: 'c' data_type: 9 int32_data: 1 } node { op_type: 'If' input: 'c' output: 'y' "
      "attribute { name: 'then_branch' type: GRAPH g { name: 't' output { name: 'x' } } } }";
  const auto g = import(model(outside, 17, "2"));
  CHECK(g.name(g.outputs[0]) == "y");
  CHECK(g.nodes.size() == 1);
}

TEST_CASE("sequences that the model itself puts together are gone") {
  const std::string one = longs_of("one", "1", 1);
  const auto concat = [](const std::string& seq, const std::string& rest) {
    return node("ConcatFromSequence", "'" + seq + "'", "y", "attribute { name: 'axis' type: INT i: 0 } " + rest);
  };
  const std::string abc =
      node("Relu", "'x'", "a") + node("Add", "'x','x'", "b") + node("SequenceConstruct", "'x','a'", "s");
  CHECK(run(model(one + abc + node("SequenceInsert", "'s','b','one'", "t") + concat("t", ""), 17, "2")) ==
        floats{1, 2, 2, 4, 1, 2});
  CHECK(run(model(one + abc + node("SequenceErase", "'s','one'", "t") + concat("t", ""), 17, "2")) == floats{1, 2});
  CHECK(run(model(node("SequenceEmpty", "", "e") + node("SequenceInsert", "'e','x'", "t") +
                      concat("t", "attribute { name: 'new_axis' type: INT i: 1 }"),
                  17, "2")) == floats{1, 2});
  CHECK(run(model(one + node("SplitToSequence", "'x'", "s", "attribute { name: 'keepdims' type: INT i: 0 }") +
                      node("SequenceAt", "'s','one'", "y"),
                  17, "2,2")) == floats{3, 4});
  CHECK(run(model(longs_of("sizes", "1, 3", 2) + longs_of("last", "-1", 1) +
                      node("SplitToSequence", "'x','sizes'", "s") + node("SequenceAt", "'s','last'", "y"),
                  17, "4")) == floats{2, 3, 4});
  CHECK(has(refusal(model(one + node("SequenceConstruct", "'x'", "s") + node("SequenceAt", "'s','one'", "y"))),
            "takes the place 1, which is outside of a sequence of 1"));
  CHECK(has(refusal(model(node("SequenceConstruct", "'x'", "y"))), "'y' as a tensor, but it is a sequence"));
  CHECK(has(refusal(model(node("SequenceConstruct", "'x'", "s") +
                          node("Cast", "'x'", "i", "attribute { name: 'to' type: INT i: 7 }") +
                          node("SequenceAt", "'s','i'", "y"))),
            "needs 'i' as one constant integer"));
}

TEST_CASE("forms of older operator sets") {
  const auto axis = [](int a) { return "attribute { name: 'axis' type: INT i: " + std::to_string(a) + " } "; };
  const std::string broadcast = "attribute { name: 'broadcast' type: INT i: 1 } ";
  // Add-6: [2] lies along axis 0 of [2,3].
  CHECK(run(model(floats_of("w", "2", "10, 20") + node("Add", "'x','w'", "y", broadcast + axis(0)), 6)) ==
        floats{11, 12, 13, 24, 25, 26});
  CHECK(run(model(floats_of("w", "3", "10, 20, 30") + node("Sub", "'x','w'", "y", broadcast + axis(-1)), 6)) ==
        floats{-9, -18, -27, -6, -15, -24});
  CHECK(has(refusal(model(floats_of("w", "2", "10, 20") + node("Add", "'x','w'", "y", broadcast + axis(2)), 6)),
            "does not fit"));
  // PRelu-6: slopes along the channels of [1,2,2].
  CHECK(run(model(floats_of("s", "2", "10, 100") + floats_of("m", "", "-1") + node("Mul", "'x','m'", "n") +
                      node("PRelu", "'n','s'", "y"),
                  6, "1,2,2")) == floats{-10, -20, -300, -400});
  // Clip-6 and its operands; Slice-1; Concat-1, whose axis was 1 unless said; Cast-1 by name.
  CHECK(run(model(node("Clip", "'x'", "y", "attribute { name: 'max' type: FLOAT f: 2 }"), 6, "3")) == floats{1, 2, 2});
  CHECK(run(model(node("Slice", "'x'", "y",
                       "attribute { name: 'starts' type: INTS ints: 1 } attribute { name: 'ends' type: INTS ints: "
                       "9223372036854775807 } attribute { name: 'axes' type: INTS ints: 1 }"),
                  9)) == floats{2, 3, 5, 6});
  CHECK(run(model(node("Concat", "'x','x'", "y"), 3, "1,2")) == floats{1, 2, 1, 2});
  CHECK(run(model(node("Cast", "'x'", "i", "attribute { name: 'to' type: STRING s: 'INT32' }") +
                      node("Cast", "'i'", "y", "attribute { name: 'to' type: STRING s: 'FLOAT' }"),
                  1, "2")) == floats{1, 2});
  CHECK(has(refusal(model(node("Cast", "'x'", "y", "attribute { name: 'to' type: STRING s: 'BLUE' }"), 1)),
            "casts to 'BLUE', which is no type"));
  // Reshape-1 has its shape as an attribute; attributes about memory are passed over.
  CHECK(import(model(node("Reshape", "'x'", "y",
                          "attribute { name: 'shape' type: INTS ints: [3, -1] } attribute { name: 'consumed_inputs' "
                          "type: INTS ints: 0 }"),
                     1))
            .tensors.back()
            .dims == shape{3, 2});
  // Softmax-11: all axes from `axis` on are one.
  const auto y = run(model(node("Softmax", "'x'", "y", axis(1)), 11, "1,2,2"));
  CHECK(y[0] + y[1] + y[2] + y[3] == doctest::Approx(1));
  // Selu-1 has other constants.
  CHECK(run(model(node("Selu", "'x'", "y"), 1, "1"))[0] == 1.0507F);
}

TEST_CASE("older forms of resizing and of normalisation by groups") {
  const floats twice{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4};
  const std::string scales = floats_of("s", "4", "1, 1, 2, 2");
  CHECK(run(model(node("Upsample", "'x'", "y", "attribute { name: 'scales' type: FLOATS floats: [1, 1, 2, 2] }"), 7,
                  "1,1,2,2")) == twice);
  CHECK(run(model(scales + node("Upsample", "'x','s'", "y"), 9, "1,1,2,2")) == twice);
  CHECK(run(model(scales + node("Resize", "'x','s'", "y"), 10, "1,1,2,2")) == twice);
  // Sampled at floor(x / 1.5).
  CHECK(run(model(floats_of("s", "3", "1, 1, 1.5") + node("Resize", "'x','s'", "y"), 10, "1,1,2")) == floats{1, 1, 2});
  // GroupNormalization-18: scale and bias are one a group, here of two channels.
  const auto y = run(model(floats_of("s", "2", "1, 10") + floats_of("b", "2", "0, 5") +
                               node("GroupNormalization", "'x','s','b'", "y",
                                    "attribute { name: 'num_groups' type: INT i: 2 } "
                                    "attribute { name: 'epsilon' type: FLOAT f: 0 }"),
                           18, "1,4,1"));
  REQUIRE(y.size() == 4);
  CHECK(y[0] == doctest::Approx(-1));
  CHECK(y[1] == doctest::Approx(1));
  CHECK(y[2] == doctest::Approx(-5));
  CHECK(y[3] == doctest::Approx(15));
}

TEST_CASE("every way to store a tensor") {
  const auto elements = [](const std::string& tensor) {
    ::onnx::TensorProto t;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(tensor, &t));
    const auto stored = tmpu::onnx::read_tensor(t);
    const value v = from_bytes(stored.type, stored.dims, stored.bytes());
    // And back.
    ::onnx::TensorProto again;
    tmpu::tensor facts;
    facts.type = stored.type;
    facts.dims = stored.dims;
    tmpu::onnx::write_tensor(again, "t", facts, stored.bytes());
    const auto once_more = tmpu::onnx::read_tensor(again);
    CHECK(once_more.type == stored.type);
    CHECK(once_more.own == vec<std::uint8_t>(stored.bytes()));
    floats all(v.f);
    for (const std::int64_t x : v.i) all.push_back(static_cast<float>(x));
    return all;
  };
  CHECK(elements("data_type: 1 dims: 2 float_data: [1.5, -2]") == floats{1.5F, -2});
  CHECK(elements("data_type: 1 dims: 1 raw_data: '\\x00\\x00\\xc0\\x3f'") == floats{1.5F});
  CHECK(elements("data_type: 11 dims: 1 double_data: -0.25") == floats{-0.25F});
  CHECK(elements("data_type: 10 dims: 2 int32_data: [15360, 49152]") == floats{1, -2}); // f16 bits
  CHECK(elements("data_type: 16 dims: 2 int32_data: [16256, 49152]") == floats{1, -2}); // bf16 bits
  CHECK(elements("data_type: 17 dims: 2 int32_data: [56, 200]") == floats{1, -4});      // f8 e4m3
  CHECK(elements("data_type: 19 dims: 2 raw_data: '\\x3c\\xc0'") == floats{1, -2});     // f8 e5m2
  CHECK(elements("data_type: 3 dims: 2 int32_data: [-1, 127]") == floats{-1, 127});
  CHECK(elements("data_type: 2 dims: 1 int32_data: 200") == floats{200});
  CHECK(elements("data_type: 4 dims: 1 int32_data: 65535") == floats{65535});
  CHECK(elements("data_type: 5 dims: 1 int32_data: -2") == floats{-2});
  CHECK(elements("data_type: 6 dims: 1 int32_data: -70000") == floats{-70000});
  CHECK(elements("data_type: 7 dims: 1 int64_data: -5") == floats{-5});
  CHECK(elements("data_type: 9 dims: 2 int32_data: [1, 0]") == floats{1, 0});
  CHECK(elements("data_type: 12 dims: 1 uint64_data: 3000000000") == floats{3e9F});
  CHECK(elements("data_type: 13 dims: 1 uint64_data: 7") == floats{7});
  CHECK(elements("data_type: 22 dims: 3 raw_data: '\\x7f\\x08'") ==
        floats{-1, 7, -8}); // i4: two a byte, the first one low
  CHECK(elements("data_type: 21 dims: 3 int32_data: [127, 8]") == floats{15, 7, 8}); // u4
  CHECK(elements("data_type: 1 dims: 0").empty());
}

TEST_CASE("tensors in a file beside the model") {
  const fs::path folder = fs::temp_directory_path() / ("tmpu_external_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto write = [&](const floats& data) {
    std::ofstream file(folder / "w.bin", std::ios::binary);
    file.write(reinterpret_cast<const char*>(data.data()), 16); // NOLINT: bytes to a stream
  };
  write({9, 10, 20, 30});
  const auto stored = [&](const std::string& location, const std::string& offset) {
    return model("initializer { name: 'w' data_type: 1 dims: 3 data_location: EXTERNAL external_data { key: 'location' "
                 "value: '" +
                     location + "' } external_data { key: 'offset' value: '" + offset + "' } } " +
                     node("Add", "'x','w'", "y"),
                 17, "3");
  };
  const auto sums = [&](tmpu::onnx::external_files* files) {
    const auto g =
        import(stored("w.bin", "4"), {.input_shapes = {}, .directory = text(folder.string()), .files = files});
    const vec<value> inputs{make_value({3}, floats{1, 2, 3}.span())};
    return evaluate(g, inputs)[static_cast<std::size_t>(g.outputs[0])].f;
  };
  CHECK(sums(nullptr) == floats{11, 22, 33}); // a copy
  tmpu::onnx::external_files files;
  CHECK(sums(&files) == floats{11, 22, 33}); // a view
  fs::remove(folder / "w.bin");
  write({9, 11, 20, 30});
  CHECK(sums(&files) == floats{12, 22, 33}); // of the file that is there now
  const auto bad = [&](const std::string& location, const std::string& offset) -> std::string {
    try {
      import(stored(location, offset), {.input_shapes = {}, .directory = text(folder.string())});
    } catch (const error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(has(bad("w.bin", "8"), "is too short for tensor 'w'"));
  CHECK(has(bad("w.bin", "18446744073709551615"), "is too short for tensor 'w'"));
  CHECK(has(bad("w.bin", "9x"), "which is no number"));
  CHECK(has(bad("../w.bin", "0"), "not beside the model"));
  CHECK(has(bad("/etc/passwd", "0"), "not beside the model"));
  CHECK(has(bad("v.bin", "0"), "cannot be opened"));
  CHECK(has(bad(".", "0"), "cannot be opened"));
  fs::remove_all(folder);
}

TEST_CASE("inputs: bound, free, unknown, of a wrong shape") {
  auto m = model(node("Relu", "'x'", "y"));
  m.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("N");
  CHECK(has(refusal(m), "bind them with --input-shape x=1,3"));
  const auto bound = [&](const std::string& name, const shape& dims) -> std::string {
    try {
      import(m, {.input_shapes = { { text(name), dims } }});
    } catch (const error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(bound("x", {4, 3}).empty());
  CHECK(has(bound("x", {4, 5}), "contradicts the model"));
  CHECK(has(bound("z", {4, 3}), "names the input 'z', but the model's inputs are 'x'"));
}

} // namespace
