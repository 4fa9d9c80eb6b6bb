package needs

/*
#cgo pkg-config: ./libzmq3-dev_on_Debian.zeromq-devel_on_Fedora_and_openSUSE.zeromq-dev_on_Alpine.zeromq_on_Arch_and_macOS.pc

#if defined __has_include
#if !__has_include(<zmq.h>)
#error "zmq.h is missing where libzmq.pc says it is: install libzmq3-dev (Debian), zeromq-devel (Fedora, openSUSE), zeromq-dev (Alpine) or zeromq (Arch, macOS) again"
#endif
#endif
*/
import "C"

import _ "github.com/zmqio/zmq/zmqio/internal/needs/pkgconfig" // for its warning
