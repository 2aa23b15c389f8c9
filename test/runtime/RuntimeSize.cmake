# The stripped size of the shared runtime. The limit only goes down.
#   2026-11-23  400 000 bytes
set(limit 365000)
execute_process(COMMAND ${STRIP} -o ${STRIPPED} ${LIBRARY} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "cannot strip ${LIBRARY}")
endif()
file(SIZE ${STRIPPED} size)
if(size GREATER limit)
  message(FATAL_ERROR "the runtime has ${size} bytes, the limit is ${limit}")
endif()
message(STATUS "${size} of ${limit} bytes")
