package security

// stuckPeersTakeMessages is what CVE-2020-15166 is about.
const stuckPeersTakeMessages = "earlier ones give messages to peers that have not finished their handshake"
