# SPDX-License-Identifier: Apache-2.0
# cmake -DTMPUC=DRIVER -DWORK=FOLDER -P frameworks.cmake
# The Python package as its users get it: for each framework a virtual environment with `pip install .`, the newest framework of the
# package registry, and the tests of this folder. A framework that the registry does not give is said and left out.
cmake_minimum_required(VERSION 3.25)
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
get_filename_component(TMPUC ${TMPUC} ABSOLUTE)
get_filename_component(WORK ${WORK} ABSOLUTE)
# As in python/CMakeLists.txt: the Debian packages are for Debian's interpreter.
find_program(python NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(python NAMES python3 REQUIRED)

function(must what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed")
  endif()
endfunction()

set(wheel "")
set(more_torch torchvision)
foreach(framework torch tensorflow)
  set(venv ${WORK}/${framework})
  if(NOT EXISTS ${venv}/bin/pip)
    must("python3 -m venv (Debian: python3-venv)" ${python} -m venv ${venv})
  endif()
  if(NOT wheel)
    file(REMOVE_RECURSE ${WORK}/wheel)
    must("pip wheel" ${venv}/bin/pip wheel --quiet --no-deps --config-settings build-dir=${WORK}/wheel_build --wheel-dir
         ${WORK}/wheel ${root})
    file(GLOB wheel ${WORK}/wheel/tmpu-*.whl)
  endif()
  must("pip install tmpu" ${venv}/bin/pip install --quiet --force-reinstall --no-deps ${wheel})
  execute_process(COMMAND ${venv}/bin/pip install --quiet "${wheel}[test,${framework}]" onnxruntime ${more_${framework}} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message("skipped: the package registry does not give '${framework}' and what its tests need")
    continue()
  endif()
  must("the tests with ${framework}" ${CMAKE_COMMAND} -E env TMPU_TMPUC=${TMPUC} PYTHONDONTWRITEBYTECODE=1 ${venv}/bin/python -m
       pytest -rsP -p no:cacheprovider ${CMAKE_CURRENT_LIST_DIR})
endforeach()
