// SPDX-License-Identifier: Apache-2.0
#include "pages.hpp"

#include "tmpu/isa/program.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace tmpuc {

using namespace tmpu;

namespace {

/// Bytes of a memory that hold one thing from when it is written until it is last read.
struct held {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int32_t layer = -1; ///< that writes it
};

/// What local memory (of a lane) and the activations in global memory hold over time.
class memory_map {
public:
  void write(std::int64_t first, std::int64_t last, const timing::span_of_time& when, std::int32_t layer) {
    for (std::size_t i = 0; i < open_.size();) {
      if (open_[i].first < last && first < open_[i].last) {
        done_.push_back(open_[i]);
        open_[i] = open_.back();
        open_.pop_back();
      } else {
        ++i;
      }
    }
    open_.push_back({first, last, when.start, when.end, layer});
  }
  void read(std::int64_t first, std::int64_t last, const timing::span_of_time& when) {
    for (held& h : open_) {
      if (h.first < last && first < h.last) h.end = std::max(h.end, when.end);
    }
  }
  std::vector<held> take() {
    done_.insert(done_.end(), open_.begin(), open_.end());
    return std::move(done_);
  }

private:
  std::vector<held> open_;
  std::vector<held> done_;
};

/// An instruction's use of a memory: map 0 is global memory, the others are the local ones of the cores.
struct access {
  std::size_t map = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool write = false;
  std::size_t instruction = 0; ///< its place in the profile
};

/// Of a stream whose first instruction has the place `instruction`; gives the place behind its last.
std::size_t note_accesses(const isa::core_stream& stream, std::int32_t core, std::size_t instruction,
                          const chip::facts& chip, std::vector<access>& out) {
  for (std::size_t at = 0; at < stream.words.size(); ++instruction) {
    const std::size_t size = isa::size_of(stream.words[at]);
    isa::decoder<unpack<decltype(isa::instructions)>>::decode(
        stream.words.span().subspan(at, size), [&](const isa::header&, const auto& i) {
          const auto each = [&](bool write) {
            return [&, write](const auto& r) {
              using ref = std::remove_cvref_t<decltype(r)>;
              access a{.write = write, .instruction = instruction};
              if constexpr (std::is_same_v<ref, isa::local_ref>) {
                const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(r.lane + r.c, chip.lanes);
                a.map = static_cast<std::size_t>(core) + 1;
                a.first = r.address;
                a.last = a.first + (r.n - 1) * std::int64_t{r.n_stride} + (rows - 1) * std::int64_t{r.c_stride} +
                         (r.h - 1) * std::int64_t{r.h_stride} + isa::row_bytes(r);
              } else {
                if (isa::region_of(r.address) == isa::region::weights) return;
                a.first = static_cast<std::int64_t>(isa::offset_of(r.address));
                a.last = a.first + (r.n - 1) * r.n_stride + (r.c - 1) * r.c_stride + (r.h - 1) * r.h_stride +
                         (r.w - 1) * r.w_stride + bytes_of(r.type);
              }
              out.push_back(a);
            };
          };
          i.reads(each(false));
          i.writes(each(true));
        });
    at += size;
  }
  return instruction;
}

/// Global memory and the local memory of each core.
std::vector<std::vector<held>> maps_of(const isa::network& n, const timing::profile& p, std::int32_t cores,
                                       const chip::facts& chip) {
  std::vector<access> accesses;
  std::size_t instruction = 0; // a profile has segment after segment, core by core
  for (const isa::segment& s : n.segments) {
    for (std::size_t core = 0; core < s.cores.size(); ++core)
      instruction = note_accesses(s.cores[core], static_cast<std::int32_t>(core), instruction, chip, accesses);
  }
  std::stable_sort(accesses.begin(), accesses.end(), [&](const access& a, const access& b) {
    return p.line.instructions[a.instruction].start < p.line.instructions[b.instruction].start;
  });
  std::vector<memory_map> maps(static_cast<std::size_t>(cores) + 1);
  for (const access& a : accesses) {
    const timing::span_of_time& when = p.line.instructions[a.instruction];
    if (a.write) {
      maps[a.map].write(a.first, a.last, when, p.instructions[a.instruction].layer);
    } else {
      maps[a.map].read(a.first, a.last, when);
    }
  }
  std::vector<std::vector<held>> out;
  for (memory_map& m : maps) out.push_back(m.take());
  return out;
}

} // namespace

