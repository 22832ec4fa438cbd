#!/bin/sh
# Puts scpd where it belongs, or takes it away again; run by make install, which says where.
#
# The program is a launcher in PREFIX/bin and, below PREFIX/lib/scpd, a folder with all the Python that it uses, compiled for
# its final place.  The link PREFIX/lib/scpd/bin/storescp is the drop-in: DCMTK owns PREFIX/bin/storescp.
set -eu
umask 022

LIBRARY=$PREFIX/lib/scpd
MANUAL=$PREFIX/share/man
EXAMPLES=$DOCDIR/examples
# What the units and the command file use at once; the other files of etc/ are for reading.
CONFIGURATION='scpd.conf storescp.cfg logger.cfg'

fail() {
  echo "$*" >&2
  exit 1
}

# Files name each other by the paths of a Debian package.
adapted() {
  sed -e "s|/usr/bin/scp|$PREFIX/bin/scp|g" -e "s|/etc/scpd|$SYSCONFDIR/scpd|g" \
    -e "s|/usr/lib/scpd|$LIBRARY|g" -e "s|/usr/share/doc/scpd|$DOCDIR|g" "$1"
}

# put FOLDER FILE...
put() {
  folder=$DESTDIR$1
  shift
  install -d "$folder"
  for file in "$@"; do
    adapted "$file" >"$folder/.new"
    chmod 644 "$folder/.new"
    mv -f "$folder/.new" "$folder/${file##*/}"
  done
}

# launcher NAME MODULE
launcher() {
  sed -e "s|@PYTHON@|$python|" -e "s|@NAME@|$1|" -e "s|@MODULE@|$2|" -e "s|@MAJOR@, @MINOR@|$version|" \
    install/launcher.in >"$DESTDIR$PREFIX/bin/.$1.new"
  chmod 755 "$DESTDIR$PREFIX/bin/.$1.new"
  mv -f "$DESTDIR$PREFIX/bin/.$1.new" "$DESTDIR$PREFIX/bin/$1"
}

# A new tree is made beside the old one, then both change places, so that no start sees a mixture; none succeeds in the
# instant between the two renames.
library() {
  new=$DESTDIR$LIBRARY/python.new
  rm -rf "$new" "$DESTDIR$LIBRARY/python.old"
  install -d "$new/scpd" "$DESTDIR$LIBRARY/bin"
  cp -R "$PACKAGES/." "$new/"
  find scpd -type f \( -name '*.py' -o -name py.typed \) | tar -cf - -T - | tar -xf - -C "$new" --no-same-owner
  chmod -R u=rwX,go=rX "$new"
  # Not by the time of the source: a copy or a package may change that, and nothing compiles again at run time.
  test "$COMPILE" = no ||
    "$python" -I -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$new" -p "$LIBRARY/python" "$new" ||
    fail 'scpd cannot be compiled'
  test ! -e "$DESTDIR$LIBRARY/python" || mv "$DESTDIR$LIBRARY/python" "$DESTDIR$LIBRARY/python.old"
  mv "$new" "$DESTDIR$LIBRARY/python"
  rm -rf "$DESTDIR$LIBRARY/python.old"
  ln -sfn ../../../bin/scpd "$DESTDIR$LIBRARY/bin/storescp"
}

# An administrator's file is never touched.
configuration() {
  for name in $CONFIGURATION; do
    file=$DESTDIR$SYSCONFDIR/scpd/$name
    if test ! -e "$file"; then
      put "$SYSCONFDIR/scpd" "etc/$name"
    elif ! adapted "etc/$name" | cmp -s - "$file"; then
      echo "kept: $SYSCONFDIR/scpd/$name; the new one is $EXAMPLES/$name"
    fi
  done
}

install_all() {
  python=$("$INTERPRETER" -I -c 'import sys; print(sys._base_executable)') || fail "no interpreter: $INTERPRETER"
  "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "scpd needs Python 3.11: $python is older"
  version=$("$python" -I -c 'import sys; print("%d, %d" % sys.version_info[:2])')
  case $python$DESTDIR$PREFIX$SYSCONFDIR in
    *[\ \|\&\\]*) fail 'no blanks and none of | & \ in the paths, please: they stand in files of all kinds' ;;
  esac
  case $python in
    /home/* | /root/*) echo "note: $python is in a home, which services cannot see; better: make install PYTHON=..." ;;
  esac
  install -d "$DESTDIR$PREFIX/bin"
  library
  launcher scpd scpd.__main__
  launcher scpctl scpd.ctl.main
  for page in man/*.[1-9]; do put "$MANUAL/man${page##*.}" "$page"; done
  put "$UNITDIR" systemd/*.service systemd/*.socket
  put "$UNITDIR/scpd.service.d" systemd/scpd.service.d/*.example
  put "$PREFIX/lib/sysusers.d" systemd/sysusers.d/scpd.conf
  put "$PREFIX/lib/tmpfiles.d" systemd/tmpfiles.d/scpd.conf
  put "$DOCDIR" README.md CHANGELOG.md SECURITY.md LICENSE
  put "$EXAMPLES" etc/* inetd/*
  configuration
}

uninstall_all() {
  for name in $CONFIGURATION; do
    file=$DESTDIR$SYSCONFDIR/scpd/$name
    test ! -e "$file" || ! cmp -s "$file" "$DESTDIR$EXAMPLES/$name" || rm -f "$file"
  done
  test ! -d "$DESTDIR$SYSCONFDIR/scpd" || rmdir "$DESTDIR$SYSCONFDIR/scpd" 2>/dev/null ||
    echo "kept: $SYSCONFDIR/scpd"
  rm -f "$DESTDIR$PREFIX/bin/scpd" "$DESTDIR$PREFIX/bin/scpctl"
  rm -rf "$DESTDIR$LIBRARY" "$DESTDIR$DOCDIR"
  for page in man/*.[1-9]; do rm -f "$DESTDIR$MANUAL/man${page##*.}/${page##*/}"; done
  for unit in systemd/*.service systemd/*.socket; do rm -f "$DESTDIR$UNITDIR/${unit##*/}"; done
  for drop_in in systemd/scpd.service.d/*.example; do rm -f "$DESTDIR$UNITDIR/scpd.service.d/${drop_in##*/}"; done
  rmdir "$DESTDIR$UNITDIR/scpd.service.d" 2>/dev/null || :
  rm -f "$DESTDIR$PREFIX/lib/sysusers.d/scpd.conf" "$DESTDIR$PREFIX/lib/tmpfiles.d/scpd.conf"
}

"$1_all"
