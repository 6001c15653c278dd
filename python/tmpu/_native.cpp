// SPDX-License-Identifier: Apache-2.0
// The Python module on the headers and on the driver's commands. What users see, with its documentation, is __init__.py.
#include "check.hpp"
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/isa/tmodel.hpp"
#include "tmpu/version.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace py = pybind11;

namespace {

using namespace tmpu;

// --- arrays -------------------------------------------------------------------------------------------------------

/// numpy's name of a type; empty where numpy has none.
std::string_view numpy_name(dtype_id type) {
  switch (type) {
  case dtype_id::f32: return "float32";
  case dtype_id::f64: return "float64";
  case dtype_id::f16: return "float16";
  case dtype_id::i8: return "int8";
  case dtype_id::u8: return "uint8";
  case dtype_id::i16: return "int16";
  case dtype_id::u16: return "uint16";
  case dtype_id::i32: return "int32";
  case dtype_id::u32: return "uint32";
  case dtype_id::i64: return "int64";
  case dtype_id::u64: return "uint64";
  case dtype_id::boolean: return "bool";
  default: return {};
  }
}

// Bytes are counted here: pybind11 before 2.12 asks numpy's types for theirs in the form that they had before numpy 2.
std::vector<py::ssize_t> extents(const shape& dims) { return {dims.begin(), dims.end()}; }
std::vector<py::ssize_t> strides(const shape& dims, dtype_id type) {
  std::vector<py::ssize_t> all(dims.rank(), bytes_of(type));
  for (std::size_t i = all.size(); i > 1; --i) all[i - 2] = all[i - 1] * dims[i - 1];
  return all;
}
std::span<const std::uint8_t> bytes_of_dense(const py::array& a, dtype_id type) {
  return {static_cast<const std::uint8_t*>(a.data()), static_cast<std::size_t>(a.size() * bytes_of(type))};
}

/// An array that owns the elements of a list: they are not copied.
template <class T> py::array owning(vec<T>&& elements, const shape& dims) {
  auto* kept = new vec<T>(std::move(elements)); // NOLINT: the capsule deletes it
  const py::capsule owner(kept, [](void* p) { delete static_cast<vec<T>*>(p); });
  return py::array_t<T>(extents(dims), kept->data(), owner);
}

/// Elements as numpy has them; types that it has not (bf16, f8) as float32.
py::array to_numpy(value v) {
  if (is_floating(v.type) && (v.type == dtype_id::f32 || numpy_name(v.type).empty()))
    return owning(std::move(v.f), v.dims);
  if (v.type == dtype_id::i64) return owning(std::move(v.i), v.dims);
  const vec<std::uint8_t> bytes = to_bytes(v);
  return {py::dtype(std::string(numpy_name(v.type))), extents(v.dims), strides(v.dims, v.type), bytes.data()};
}

py::array array_of(const py::handle& object, std::string_view input) {
  py::array a = py::array::ensure(object);
  if (!a) {
    PyErr_Clear();
    refuse(text("input '") << input << "' is no array: give a numpy array, or what numpy.asarray takes");
  }
  if (static_cast<std::size_t>(a.ndim()) > shape::max_rank)
    refuse(text("input '") << input << "' has " << a.ndim() << " dimensions; tmpu takes at most 8");
  return a;
}
shape dims_of(const py::array& a) {
  shape dims;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) dims.push_back(a.shape(i));
  return dims;
}

/// A user's array as the value that an input of this type takes: floats from any real numbers, integers from integers in range.
value to_value(const py::array& a, dtype_id wanted, std::string_view input) {
  const char kind = a.dtype().kind();
  const bool whole = kind == 'i' || kind == 'u' || kind == 'b';
  value v;
  v.type = wanted;
  v.dims = dims_of(a);
  const auto count = static_cast<std::size_t>(a.size());
  if (is_floating(wanted) && (whole || kind == 'f')) {
    const auto dense = py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(a);
    v.f = vec<float>(std::span<const float>(dense.data(), count));
    return v;
  }
  if (is_floating(wanted) || !whole) {
    refuse(text("input '") << input << "' takes " << name_of(wanted) << ", not an array of "
                           << std::string(py::str(a.dtype())));
  }
  const auto dense = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>::ensure(a);
  v.i = vec<std::int64_t>(std::span<const std::int64_t>(dense.data(), count));
  if (bytes_of(wanted) == 8) return v;
  for (const std::int64_t x : v.i) {
    if (x < least_of(wanted) || x > greatest_of(wanted))
      refuse(text("input '") << input << "' holds " << x << ", which is outside of " << name_of(wanted));
  }
  return v;
}

