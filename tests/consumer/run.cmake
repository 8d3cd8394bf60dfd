# cmake -DSOURCE=… -DBUILD=… -DCXX=… -DOTHER_CXX=… -DCUDA=… -P run.cmake: installs into the build folder, then uses that: the shared library and the
# archive, with the compiler that built them and, where it is installed, with another one.
set(work ${BUILD}/tests/consumer)
file(REMOVE_RECURSE ${work})
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " line)
    message(FATAL_ERROR "${line}\n${out}")
  endif()
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
foreach(compiler IN LISTS CXX OTHER_CXX)
  get_filename_component(name ${compiler} NAME)
  run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${work}/${name} -DCMAKE_CXX_COMPILER=${compiler} -DCMAKE_PREFIX_PATH=${work}/prefix)
  run(${CMAKE_COMMAND} --build ${work}/${name})
  foreach(program consumer consumer_f64 consumer_static consumer_f64_static)
    run(${work}/${name}/${program})
  endforeach()
endforeach()

# What the shared library shows of itself is its own names alone: our copies of Eigen's templates stay inside.
file(GLOB libraries ${work}/prefix/lib*/libsiglip*.so ${work}/prefix/lib*/*/libsiglip*.so)
list(LENGTH libraries count)
if(NOT count EQUAL 2)
  message(FATAL_ERROR "two shared libraries are expected in ${work}/prefix, got: ${libraries}")
endif()
foreach(library IN LISTS libraries)
  execute_process(COMMAND nm --dynamic --defined-only --demangle ${library} OUTPUT_VARIABLE names COMMAND_ERROR_IS_FATAL ANY)
  if(NOT names MATCHES "siglip::[a-z0-9]*::sigmoid_loss" OR names MATCHES "[^\n]* [A-Z] Eigen::[^\n]*")
    message(FATAL_ERROR "${library}: sigmoid_loss and nothing of Eigen is expected among its names, got: ${CMAKE_MATCH_0}")
  endif()
endforeach()

# A machine without the OpenMP runtime is told so.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${work}/without -DCMAKE_CXX_COMPILER=${CXX}
  -DCMAKE_PREFIX_PATH=${work}/prefix -DSIGLIP_OPENMP_RUNTIME=OFF
  RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE out)
string(REGEX REPLACE "[ \n]+" " " out "${out}")
if(status EQUAL 0 OR NOT out MATCHES "whose OpenMP runtime, lib[a-z]+ \\(Debian: [a-z0-9-]+\\), is not on this machine")
  message(FATAL_ERROR "a sentence about the OpenMP runtime is expected, got:\n${out}")
endif()

# Inside another project the library would be compiled once more; the one that is there takes its place, and "fast" targets do not look further.
run(${CMAKE_COMMAND} -G "Unix Makefiles" -S ${SOURCE}/tests/consumer -B ${work}/embedded -DCMAKE_CXX_COMPILER=${CXX} -DSIGLIP_SOURCE=${SOURCE}
  -DSIGLIP_CUDA=${CUDA})
file(COPY ${BUILD}/libsiglip.a ${BUILD}/libsiglip_f64.a DESTINATION ${work}/embedded/siglip)
foreach(program consumer consumer_f64 example)
  run(${CMAKE_COMMAND} --build ${work}/embedded --target ${program}/fast)
endforeach()
run(${work}/embedded/consumer)
run(${work}/embedded/consumer_f64)
