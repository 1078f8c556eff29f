#!/usr/bin/env bash
# Builds the C library and installs it with its header and its pkg-config file.
#
#   install.sh [--prefix DIR] [--libdir DIR] [--destdir DIR] [--profile NAME]
#   install.sh --uninstall [--prefix DIR] [--libdir DIR] [--destdir DIR]
#
#   --prefix DIR    where it will be used [default: /usr/local]
#   --libdir DIR    folder of the libraries [default: PREFIX/lib]
#   --destdir DIR   put in front of all paths, for packages; programs find it without
#   --profile NAME  profile of cargo [default: release]
#   --uninstall     remove what was installed with the same options
#
# The static library has no EC2 handler, whose SDK would make it several times as large.
set -euo pipefail

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
}

refuse() {
    echo "install.sh: $1" >&2
    exit 2
}

prefix=/usr/local libdir='' destdir='' profile=release uninstall=''
while [ $# -gt 0 ]; do
    case "$1" in
    --prefix | --libdir | --destdir | --profile)
        [ $# -ge 2 ] || refuse "$1 needs a value"
        declare "${1#--}=$2"
        shift 2
        ;;
    --uninstall)
        uninstall=yes
        shift
        ;;
    -h | --help)
        usage
        exit
        ;;
    *)
        usage >&2
        refuse "unknown argument '$1'"
        ;;
    esac
done
# A path that depends on where a program is run would be in the pkg-config file.
for path in "$prefix" "${libdir:-/}" "${destdir:-/}"; do
    case "$path" in
    /*) ;;
    *) refuse "'$path' is not an absolute path" ;;
    esac
    # pkg-config and the flags that it prints are split at blanks.
    case "$path" in
    *[[:space:]]*) refuse "'$path' has a blank, which pkg-config cannot handle" ;;
    esac
done
libdir=${libdir:-$prefix/lib}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
# The SONAME is the number of the main version; see build.rs.
soname=liboccopus.so.${version%%.*}
file=liboccopus.so.${version%%-*}

if [ -n "$uninstall" ]; then
    rm -fv "$destdir$libdir"/{"$file","$soname",liboccopus.so,liboccopus.a,pkgconfig/occopus.pc} \
        "$destdir$prefix/include/occopus.h"
    exit
fi

target=${CARGO_TARGET_DIR:-target}
# The profile `dev` has its results in a folder of another name.
built=$target/${profile/#dev/debug}
cargo build --locked --package occopus-c --profile "$profile"
cargo rustc --locked --package occopus-c --profile "$profile" --no-default-features --crate-type staticlib
# What a static library needs beside itself; the same for all programs in Rust on Linux.
needs="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"

install -d "$destdir$libdir/pkgconfig" "$destdir$prefix/include"
install -m 755 "$built/liboccopus_c.so" "$destdir$libdir/$file"
ln -sf "$file" "$destdir$libdir/$soname"
ln -sf "$soname" "$destdir$libdir/liboccopus.so"
install -m 644 "$built/liboccopus_c.a" "$destdir$libdir/liboccopus.a"
install -m 644 include/occopus.h "$destdir$prefix/include/occopus.h"
cat >"$destdir$libdir/pkgconfig/occopus.pc" <<END
prefix=$prefix
includedir=\${prefix}/include
libdir=${libdir/#"$prefix/"/\$\{prefix\}/}

Name: occopus
Description: Hybrid-cloud orchestrator: builds, heals, scales and removes infrastructures described in YAML
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -loccopus
Libs.private: $needs
END
echo "install.sh: installed below $destdir$prefix; programs find it with PKG_CONFIG_PATH=$libdir/pkgconfig" >&2