/// A user's array as the driver's data: named, any type that .npz files may have.
host::array to_array(const std::string& name, const py::handle& object) {
  py::array a = array_of(object, name);
  host::array out;
  out.name = name;
  for (const dtype_id type :
       {dtype_id::f32, dtype_id::f64, dtype_id::f16, dtype_id::i8, dtype_id::u8, dtype_id::i16, dtype_id::u16,
        dtype_id::i32, dtype_id::u32, dtype_id::i64, dtype_id::u64, dtype_id::boolean}) {
    if (a.dtype().is(py::dtype(std::string(numpy_name(type))))) out.type = type;
  }
  if (out.type == dtype_id::none) {
    refuse(text("the data for input '") << name << "' has elements of the numpy type '"
                                        << std::string(py::str(a.dtype()))
                                        << "', which tmpu does not read: use float32 or an integer type");
  }
  a = py::array::ensure(a, py::array::c_style);
  out.dims = dims_of(a);
  out.bytes = vec<std::uint8_t>(bytes_of_dense(a, out.type));
  return out;
}

/// The object for each input, in their order: of a dict by name, anything else is for the only input.
template <class Inputs>
std::vector<py::object> in_order(const py::handle& given, const Inputs& inputs, auto&& name_of_input) {
  text names;
  for (const auto& i : inputs) names << (names.empty() ? "'" : ", '") << name_of_input(i) << '\'';
  std::vector<py::object> out;
  if (!py::isinstance<py::dict>(given)) {
    if (inputs.size() != 1)
      refuse(text("the network has ") << inputs.size() << " inputs (" << names << "): give a dict {name: array}");
    out.push_back(py::reinterpret_borrow<py::object>(given));
    return out;
  }
  const auto dict = py::reinterpret_borrow<py::dict>(given);
  for (const auto& i : inputs) {
    const py::str key(std::string(name_of_input(i)));
    if (!dict.contains(key))
      refuse(text("no array for the input '") << name_of_input(i) << "'; the inputs are " << names);
    out.push_back(dict[key]);
  }
  if (dict.size() != out.size()) {
    for (const auto& item : dict) {
      bool known = false;
      for (const auto& i : inputs) known = known || std::string(py::str(item.first)) == std::string(name_of_input(i));
      if (!known)
        refuse(text("there is no input '") << std::string(py::str(item.first)) << "'; the inputs are " << names);
    }
  }
  return out;
}

// --- programs -----------------------------------------------------------------------------------------------------

/// A program and a machine for each of its networks. Runs of one model follow each other, whichever threads ask for them.
class model {
public:
  explicit model(isa::program p) : program_(std::move(p)) {
    for (std::size_t n = 0; n < program_.info.networks.size(); ++n)
      runners_.push_back(std::make_unique<host::runner>(program_, n));
    if (runners_.empty()) refuse("the program has no network: compile the model again");
  }

  [[nodiscard]] const isa::program& program() const { return program_; }
  [[nodiscard]] const isa::network& network(std::size_t n) const {
    if (n >= runners_.size())
      refuse(text("the program has ") << runners_.size() << " networks, but number " << n << " was asked for");
    return program_.info.networks[n];
  }
  [[nodiscard]] double last_seconds() const { return last_seconds_; }

