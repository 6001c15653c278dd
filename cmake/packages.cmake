# SPDX-License-Identifier: Apache-2.0
# The Debian 12 packages that this project uses, in one place; versions are pinned by the packages' names.
# tmpu_need_packages(LIST...) installs those that are missing, or prints the line to do so and stops.

set(tmpu_packages_demo
    g++
    ninja-build
    libboost1.81-dev
    libonnx-dev
    libprotobuf-dev
    protobuf-compiler
    libxtensor-dev
    libxsimd-dev
    libcli11-dev
    libflatbuffers-dev
    libfmt-dev
    libzip-dev
    zlib1g-dev)
set(tmpu_packages_test
    ${tmpu_packages_demo}
    doctest-dev
    libonnx-testdata
    libbenchmark-dev
    libopenmpi-dev
    openmpi-bin
    clang-16
    libclang-rt-16-dev
    clang-format-14
    python3
    python3-dev
    pybind11-dev
    python3-numpy
    python3-pytest)

function(tmpu_package_installed package result)
  execute_process(
    COMMAND dpkg-query -W -f "\${db:Status-Status}" ${package}
    OUTPUT_VARIABLE status
    ERROR_QUIET)
  set(${result} FALSE PARENT_SCOPE)
  if(status STREQUAL "installed")
    set(${result} TRUE PARENT_SCOPE)
  elseif(package STREQUAL "libboost1.81-dev")
    # Any newer Boost does as well.
    execute_process(
      COMMAND dpkg-query -W -f "\${db:Status-Status} \${Version}" libboost-dev
      OUTPUT_VARIABLE status
      ERROR_QUIET)
    if(status MATCHES "^installed ([0-9]+\\.[0-9]+)" AND CMAKE_MATCH_1 VERSION_GREATER_EQUAL 1.81)
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(tmpu_need_packages)
  find_program(dpkg_query dpkg-query)
  find_program(apt_get apt-get)
  if(NOT dpkg_query OR NOT apt_get)
    message("This is not a Debian system: taking what is installed. On Debian 12 it would be these packages:")
    list(JOIN ARGN " " packages)
    message("  ${packages}")
    return()
  endif()

  set(missing "")
  foreach(package IN LISTS ARGN)
    tmpu_package_installed(${package} installed)
    if(NOT installed)
      list(APPEND missing ${package})
    endif()
  endforeach()
  if(NOT missing)
    return()
  endif()

  # --no-remove: never take something away that is in the way; the line below then shows what to decide.
  set(install apt-get install -y --no-install-recommends --no-remove ${missing})
  list(JOIN missing " " line)
  set(line "apt-get install --no-install-recommends ${line}")
  execute_process(COMMAND id -u OUTPUT_VARIABLE uid OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(sudo "")
  if(NOT uid EQUAL 0)
    find_program(sudo_program sudo)
    if(NOT sudo_program)
      message("Debian packages are missing, and neither root nor sudo is here to install them. Run as root:\n  ${line}")
      message(FATAL_ERROR "packages are missing")
    endif()
    set(sudo sudo)
  endif()
  message("Installing the missing Debian packages (${sudo} ${line})")
  set(ENV{DEBIAN_FRONTEND} noninteractive)
  execute_process(COMMAND ${sudo} apt-get update -q RESULT_VARIABLE result)
  if(result EQUAL 0)
    execute_process(COMMAND ${sudo} ${install} RESULT_VARIABLE result)
  endif()
  if(NOT result EQUAL 0)
    message("The packages could not be installed. Run as root, then start again:\n  ${line}")
    message(FATAL_ERROR "packages are missing")
  endif()
endfunction()
