#!/usr/bin/env bash
# Builds the C library and installs it with its header and its pkg-config file.
#
#   install.sh [--prefix DIR] [--libdir DIR] [--destdir DIR] [--profile NAME]
#
#   --prefix DIR    where it will be used [default: /usr/local]
#   --libdir DIR    folder of the libraries [default: PREFIX/lib]
#   --destdir DIR   put in front of all paths, for packages; programs find it without
#   --profile NAME  profile of cargo [default: release]
#
# The static library has no EC2 handler, whose SDK would make it several times as large.
set -euo pipefail

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
}

prefix=/usr/local libdir='' destdir='' profile=release
while [ $# -gt 0 ]; do
    case "$1" in
    --prefix | --libdir | --destdir | --profile)
        [ $# -ge 2 ] || { echo "install.sh: $1 needs a value" >&2; exit 2; }
        declare "${1#--}=$2"
        shift 2
        ;;
    -h | --help)
        usage
        exit
        ;;
    *)
        echo "install.sh: unknown argument '$1'" >&2
        usage >&2
        exit 2
        ;;
    esac
done
# A path that depends on where a program is run would be in the pkg-config file.
for path in "$prefix" "$libdir" "$destdir"; do
    case "$path" in
    '' | /*) ;;
    *)
        echo "install.sh: '$path' is not an absolute path" >&2
        exit 2
        ;;
    esac
done
libdir=${libdir:-$prefix/lib}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=${CARGO_TARGET_DIR:-target}
# The profile `dev` has its results in a folder of another name.
built=$target/${profile/#dev/debug}
cargo build --locked --package occopus-c --profile "$profile"
cargo rustc --locked --package occopus-c --profile "$profile" --no-default-features --crate-type staticlib
# What a static library needs beside itself; the same for all programs in Rust on Linux.
needs="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)

install -d "$destdir$libdir/pkgconfig" "$destdir$prefix/include"
install -m 755 "$built/liboccopus_c.so" "$destdir$libdir/liboccopus.so.0"
ln -sf liboccopus.so.0 "$destdir$libdir/liboccopus.so"
install -m 644 "$built/liboccopus_c.a" "$destdir$libdir/liboccopus.a"
install -m 644 include/occopus.h "$destdir$prefix/include/occopus.h"
cat >"$destdir$libdir/pkgconfig/occopus.pc" <<END
prefix=$prefix
includedir=\${prefix}/include
libdir=$libdir

Name: occopus
Description: Hybrid-cloud orchestrator: builds, heals, scales and removes infrastructures described in YAML
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -loccopus
Libs.private: $needs
END
echo "install.sh: installed below $destdir$prefix; programs find it with PKG_CONFIG_PATH=$libdir/pkgconfig" >&2