  py::dict run(const py::handle& inputs, std::size_t number, bool raw) {
    const isa::network& n = network(number);
    const auto given = in_order(inputs, n.inputs, [](const isa::io_tensor& t) { return t.name.view(); });
    // Arrays that lie as the machine wants them are read where they are; the others are converted.
    std::vector<py::array> kept;
    std::vector<vec<std::uint8_t>> made;
    std::vector<std::span<const std::uint8_t>> bytes;
    kept.reserve(given.size());
    made.reserve(given.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
      const isa::io_tensor& t = n.inputs[i];
      const quantization q{t.scale, t.zero_point};
      const dtype_id wanted = host::user_type(t.type, q, t.edge);
      const py::array a = array_of(given[i], t.name);
      if (!(dims_of(a) == shape(t.dims.span()))) {
        refuse(text("input '") << t.name << "' takes " << name_of(wanted) << shape(t.dims.span()).print() << ", not "
                               << std::string(py::str(a.dtype())) << dims_of(a).print());
      }
      const std::string_view own = numpy_name(t.type);
      if (wanted == t.type && !own.empty() && a.dtype().is(py::dtype(std::string(own))) &&
          (a.flags() & py::array::c_style) != 0) {
        kept.push_back(a);
        bytes.push_back(bytes_of_dense(a, t.type));
        continue;
      }
      made.push_back(to_bytes(host::to_edge(to_value(a, wanted, t.name), t.type, q, t.name)));
      bytes.emplace_back(made.back().span());
    }
    std::vector<host::named_value> results;
    {
      const py::gil_scoped_release others_may_run;
      const std::scoped_lock one_machine(mutex_);
      const auto begin = std::chrono::steady_clock::now();
      results = runners_[number]->run_bytes(bytes);
      last_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    py::dict out;
    for (host::named_value& r : results)
      out[py::str(r.name)] =
          to_numpy(raw ? std::move(r.content) : host::from_edge(std::move(r.content), r.quant, r.edge));
    return out;
  }

private:
  isa::program program_;
  std::vector<std::unique_ptr<host::runner>> runners_;
  std::mutex mutex_;
  std::atomic<double> last_seconds_ = 0; // read without the lock
};

py::dict facts_of_tensor(const isa::io_tensor& t) {
  const quantization q{t.scale, t.zero_point};
  py::dict d;
  d["name"] = std::string(t.name.view());
  d["shape"] = py::tuple(py::cast(std::vector<std::int64_t>(t.dims.begin(), t.dims.end())));
  d["dtype"] = std::string(numpy_name(host::user_type(t.type, q, t.edge)));
  d["element"] = std::string(name_of(t.type));
  d["scale"] = q.present() ? py::object(py::float_(static_cast<double>(t.scale))) : py::object(py::none());
  d["zero_point"] = q.present() ? py::object(py::int_(t.zero_point)) : py::object(py::none());
  return d;
}

// --- the driver's commands ----------------------------------------------------------------------------------------

// The importer keeps what it maps in one place.
std::mutex one_compilation;

using shapes = std::map<std::string, std::vector<std::int64_t>>;

tmpuc::model_options model_at(const std::string& path, const shapes& input_shapes) {
  tmpuc::model_options o;
  o.path = path;
  for (const auto& [name, dims] : input_shapes) {
    text word(name);
    word << '=' << join(dims, ",");
    o.input_shapes.emplace_back(word.view());
  }
  return o;
}

struct how {
  std::string chip;
  std::string quantize;
  std::string calibration;
  bool asymmetric = false;
  std::int64_t weight_group = 0;
  bool float_io = false;
  std::string qtable;
  int opt = 2;
  int cores = 1;
  std::vector<std::string> without;
};
tmpuc::compile_options options_of(const std::string& path, const shapes& input_shapes, const how& h) {
  tmpuc::compile_options o;
  o.model = model_at(path, input_shapes);
  o.rules.without = h.without;
  o.chip = h.chip;
  o.quantize = h.quantize;
  o.asymmetric = h.asymmetric;
  o.weight_group = h.weight_group;
  o.float_io = h.float_io;
  o.qtable = h.qtable;
  o.calibration = h.calibration;
  if (h.opt < 0 || h.opt > 2) refuse(text("opt ") << h.opt << " is not known: it is 0, 1 or 2");
  o.opt = h.opt;
  if (h.cores < 1) refuse(text("cores ") << h.cores << " is no number of cores: give 1 or more");
  o.cores = h.cores;
  return o;
}

std::unique_ptr<model> compile(const std::string& path, const shapes& input_shapes, const how& h) {
  const py::gil_scoped_release others_may_run;
  const std::scoped_lock lock(one_compilation);
  return std::make_unique<model>(tmpuc::compile(options_of(path, input_shapes, h), [](const graph_body&, stage) {}));
}

std::string calibrate_model(const std::string& path, const shapes& input_shapes,
                            const std::vector<std::string>& without, const std::string& method,
                            const py::iterable& samples) {
  tmpuc::rule_options rules;
  rules.without = without;
  const tmpuc::canonical_model m = [&] {
    const py::gil_scoped_release others_may_run;
    const std::scoped_lock lock(one_compilation);
    return tmpuc::canonicalize(tmpuc::load_origin(model_at(path, input_shapes)), tmpuc::rules_of(rules));
  }();
  text methods;
  const bool known = unpack<decltype(calibrate::methods)>::any([&]<class Method>() {
    methods << (methods.empty() ? "" : ", ") << Method::name;
    return Method::name == method;
  });
  if (!known) refuse(text("method '") << method << "' is not known: there are " << methods);
  const std::vector<host::input_facts> inputs = tmpuc::inputs_of(m.graph);
  calibrate::calibrator calibrator(m.graph, m.rules);
  for (const py::handle& sample : samples) {
    const auto given = in_order(sample, inputs, [](const host::input_facts& i) { return std::string_view(i.name); });
    vec<value> values;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const py::array a = array_of(given[i], inputs[i].name);
      if (!(dims_of(a) == inputs[i].dims)) {
        refuse(text("sample ") << calibrator.samples() << ": input '" << inputs[i].name << "' takes "
                               << inputs[i].dims.print() << ", not " << dims_of(a).print());
      }
      values.push_back(to_value(a, inputs[i].type, inputs[i].name));
    }
    const py::gil_scoped_release others_may_run;
    calibrator.add(values);
  }
  return std::string(calibrate::print(calibrator.finish(method)).view());
}

