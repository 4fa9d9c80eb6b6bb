#if defined __has_include
#if !__has_include("/usr/bin/pkg-config") && !__has_include("/usr/local/bin/pkg-config") && \
	!__has_include("/opt/homebrew/bin/pkg-config") && !__has_include("/opt/local/bin/pkg-config") && \
	!__has_include("/home/linuxbrew/.linuxbrew/bin/pkg-config") && !__has_include("/usr/pkg/bin/pkg-config")
#pragma message "pkg-config is in none of its usual places. If the build stops for want of it:\n" \
	"  Debian, Ubuntu:  apt-get install libzmq3-dev pkg-config\n" \
	"  Fedora:          dnf install zeromq-devel pkgconf-pkg-config\n" \
	"  openSUSE:        zypper install zeromq-devel pkgconf-pkg-config\n" \
	"  Alpine:          apk add zeromq-dev pkgconf\n" \
	"  Arch:            pacman -S zeromq pkgconf\n" \
	"  macOS:           brew install zeromq pkgconf"
#endif
#endif
