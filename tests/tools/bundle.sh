#!/bin/sh
# Makes a directory of a program and the shared libraries that the loader maps for the
# program. The program can then run with the directory as its root: in an otherwise empty
# container image, or under chroot.
#
# Usage: bundle.sh DIR PROGRAM
#
# DIR has the program at its top and the libraries in libc's directory, where the loader
# looks without a cache. The loader keeps its path, because the program names that.
# etc/hosts resolves localhost. Container runtimes replace it by a file of their own, and add
# etc/resolv.conf for the names of other hosts.
#
# LDD is the command that lists the libraries. For a program of another processor, set
# LDD='qemu-aarch64-static /lib/ld-linux-aarch64.so.1 --list'.
set -eu

die() {
	echo "bundle: $*" >&2
	exit 1
}

[ $# = 2 ] || die "usage: bundle.sh DIR PROGRAM"
dir=$1 program=$2
if [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
	die "$dir is not empty"
fi

# A line of ldd is "name => path (address)", "path (address)" for the loader,
# "name (address)" for a part of the kernel, or "name => not found". The command splits into
# words on purpose.
# shellcheck disable=SC2086
libraries=$(${LDD:-ldd} "$program") || die "${LDD:-ldd} cannot read $program; a static program needs no bundle"
case $libraries in *"not found"*) die "a library is missing:
$libraries" ;; esac

loader=$(echo "$libraries" | awk '$1 ~ "^/" { print $1 }')
libc=$(echo "$libraries" | awk '$1 ~ "^libc[.]" { print $3 }')
[ -n "$loader" ] && [ -n "$libc" ] || die "${LDD:-ldd} names no loader or no libc for $program:
$libraries"

# put SOURCE PATH copies a file to PATH in the directory. It follows symbolic links.
put() {
	mkdir -p "$dir$(dirname "$2")"
	cp -L "$1" "$dir$2"
	chmod 755 "$dir$2"
}

put "$program" "/$(basename "$program")"
put "$loader" "$loader"
echo "$libraries" | awk '$2 == "=>" { print $1, $3 }' | while read -r name path; do
	put "$path" "$(dirname "$libc")/$name"
done

mkdir -p "$dir/etc"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$dir/etc/hosts"
du -sh "$dir"
