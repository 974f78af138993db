# What `cmake --install` puts where. GNUInstallDirs names the folders, DESTDIR and --prefix work as usual.
#
#   bin/                     the two programs and the command
#   lib/systemd/system/      units; lib/sysusers.d/ the user that they run as
#   share/man/               man pages
#   share/bash-completion/completions/, share/zsh/site-functions/, share/fish/vendor_completions.d/
#   share/doc/hookpace/      an example of a configuration, the schema that it names, the documentation
#   share/hookpace/deploy/   alerts, a dashboard for Grafana, and what else deploy/ has for other systems
#
# Nothing is put into /etc: the programs look for /etc/hookpace/hookpace.json, which is the administrator's.
include(GNUInstallDirs)

install(TARGETS hookpace-receiver hookpace-dispatcher hookpace RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# Units name the programs by their whole path, and only the installation knows the prefix: `cmake --install --prefix` and
# cpack each choose their own. So the units are made then.
set(HOOKPACE_UNITS hookpace-receiver.service hookpace-dispatcher@.service)
install(CODE "
  set(bindir \"${CMAKE_INSTALL_BINDIR}\")
  if(NOT IS_ABSOLUTE \"\${bindir}\")
    set(bindir \"\${CMAKE_INSTALL_PREFIX}/\${bindir}\")
  endif()
  file(READ \"${PROJECT_SOURCE_DIR}/deploy/systemd/hardening.conf\" hardening)
  foreach(unit ${HOOKPACE_UNITS})
    configure_file(\"${PROJECT_SOURCE_DIR}/deploy/systemd/\${unit}.in\" \"${PROJECT_BINARY_DIR}/units/\${unit}\" @ONLY)
  endforeach()")
foreach(unit ${HOOKPACE_UNITS})
  install(FILES ${PROJECT_BINARY_DIR}/units/${unit} DESTINATION lib/systemd/system)
endforeach()
install(FILES deploy/systemd/hookpace.sysusers DESTINATION lib/sysusers.d RENAME hookpace.conf)

# The rest is made by running the programs, which a build for another machine cannot do. A build with sanitizers is not installed.
if(CMAKE_CROSSCOMPILING OR HOOKPACE_SANITIZE OR HOOKPACE_SANITIZE_THREADS OR HOOKPACE_FUZZ)
  set(can_run OFF)
else()
  set(can_run ON)
endif()

# The shells' scripts come from the command's own tables.
if(can_run)
  set(shells bash zsh fish)
  set(places bash-completion/completions zsh/site-functions fish/vendor_completions.d)
  set(names hookpace _hookpace hookpace.fish)
  foreach(shell place name IN ZIP_LISTS shells places names)
    set(script ${PROJECT_BINARY_DIR}/completion/${shell}/${name})
    add_custom_command(OUTPUT ${script}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completion/${shell}
      COMMAND hookpace completion ${shell} > ${script}
      DEPENDS hookpace VERBATIM)
    list(APPEND completions ${script})
    install(FILES ${script} DESTINATION ${CMAKE_INSTALL_DATADIR}/${place})
  endforeach()
  add_custom_target(hookpace_completion ALL DEPENDS ${completions})
endif()

# The example of a configuration names its schema by a path beside it.
if(can_run)
  set(schema ${PROJECT_BINARY_DIR}/hookpace.schema.json)
  add_custom_command(OUTPUT ${schema} COMMAND hookpace-receiver --print-schema > ${schema} DEPENDS hookpace-receiver VERBATIM)
  add_custom_target(hookpace_schema ALL DEPENDS ${schema})
  install(FILES ${schema} DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

# Man pages come from --help and from the documentation (docs/man/make-page).
find_program(HOOKPACE_GZIP gzip)
if(can_run AND EXISTS ${PROJECT_SOURCE_DIR}/docs/man) # the container image is built without docs/
  set(tools ${PROJECT_BINARY_DIR}/man/bin)
  add_custom_command(OUTPUT ${tools}/made
    COMMAND ${CMAKE_COMMAND} -E make_directory ${tools}
    COMMAND ${CMAKE_COMMAND} -E copy_if_different $<TARGET_FILE:hookpace> $<TARGET_FILE:hookpace-receiver>
      $<TARGET_FILE:hookpace-dispatcher> ${tools}
    COMMAND ${CMAKE_COMMAND} -E touch ${tools}/made
    DEPENDS hookpace hookpace-receiver hookpace-dispatcher VERBATIM)
  foreach(page hookpace.1 hookpace-config.5 hookpace-receiver.8 hookpace-dispatcher.8)
    string(REGEX REPLACE ".*\\." "" section ${page})
    set(file ${PROJECT_BINARY_DIR}/man/${page})
    set(compress "")
    if(HOOKPACE_GZIP)
      set(compress COMMAND ${HOOKPACE_GZIP} -9nf ${file})
      string(APPEND file .gz)
    endif()
    add_custom_command(OUTPUT ${file}
      COMMAND ${PROJECT_SOURCE_DIR}/docs/man/make-page ${page} ${PROJECT_VERSION} ${tools} > ${PROJECT_BINARY_DIR}/man/${page}
      ${compress}
      DEPENDS ${tools}/made docs/man/make-page docs/man/markdown-to-man.awk docs/man/${page}.md docs/reference/configuration.md
      VERBATIM)
    list(APPEND pages ${file})
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endforeach()
  add_custom_target(hookpace_man ALL DEPENDS ${pages})
endif()

install(FILES hookpace.example.json README.md CHANGELOG.md SECURITY.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/guides docs/reference docs/images DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY deploy/ DESTINATION ${CMAKE_INSTALL_DATADIR}/hookpace/deploy
  PATTERN systemd EXCLUDE PATTERN debian EXCLUDE)