py::dict check(const std::string& path, const shapes& input_shapes, const how& h, const py::handle& data,
               std::int64_t samples, const std::string& reference,
               const std::optional<std::pair<double, double>>& tolerance) {
  tmpuc::check_request r;
  r.compile = options_of(path, input_shapes, h);
  r.reference = reference;
  if (tolerance) {
    text words;
    words << tolerance->first << ',' << tolerance->second;
    r.tolerance = std::string(words.view());
  }
  std::vector<host::array> arrays;
  std::optional<host::array> only;
  if (py::isinstance<py::dict>(data)) {
    for (const auto& item : py::reinterpret_borrow<py::dict>(data))
      arrays.push_back(to_array(std::string(py::str(item.first)), item.second));
  } else {
    only = to_array("", data);
  }
  tmpuc::checked_model m;
  {
    const py::gil_scoped_release others_may_run; // before the lock: who waits for it must not hold the interpreter
    const std::scoped_lock lock(one_compilation);
    m = tmpuc::check_model(r, [&](std::vector<host::input_facts> inputs) {
      if (only) {
        if (inputs.size() != 1)
          refuse(text("the network has ") << inputs.size() << " inputs: give a dict {name: array}");
        only->name = inputs[0].name;
        arrays.push_back(*only);
      }
      return host::dataset(std::move(inputs), std::move(arrays), {}, samples);
    });
  }
  py::dict out;
  out["passed"] = m.passed();
  out["text"] = tmpuc::text_of(r, m);
  out["json"] = tmpuc::json_of(r, m);
  out["html"] = tmpuc::page_of(r, m);
  return out;
}

} // namespace

PYBIND11_MODULE(_native, m) {
  m.doc() = "What tmpu is made of; import tmpu instead.";
  py::register_exception<error>(m, "Error", PyExc_ValueError);
  m.attr("__version__") = std::to_string(version.major_number) + "." + std::to_string(version.minor_number) + "." +
                          std::to_string(version.patch_number);

  py::class_<how>(m, "How")
      .def(py::init<>())
      .def_readwrite("chip", &how::chip)
      .def_readwrite("quantize", &how::quantize)
      .def_readwrite("calibration", &how::calibration)
      .def_readwrite("asymmetric", &how::asymmetric)
      .def_readwrite("weight_group", &how::weight_group)
      .def_readwrite("float_io", &how::float_io)
      .def_readwrite("qtable", &how::qtable)
      .def_readwrite("opt", &how::opt)
      .def_readwrite("cores", &how::cores)
      .def_readwrite("without", &how::without);

  py::class_<model>(m, "Model")
      .def_static("load",
                  [](const std::string& path) {
                    const py::gil_scoped_release others_may_run;
                    return std::make_unique<model>(isa::from_bytes(host::read_file(path), path));
                  })
      .def_static("from_bytes",
                  [](const py::bytes& content) {
                    const std::string_view view = content;
                    return std::make_unique<model>(
                        isa::from_bytes({reinterpret_cast<const std::uint8_t*>(view.data()), view.size()})); // NOLINT
                  })
      .def("to_bytes",
           [](const model& self) {
             const vec<std::uint8_t> bytes = isa::to_bytes(self.program());
             return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()); // NOLINT
           })
      .def("save",
           [](const model& self, const std::string& path) { host::write_file(path, isa::to_bytes(self.program())); })
      .def("run", &model::run, py::arg("inputs"), py::arg("network"), py::arg("raw"))
      .def("networks",
           [](const model& self) {
             std::vector<std::string> names;
             for (const isa::network& n : self.program().info.networks) names.emplace_back(n.name.view());
             return names;
           })
      .def("inputs",
           [](const model& self, std::size_t n) {
             py::list out;
             for (const isa::io_tensor& t : self.network(n).inputs) out.append(facts_of_tensor(t));
             return out;
           })
      .def("outputs",
           [](const model& self, std::size_t n) {
             py::list out;
             for (const isa::io_tensor& t : self.network(n).outputs) out.append(facts_of_tensor(t));
             return out;
           })
      .def("cycles", [](const model& self, std::size_t n) { return self.network(n).cycles; })
      .def_property_readonly("chip",
                             [](const model& self) { return std::string(self.program().info.target.chip.view()); })
      .def_property_readonly("quantize",
                             [](const model& self) { return std::string(self.program().info.quantize.view()); })
      .def_property_readonly("last_seconds", &model::last_seconds);

  m.def("compile", &compile);
  m.def("calibrate", &calibrate_model);
  m.def("check", &check);
  m.def("chips", [] {
    std::vector<std::string> names;
    unpack<decltype(chip::chips)>::for_each([&]<class Chip>() { names.emplace_back(Chip::info.name); });
    return names;
  });
  m.def("modes", [] { return std::string(lower::mode_words().view()); });
}
