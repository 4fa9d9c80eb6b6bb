#!/bin/sh
# Installs what the system lacks of pkg-config and libzmq's headers, and of what each
# argument asks for:
#
#   peers    the peers of tests/interop
#   browser  the Chromium of tests/browser
#   net      the ip command
#   asan     what the C compiler links for AddressSanitizer
#
# The first three are installed by apt-get alone, because other managers may lack the packages.
#
# Usage: deps.sh [peers] [browser] [net] [asan]
#        deps.sh names MANAGER PACKAGE...
#
# The second form prints what a package manager calls libzmq, pkg-config, cc or asan.
#
# deps.sh says what it installs, and uses sudo if the caller is not root. Without peers,
# browser or net their tests are skipped, so a failure to install those is a note. A failure
# to install asan is an error, because test-asan then has nothing to run.
set -u

die() {
	echo "deps: $*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# manager prints the system's package manager, or nothing.
manager() {
	for m in apt-get dnf apk pacman zypper brew; do
		if have "$m"; then
			echo "$m"
			return
		fi
	done
}

# names LOGICAL... prints the manager's names of the packages.
names() {
	for logical; do
		case $PM:$logical in
		apt-get:cc) echo gcc libc6-dev ;;
		apk:cc) echo gcc musl-dev ;;
		brew:cc) ;; # xcode-select --install
		*:cc) echo gcc ;;
		apt-get:libzmq) echo libzmq3-dev ;;
		apt-get:pkg-config) echo pkg-config ;;
		apk:libzmq) echo zeromq-dev ;;
		pacman:libzmq | brew:libzmq) echo zeromq ;;
		*:libzmq) echo zeromq-devel ;;
		apt-get:asan) echo "libgcc-$($cc -dumpversion)-dev" ;;
		*:asan) echo libasan ;;
		dnf:pkg-config | zypper:pkg-config) echo pkgconf-pkg-config ;;
		*:pkg-config) echo pkgconf ;;
		*) echo "$logical" ;;
		esac
	done
}

# as_root COMMAND... runs COMMAND as root, with sudo if needed. Homebrew is the exception: it
# refuses to run as root.
as_root() {
	if [ "$PM" != brew ] && [ "$(id -u)" -ne 0 ]; then
		set -- sudo "$@"
	fi
	echo "deps: $*"
	"$@"
}

# refresh fetches apt's package lists, once. Other managers fetch theirs themselves.
refreshed=
refresh() {
	if [ "$PM" = apt-get ] && [ -z "$refreshed" ]; then
		refreshed=1
		as_root apt-get -qq update || echo "deps: apt-get update failed, going on with the lists at hand" >&2
	fi
}

# install PACKAGE... installs packages under the manager's own names.
install() {
	if [ "$PM" != brew ] && [ "$(id -u)" -ne 0 ] && ! have sudo; then
		echo "deps: cannot install $*: not root, and there is no sudo" >&2
		return 1
	fi
	refresh
	case $PM in
	apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" ;;
	dnf) as_root dnf install -y "$@" ;;
	apk) as_root apk add "$@" ;;
	pacman) as_root pacman -Sy --noconfirm --needed "$@" ;;
	zypper) as_root zypper --non-interactive install "$@" ;;
	brew) as_root brew install "$@" ;;
	esac || {
		echo "deps: $PM could not install $*" >&2
		return 1
	}
}

# python_imports MODULE reports whether one of the Pythons that tests/interop tries has MODULE.
python_imports() {
	for py in ${ZMQIO_PYTHON:+"$ZMQIO_PYTHON"} /usr/bin/python3 python3; do
		if "$py" -c "import $1" >/dev/null 2>&1; then
			return 0
		fi
	done
	return 1
}

# need_libzmq installs pkg-config and libzmq if they are missing. A failure ends the script.
need_libzmq() {
	if pkg-config --exists libzmq 2>/dev/null; then
		return
	fi
	[ -n "$PM" ] || die "pkg-config does not know libzmq, and there is no package manager known here; install ZeroMQ's development files by hand"
	set -- libzmq
	have pkg-config || set -- "$@" pkg-config
	# The command splits into words on purpose: one name a package.
	# shellcheck disable=SC2046
	set -- $(names "$@")
	echo "deps: libzmq's headers or pkg-config are missing; installing $* with $PM"
	install "$@" || exit 1
	pkg-config --exists libzmq 2>/dev/null || die "installed $*, and pkg-config still does not know libzmq; see PKG_CONFIG_PATH"
}

# links_asan reports whether the C compiler can link a program with AddressSanitizer.
links_asan() {
	echo 'int main(void) { return 0; }' | $cc -fsanitize=address -x c -o /dev/null - >/dev/null 2>&1
}

# need_asan installs AddressSanitizer if it is missing. A failure ends the script.
need_asan() {
	if links_asan; then
		return
	fi
	[ -n "$PM" ] || die "$cc cannot link with -fsanitize=address; install its AddressSanitizer by hand"
	echo "deps: AddressSanitizer is missing; installing $(names asan) with $PM"
	install "$(names asan)" || exit 1
	links_asan || die "installed $(names asan), and $cc still cannot link with -fsanitize=address"
}

# want NAME PACKAGE installs what only some tests need. A failure is a note.
want() {
	if [ "$PM" != apt-get ]; then
		echo "deps: $1 is missing; the tests that need it are skipped" >&2
		return
	fi
	echo "deps: $1 is missing; installing $2 with $PM"
	install "$2" || echo "deps: no $1; the tests that need it are skipped" >&2
}

if [ "${1-}" = names ]; then
	PM=$2
	shift 2
	names "$@"
	exit
fi

peers='' browser='' net='' asan=''
for arg; do
	case $arg in
	peers) peers=yes ;;
	browser) browser=yes ;;
	net) net=yes ;;
	asan) asan=yes ;;
	*) die "unknown argument $arg" ;;
	esac
done

have go || die "Go is missing; see https://go.dev/doc/install"
cc=$(go env CC)
PM=$(manager)
# The command splits into words on purpose.
# shellcheck disable=SC2046
have "${cc%% *}" || die "the C compiler $cc is missing, and cgo needs one:" $(names cc)
need_libzmq
if [ -n "$peers" ]; then
	python_imports zmq || want pyzmq python3-zmq
	python_imports aiozmq || want aiozmq python3-aiozmq
	have openssl || want openssl openssl
	have socat || want socat socat
	[ -e /etc/services ] || want /etc/services netbase
fi
if [ -n "$browser" ]; then
	have chromium || have chromium-browser || have google-chrome || want chromium chromium
fi
if [ -n "$net" ]; then
	(PATH=$PATH:/usr/sbin:/sbin && have ip) || want "the ip command" iproute2
fi
if [ -n "$asan" ]; then
	need_asan
fi
