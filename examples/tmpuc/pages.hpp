// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models.hpp"
#include "tmpu/timing/profile.hpp"

#include <string>
#include <string_view>

/// Pages that need nothing from outside: what `profile --html` and `check --html` are made of.
namespace tmpuc {

/// Text in a script element: nothing in it may end the element.
std::string script_text(std::string_view s);
/// Text between tags and in attributes.
std::string html_text(std::string_view s);
/// A whole page of a body and a script (or none).
std::string page(std::string_view title, const std::string& body, const std::string& script);

/// The cores' streams over time: engines, memories, roofline. The body's canvases are drawn by the code.
std::string timeline_body();
std::string timeline_code(const tmpu::isa::network& n, const tmpu::timing::profile& p, const tmpu::chip::facts& chip,
                          tmpu::dtype_id type);

/// One network without host steps, whose time is not predicted.
bool can_be_profiled(const tmpu::isa::program& p);
/// The type in which a mode computes.
tmpu::dtype_id compute_type(std::string_view quantize);

} // namespace tmpuc