std::string script_text(std::string_view s) {
  std::string out;
  for (const char c : json_text(s)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string html_text(std::string_view s) {
  std::string out;
  for (const char c : s) {
    switch (c) {
    case '&': out += "&amp;"; break;
    case '<': out += "&lt;"; break;
    case '>': out += "&gt;"; break;
    case '"': out += "&quot;"; break;
    default: out += c;
    }
  }
  return out;
}

namespace {
constexpr std::string_view style = R"(
body{font:14px sans-serif;margin:1.5em;color:#222}canvas{border:1px solid #bbb;display:block;width:100%;touch-action:pan-y}
h1{font-size:1.4em}h2{font-size:1.1em;margin:1.4em 0 .3em}
#tip{position:fixed;background:#222;color:#fff;padding:.3em .6em;display:none;pointer-events:none;white-space:pre}
.wide{overflow-x:auto}table{border-collapse:collapse}td,th{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
td:first-child,th:first-child,.left{text-align:left}.bad{color:#b00020;font-weight:bold}.good{color:#1b6e2d;font-weight:bold}
.bar{display:inline-block;height:.8em;background:#4a7ebb;vertical-align:middle}.flow{display:flex;flex-wrap:wrap;gap:.3em;align-items:center}
.stage{border:1px solid #4a7ebb;border-radius:.4em;padding:.3em .6em;background:#eef4fb}.stage b{display:block}
@media(max-width:600px){body{margin:.7em;font-size:13px}}
)";

constexpr std::string_view timeline_script =
    R"(const by = id => document.getElementById(id), tip = by('tip'), all = [0, Math.max(1, data.cycles)];
const cores = data.cores, of = k => cores === 1 ? '' : ' of core ' + k;
let view = all.slice();
by('line').height = 6 + cores * 104; by('local').height = cores === 1 ? 240 : cores * 120;
by('facts').textContent = data.cycles + ' cycles predicted; compute busy ' + data.busy[0] + ', DMA busy ' + data.busy[1] +
  '; ' + data.bytes + ' bytes moved; local memory ' + data.local_bytes + ' bytes a lane in ' + data.banks + ' banks';
const colour = i => 'hsl(' + (i * 47 % 360) + ',60%,60%)';
const layer = i => i < 0 ? '' : data.layers[i];
function canvas(id) {
  const c = by(id); c.width = c.clientWidth; const g = c.getContext('2d'); g.clearRect(0, 0, c.width, c.height);
  return {c, g, x: t => (t - view[0]) / (view[1] - view[0]) * c.width};
}
function drawLine() {
  const {c, g, x} = canvas('line');
  for (const [row, s, f, l] of data.instructions) {
    if (f < view[0] || s > view[1]) continue;
    g.fillStyle = colour(l); g.fillRect(x(s), 8 + row * 52, Math.max(.5, x(f) - x(s)), 42);
  }
  g.fillStyle = '#222';
  for (let k = 0; k < cores; k++) { g.fillText('compute' + of(k), 4, 20 + k * 104); g.fillText('DMA' + of(k), 4, 72 + k * 104); }
}
function drawMap(id, parts, size, banks) {
  const {c, g, x} = canvas(id), high = c.height / parts.length;
  const rule = (y, style) => { g.strokeStyle = style; g.beginPath(); g.moveTo(0, y); g.lineTo(c.width, y); g.stroke(); };
  parts.forEach((list, k) => {
    const y = b => (k + b / Math.max(1, size)) * high;
    for (const [a, b, s, f, l] of list) {
      if (f < view[0] || s > view[1]) continue;
      g.fillStyle = colour(l); g.fillRect(x(s), y(a), Math.max(.5, x(f) - x(s)), Math.max(1, y(b) - y(a)));
    }
    for (let i = 1; i < banks; i++) rule((k + i / banks) * high, 'rgba(0,0,0,.25)');
    if (k > 0) rule(k * high, '#222');
    if (parts.length > 1) { g.fillStyle = '#222'; g.fillText('core ' + k, 4, k * high + 14); }
  });
}
const roof = data.roof.filter(p => p[1] > 0 && p[2] > 0);
function drawRoof() {
  const {c, g} = canvas('roof'), xs = roof.map(p => p[1]).concat(data.peak / data.bandwidth);
  const lo = Math.log(Math.min(...xs)) - 1, hi = Math.log(Math.max(...xs)) + 1;
  const top = Math.log(data.peak) + .5, low = Math.min(top - 6, ...roof.map(p => Math.log(p[2]) - .5));
  const x = v => (Math.log(v) - lo) / (hi - lo) * c.width, y = v => (top - Math.log(v)) / (top - low) * c.height;
  const knee = data.peak / data.bandwidth, left = Math.exp(lo);
  g.strokeStyle = '#222'; g.beginPath(); g.moveTo(0, y(left * data.bandwidth)); g.lineTo(x(knee), y(data.peak)); g.lineTo(c.width, y(data.peak)); g.stroke();
  g.fillStyle = '#222'; g.fillText('multiply-accumulates a cycle over multiply-accumulates a byte moved; peak ' + data.peak, 8, c.height - 8);
  c.points = roof.map(p => [x(p[1]), y(p[2]), p]);
  for (const [px, py, p] of c.points) { g.fillStyle = colour(p[0]); g.beginPath(); g.arc(px, py, 5, 0, 7); g.fill(); }
}
function draw() { drawLine(); drawMap('local', data.local, data.local_bytes, data.banks); drawMap('global', [data.global], data.activation_bytes, 1); drawRoof(); }
function show(e, text) { tip.style.display = text ? 'block' : 'none'; tip.textContent = text; tip.style.left = (e.clientX + 14) + 'px'; tip.style.top = (e.clientY + 14) + 'px'; }
for (const id of ['line', 'local', 'global']) {
  const c = by(id), time = e => view[0] + e.offsetX / c.clientWidth * (view[1] - view[0]);
  c.onwheel = e => { e.preventDefault(); const t = time(e), k = e.deltaY < 0 ? .8 : 1.25;
    view = [Math.max(all[0], t - (t - view[0]) * k), Math.min(all[1], t + (view[1] - t) * k)]; draw(); };
  c.ondblclick = () => { view = all.slice(); draw(); };
  c.onmousemove = e => {
    if (e.buttons) { const d = e.movementX / c.clientWidth * (view[1] - view[0]);
      if (view[0] - d >= all[0] && view[1] - d <= all[1]) { view = [view[0] - d, view[1] - d]; draw(); } return; }
    const t = time(e), parts = id === 'local' ? data.local : [data.global], size = id === 'local' ? data.local_bytes : data.activation_bytes;
    const place = Math.min(e.offsetY / c.clientHeight, .9999) * parts.length, part = Math.floor(place), b = (place - part) * size;
    const hit = id === 'line' ? data.instructions.find(i => i[1] <= t && t < i[2] && i[0] === Math.floor((e.offsetY - 4) / 52))
                              : parts[part].find(m => m[2] <= t && t < m[3] && m[0] <= b && b < m[1]);
    show(e, !hit ? '' : id === 'line' ? hit[4] + ' for ' + layer(hit[3]) + '\n' + (hit[2] - hit[1]) + ' cycles from ' + hit[1] + (hit[5] ? '\n' + hit[5] + ' bytes' : '')
                                      : (layer(hit[4]) || 'input') + '\nbytes ' + hit[0] + ' to ' + hit[1]);
  };
  c.onmouseleave = e => show(e, '');
}
by('roof').onmousemove = e => { const p = (by('roof').points || []).find(q => Math.hypot(q[0] - e.offsetX, q[1] - e.offsetY) < 6);
  show(e, p ? layer(p[2][0]) + '\n' + p[2][1].toFixed(2) + ' MAC a byte, ' + p[2][2].toFixed(1) + ' MAC a cycle' : ''); };
addEventListener('resize', draw); draw();
)";
} // namespace

std::string page(std::string_view title, const std::string& body, const std::string& script) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                    "content=\"width=device-width,initial-scale=1\"><title>";
  out += html_text(title) + "</title><style>" + std::string(style) + "</style></head><body>\n<h1>" + html_text(title) +
         "</h1>\n" + body;
  if (!script.empty()) out += "<div id=\"tip\"></div><script>\n" + script + "</script>";
  return out + "</body></html>\n";
}

std::string timeline_body() {
  return R"(<p id="facts"></p>
<p>All times are predictions of a model, not measurements. Wheel: zoom in time; drag: move; double click: all.</p>
<h2>Engines over time</h2><canvas id="line" height="110"></canvas>
<h2>Local memory of a lane over time</h2><canvas id="local" height="240"></canvas>
<h2>Activations in global memory over time</h2><canvas id="global" height="240"></canvas>
<h2>Roofline (layers; both axes logarithmic)</h2><canvas id="roof" height="320"></canvas>
)";
}

std::string timeline_code(const isa::network& n, const timing::profile& p, const chip::facts& chip, dtype_id type) {
  const std::int32_t cores = p.cores();
  const std::vector<std::vector<held>> maps = maps_of(n, p, cores, chip);
  std::string layers;
  for (const isa::layer& l : n.layers) layers += (layers.empty() ? "" : ",") + script_text(l.name);
  std::string instructions;
  for (std::size_t k = 0; k < p.instructions.size(); ++k) {
    const timing::span_of_time& s = p.line.instructions[k];
    instructions += fmt::format("{}[{},{},{},{},{},{}]", k == 0 ? "" : ",",
                                2 * p.instructions[k].core + static_cast<int>(s.engine), s.start, s.end,
                                p.instructions[k].layer, script_text(p.instructions[k].name), p.instructions[k].bytes);
  }
  const auto list = [](const std::vector<held>& all) {
    std::string out;
    for (const held& h : all)
      out += fmt::format("{}[{},{},{},{},{}]", out.empty() ? "" : ",", h.first, h.last, h.start, h.end, h.layer);
    return out;
  };
  std::string local;
  for (std::size_t core = 1; core < maps.size(); ++core) local += (core == 1 ? "[" : ",[") + list(maps[core]) + "]";
  std::string roof;
  for (const timing::cost& c : p.layers) {
    const std::int64_t bytes = c.load_bytes + c.store_bytes;
    const std::int64_t cycles = std::max(c.busy[0], c.busy[1]);
    roof += fmt::format("{}[{},{},{}]", roof.empty() ? "" : ",", c.layer,
                        static_cast<double>(c.macs) / static_cast<double>(std::max<std::int64_t>(bytes, 1)),
                        static_cast<double>(c.macs) / static_cast<double>(std::max<std::int64_t>(cycles, 1)));
  }
  return "const data = " +
         fmt::format(
             "{{\"network\":{},\"chip\":{},\"cores\":{},\"cycles\":{},\"busy\":[{},{}],\"bytes\":{},\"local_bytes\":{},"
             "\"banks\":{},\"activation_bytes\":{},\"peak\":{},\"bandwidth\":{},\"layers\":[{}],"
             "\"instructions\":[{}],\"local\":[{}],\"global\":[{}],\"roof\":[{}]}}",
             script_text(n.name), script_text(chip.name), cores, p.line.cycles, p.line.busy[0], p.line.busy[1],
             p.line.dma_bytes, chip.local_bytes, chip.banks, n.activation_bytes, chip.macs(type),
             static_cast<double>(chip.load_bytes_per_second) / static_cast<double>(chip.compute_hz), layers,
             instructions, local, list(maps[0]), roof) +
         ";\n" + std::string(timeline_script);
}

bool can_be_profiled(const isa::program& p) {
  return p.info.networks.size() == 1 && p.info.networks[0].host_steps() == 0 && !p.info.networks[0].layers.empty();
}

dtype_id compute_type(std::string_view quantize) {
  const lower::mode* mode = lower::mode_named(quantize);
  return mode == nullptr ? dtype_id::i8 : mode->type;
}

} // namespace tmpuc
