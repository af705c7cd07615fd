package wire

// MaxQUICHandshake is how many bytes of TLS handshake quic-go takes from its
// peer at each encryption level. A longer certificate chain ends the
// connection with CRYPTO_BUFFER_EXCEEDED (RFC 9000, section 7.5).
const MaxQUICHandshake = 16 << 10
