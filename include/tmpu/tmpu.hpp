// SPDX-License-Identifier: Apache-2.0
#pragma once

/// All of tmpu, as a table of contents. A program includes what it needs: compile.hpp compiles models that are C++ values, host/model.hpp
/// reads ONNX files, host/run.hpp runs programs, exec/executor.hpp does so without the rest.

#include "tmpu/version.hpp"

// The pipeline: lists, passes, compile<DType>(model, session)
#include "tmpu/compile.hpp"

// Models that are types, compiled and run by the C++ compiler
#include "tmpu/static_check.hpp"
#include "tmpu/static_program.hpp"
#include "tmpu/static_run.hpp"

// Graphs: write one as a C++ value, run one, print one
#include "tmpu/ir/builder.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/ir/print.hpp"

// ONNX files and files of every stage
#include "tmpu/onnx/import.hpp"
#include "tmpu/onnx/stage_file.hpp"
#include "tmpu/tflite/import.hpp"

// Calibration
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/calibrate/qtable_text.hpp"
#include "tmpu/calibrate/table_text.hpp"

// Programs: the .tmodel file, its listing, predicted cycles
#include "tmpu/isa/disasm.hpp"
#include "tmpu/isa/tmodel.hpp"
#include "tmpu/timing/timeline.hpp"

// The reference TPU, and its checked mode
#include "tmpu/exec/checked.hpp"
#include "tmpu/exec/executor.hpp"

// Results side by side
#include "tmpu/compare/table.hpp"

// Files, data, arrays
#include "tmpu/host/data.hpp"
#include "tmpu/host/model.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/host/xtensor.hpp"
