# hookpace_embed(target file symbol [depends...]): compiles FILE into TARGET as `const unsigned char
# SYMBOL[]` and `const size_t SYMBOL_len`; `--@include` lines are replaced (embed_file.cmake).
set(HOOKPACE_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake)
function(hookpace_embed target file symbol)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embed/${symbol}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${out} -DSYMBOL=${symbol} -P ${HOOKPACE_EMBED_SCRIPT}
    DEPENDS ${file} ${HOOKPACE_EMBED_SCRIPT} ${ARGN} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
