package security

// stuckPeersTakeMessages means that libzmq has the fault of CVE-2020-15166.
const stuckPeersTakeMessages = "earlier ones give messages to peers that have not finished their handshake"
