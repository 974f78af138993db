# `cpack -G DEB` in the build tree makes hookpace_<version>_<architecture>.deb, for the release of Debian that it is run on.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hookpace)
set(CPACK_PACKAGE_VENDOR "The Hookpace authors")
set(CPACK_PACKAGE_CONTACT "The Hookpace authors <hookpace@users.noreply.github.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "queue-backed webhook gateway")
set(CPACK_PACKAGE_DESCRIPTION "Providers push webhooks once and in bursts. Hookpace verifies them,
keeps them in Redis, and sends them on at a pace that the application
can take, with retries. The package has the receiver, the dispatcher,
and the command hookpace.")

# DESTDIR, and not a prefix inside the staging folder: the units have to name /usr/bin.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server | valkey-server")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)

# What only the package has: the configuration in /etc, and the files that Debian's policy asks for.
configure_file(deploy/debian/changelog.in debian/changelog)
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/debian/changelog.gz
  COMMAND gzip -9nkf ${PROJECT_BINARY_DIR}/debian/changelog
  DEPENDS ${PROJECT_BINARY_DIR}/debian/changelog VERBATIM)
add_custom_target(hookpace_debian ALL DEPENDS ${PROJECT_BINARY_DIR}/debian/changelog.gz)
set(for_debian COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /etc/hookpace DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE ${for_debian})
install(FILES ${debian}/hookpace.json DESTINATION /etc/hookpace PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ ${for_debian})
install(FILES ${debian}/secrets.env DESTINATION /etc/hookpace PERMISSIONS OWNER_READ OWNER_WRITE ${for_debian})
install(FILES ${debian}/copyright DESTINATION share/doc/hookpace ${for_debian})
install(FILES ${PROJECT_BINARY_DIR}/debian/changelog.gz DESTINATION share/doc/hookpace ${for_debian})
install(FILES ${debian}/lintian-overrides DESTINATION share/lintian/overrides RENAME hookpace ${for_debian})
set(CPACK_INSTALL_CMAKE_PROJECTS
  "${PROJECT_BINARY_DIR};hookpace;ALL;/;${PROJECT_BINARY_DIR};hookpace;debian;/")
include(CPack)
